// SPDX-License-Identifier: MIT

package deliver

import "golang.org/x/sys/unix"

// ThreadID identifies the calling thread. A callback runs on a goroutine that
// is locked to its thread, so equal ids mean "inside that callback".
func ThreadID() uint64 { return uint64(unix.Gettid()) }

// SPDX-License-Identifier: MIT

package engine

import "golang.org/x/sys/unix"

// threadID identifies the calling thread. A callback runs on a goroutine that
// is locked to its thread, so equal ids mean "inside that callback".
func threadID() uint64 { return uint64(unix.Gettid()) }

// SPDX-License-Identifier: MIT

package deliver

import "golang.org/x/sys/windows"

// ThreadID identifies the calling thread; see thread_linux.go.
func ThreadID() uint64 { return uint64(windows.GetCurrentThreadId()) }

// SPDX-License-Identifier: MIT

package engine

import "golang.org/x/sys/windows"

// threadID identifies the calling thread; see thread_linux.go.
func threadID() uint64 { return uint64(windows.GetCurrentThreadId()) }

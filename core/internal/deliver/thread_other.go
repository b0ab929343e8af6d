// SPDX-License-Identifier: MIT

//go:build !linux && !windows

package deliver

import (
	"bytes"
	"runtime"
	"strconv"
)

// ThreadID identifies the calling goroutine, which serves as well as the thread
// (see thread_linux.go): a C caller's goroutine is the same one in a callback.
// Its number stands only in a stack trace: "goroutine 7 [running]:".
func ThreadID() uint64 {
	var buf [64]byte
	f := bytes.Fields(buf[:runtime.Stack(buf[:], false)])
	n, _ := strconv.ParseUint(string(f[1]), 10, 64)
	return n
}

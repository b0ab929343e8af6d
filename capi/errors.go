// SPDX-License-Identifier: MIT

package main

// #include "bridge.h"
import "C"

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/qtforge/hotreload/core"
)

// maxPrintable is how many bytes hrm_printable writes before the NUL.
const maxPrintable = 1 << 20

type handleError struct {
	h   uintptr
	why string
}

func (e handleError) Error() string {
	if e.h == 0 {
		return "the manager handle is NULL"
	}
	return fmt.Sprintf("the manager handle %#x %s", e.h, e.why)
}

var codeOfKind = []struct {
	kind error
	code C.int32_t
}{
	{core.ErrFileNotFound, C.HRM_ERR_FILE_NOT_FOUND},
	{core.ErrInvalidPath, C.HRM_ERR_INVALID_PATH},
	{core.ErrAlreadyExists, C.HRM_ERR_ALREADY_EXISTS},
	{core.ErrPermissionDenied, C.HRM_ERR_PERMISSION_DENIED},
	{core.ErrInvalidArgument, C.HRM_ERR_INVALID_ARGUMENT},
	{core.ErrClosed, C.HRM_ERR_INVALID_HANDLE},
	{core.ErrNotSupported, C.HRM_ERR_NOT_SUPPORTED},
	{core.ErrPanic, C.HRM_ERR_PANIC},
	{core.ErrNoMemory, C.HRM_ERR_NO_MEMORY},
	{core.ErrIO, C.HRM_ERR_IO},
}

// code turns an error into its code and, if out is not nil, describes it there.
func code(err error, out *C.hrm_error) C.int32_t {
	if err == nil {
		return C.HRM_OK
	}
	c := C.int32_t(C.HRM_ERR_IO)
	if _, ok := err.(handleError); ok {
		c = C.HRM_ERR_INVALID_HANDLE
	}
	for _, k := range codeOfKind {
		if errors.Is(err, k.kind) {
			c = k.code
			break
		}
	}
	if out != nil {
		describe(out, c, err)
	}
	return c
}

func describe(out *C.hrm_error, c C.int32_t, err error) {
	out.code = c
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		out.os_error = C.int32_t(errno)
	}
	put(unsafe.Slice((*byte)(unsafe.Pointer(&out.message[0])), len(out.message)), err.Error())
}

// put writes text as a C string, printable and as short as it must be.
func put(to []byte, text string) int {
	n := copy(to, core.Printable(text, len(to)-1))
	to[n] = 0
	return n
}

//export hrmgo_printable
func hrmgo_printable(text *C.hrm_cchar, out *C.char, size C.uint64_t) (result C.int32_t) {
	defer guard(nil, &result, nil)
	return count(put(unsafe.Slice((*byte)(unsafe.Pointer(out)), min(uint64(size), maxPrintable+1)), view(text)))
}

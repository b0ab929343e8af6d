// SPDX-License-Identifier: MIT

package main

// #include "bridge.h"
import "C"

import "github.com/qtforge/hotreload/core"

// guard ends every exported function: a panic becomes a code, and its manager
// unusable, because the panic may have left it inconsistent.
func guard(m **core.Manager, result *C.int32_t, err *C.hrm_error) {
	r := recover()
	if r == nil {
		return
	}
	what := "panic in a library function: " + core.Panic(r)
	if m != nil && *m != nil {
		(*m).Fault(what)
	}
	*result = code(&core.Error{Kind: core.ErrPanic, Msg: what}, err)
}

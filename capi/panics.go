package main

// #include "bridge.h"
import "C"

import (
	"fmt"

	"github.com/qtforge/hotreload/core"
)

// guard ends every exported function: a panic becomes a code, and its manager
// unusable, because the panic may have left it inconsistent.
func guard(m **core.Manager, result *C.int32_t, err *C.hrm_error) {
	r := recover()
	if r == nil {
		return
	}
	what := fmt.Sprintf("panic in a library function: %v", r)
	if m != nil && *m != nil {
		(*m).Fault(what)
	}
	*result = code(&core.Error{Kind: core.ErrPanic, Msg: what}, err)
}

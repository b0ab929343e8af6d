// SPDX-License-Identifier: MIT

//go:build panics

package main

// #include "bridge.h"
import "C"

import "github.com/qtforge/hotreload/core"

// These are in the tests' build alone, and entered through inject.c.
//
//export hrmgo_test_panic
func hrmgo_test_panic(function *C.hrm_cchar) { core.PanicIn(C.GoString(function)) }

// hrmgo_test_fault has the processor report a fault.
//
//export hrmgo_test_fault
func hrmgo_test_fault() (result C.int32_t) {
	defer guard(nil, &result, nil)
	var nowhere *C.int32_t
	return *nowhere
}

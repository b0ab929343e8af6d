// SPDX-License-Identifier: MIT

//go:build panics

package main

// #include "bridge.h"
// HRM_API void hrm_test_panic(hrm_cchar *function);
import "C"

import "github.com/qtforge/hotreload/core"

// hrm_test_panic is in the tests' build alone.
//
//export hrm_test_panic
func hrm_test_panic(function *C.hrm_cchar) { core.PanicIn(C.GoString(function)) }

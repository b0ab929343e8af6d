// SPDX-License-Identifier: MIT

// Command capi is the c-shared library libhotreload. It only converts between
// C and package core; nothing is decided here. Built by capi/mklib.
//
// Layers, from the host inwards:
//
//	include/hot_reload_manager.h  the public interface and its manual
//	shim.c      the hrm_* functions: NULL and size checks, zeroed outputs
//	thread.c    the host's threads during a call and in callbacks: signals, signal stack
//	guest.c     fork guard, signals of Go's runtime
//	pressure.c  what Go's runtime gets where threads or address space run out
//	exports.go  hrmgo_*: finds the manager, calls core, turns errors into codes
//	handles.go  the handle table; the only user of go-pointer
//	handles.c   the handles, where leak checkers find them
//	safe.go     the options, reports and stats of safe reload
//	errors.go   core's errors as codes and hrm_error, printable text
//	panics.go   contains panics at the border
//	invoke.c    calls of the host's callbacks
//
// Rules. Values that the host chose freely (handles, user_data, function
// pointers) cross as uintptr_t: Go's runtime ends the process when it finds an
// invalid pointer in a pointer-typed slot. No Go pointer goes to C. Strings are
// copied. Only fixed-width types are exported.
package main

func main() {}

package main

// #include "bridge.h"
import "C"

import (
	"unsafe"

	"github.com/qtforge/hotreload/core"
)

// Which callback hrmgo_set_callback sets; shim.c has the same numbers.
const (
	reloadCallback = 0
	eventCallback  = 1
	wakeupCallback = 2
)

//export hrmgo_set_callback
func hrmgo_set_callback(h C.uintptr_t, which C.int32_t, fn, userData, destroy C.uintptr_t) (result C.int32_t) {
	release := func() {
		if destroy != 0 {
			C.hrmc_call_plain(destroy, userData)
		}
	}
	m, e := lookup(uintptr(h))
	defer guard(&m, &result, nil)
	if e != nil {
		release()
		return code(e, nil)
	}
	switch which {
	case reloadCallback:
		var f func(string)
		if fn != 0 {
			f = func(id string) { callReload(fn, userData, id) }
		}
		e = m.SetReloadCallback(f, release)
	case eventCallback:
		var f func(core.Event)
		if fn != 0 {
			f = func(ev core.Event) { callEvent(fn, userData, ev) }
		}
		e = m.SetEventCallback(f, release)
	case wakeupCallback:
		var f func()
		if fn != 0 {
			f = func() { C.hrmc_call_plain(fn, userData) }
		}
		e = m.SetWakeup(f, release)
	}
	return code(e, nil)
}

func callReload(fn, userData C.uintptr_t, id string) {
	cid := C.CString(id)
	defer C.free(unsafe.Pointer(cid))
	C.hrmc_call_reload(fn, cid, userData)
}

func callEvent(fn, userData C.uintptr_t, ev core.Event) {
	id, path, message := C.CString(ev.ID), C.CString(ev.Path), C.CString(ev.Message)
	defer func() {
		C.free(unsafe.Pointer(id))
		C.free(unsafe.Pointer(path))
		C.free(unsafe.Pointer(message))
	}()
	C.hrmc_call_event(fn, userData, C.int32_t(ev.Kind), C.uint64_t(ev.Sequence), C.int64_t(ev.Time.UnixNano()),
		C.int64_t(ev.FirstSeen.UnixNano()), id, path, C.uint64_t(ev.Generation), C.int32_t(ev.Health), message)
}

// SPDX-License-Identifier: MIT

package main

// #include "bridge.h"
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/qtforge/hotreload/core"
)

// Which callback hrmgo_set_callback sets; shim.c has the same numbers.
const (
	reloadCallback = 0
	eventCallback  = 1
	wakeupCallback = 2
	validator      = 3
	logCallback    = 4
)

//export hrmgo_set_callback
func hrmgo_set_callback(h C.uintptr_t, which, level C.int32_t, fn, userData, destroy C.uintptr_t) (result C.int32_t) {
	m, mask, e := lookupWithMask(uintptr(h))
	host := hostOfManager(uintptr(h))
	key := host.key()
	release := func() {
		if destroy != 0 {
			C.hrmc_call_plain(destroy, userData, key, mask)
		}
	}
	defer guard(&m, &result, nil)
	if e != nil {
		release()
		return code(e, nil)
	}
	switch which {
	case reloadCallback:
		var f func(string)
		if fn != 0 {
			f = func(id string) { callReload(fn, userData, key, mask, id) }
		}
		e = m.SetReloadCallback(f, release)
	case eventCallback:
		var f func(core.Event)
		if fn != 0 {
			f = func(ev core.Event) { callEvent(fn, userData, key, mask, ev) }
		}
		if host != nil {
			f = host.andDeliver(f)
		}
		e = m.SetEventCallback(f, release)
	case wakeupCallback:
		var f func()
		if fn != 0 {
			f = func() { C.hrmc_call_plain(fn, userData, key, mask) }
		}
		e = m.SetWakeup(f, release)
	case validator:
		var f core.Validator
		if fn != 0 {
			f = func(c core.Candidate) error { return callValidator(fn, userData, key, mask, c) }
		}
		if host != nil {
			f = host.andValidate(f)
		}
		e = m.SetValidator(f, release)
	case logCallback:
		var f func(core.LogRecord)
		if fn != 0 {
			f = func(r core.LogRecord) { callLog(fn, userData, mask, r) }
		}
		e = m.SetLogCallback(core.LogLevel(level), f, release)
	}
	return code(e, nil)
}

func callReload(fn, userData, host C.uintptr_t, mask C.uint64_t, id string) {
	cid := C.CString(id)
	defer C.free(unsafe.Pointer(cid))
	C.hrmc_call_reload(fn, userData, host, mask, cid)
}

func callEvent(fn, userData, host C.uintptr_t, mask C.uint64_t, ev core.Event) {
	id, path, message := C.CString(ev.ID), C.CString(ev.Path), C.CString(ev.Message)
	snapshot, sum, comment := C.CString(ev.Snapshot), C.CString(ev.SnapshotHash), C.CString(ev.TrustedComment)
	folder := C.CString(ev.FolderID)
	defer free(id, path, message, snapshot, sum, comment, folder)
	C.hrmc_call_event(fn, userData, host, mask, C.int32_t(ev.Kind), C.uint64_t(ev.Sequence), C.int64_t(ev.Time.UnixNano()),
		C.int64_t(ev.FirstSeen.UnixNano()), id, path, C.uint64_t(ev.Generation), C.int32_t(ev.Health), message,
		snapshot, C.uint64_t(ev.SnapshotSize), sum, comment, folder)
}

func callLog(fn, userData C.uintptr_t, mask C.uint64_t, r core.LogRecord) {
	id, text := C.CString(r.ID), C.CString(r.Message)
	defer free(id, text)
	C.hrmc_call_log(fn, userData, mask, C.int32_t(r.Level), C.int64_t(r.Time.UnixNano()), id, text)
}

// callValidator returns nil if the host accepts.
func callValidator(fn, userData, host C.uintptr_t, mask C.uint64_t, c core.Candidate) error {
	id, path, snapshot, sum := C.CString(c.ID), C.CString(c.Path), C.CString(c.Snapshot), C.CString(c.SnapshotHash)
	comment, reason := C.CString(c.TrustedComment), (*C.char)(C.calloc(1, roomForReason))
	defer free(id, path, snapshot, sum, comment, reason)
	return rejection(C.hrmc_call_validator(fn, userData, host, mask, id, path, snapshot, C.uint64_t(c.SnapshotSize), sum, comment,
		C.uint64_t(c.Generation), reason, roomForReason), reason)
}

// rejection is a validator's answer: nil if it accepts.
func rejection(verdict C.int32_t, reason *C.char) error {
	if verdict == C.HRM_ACCEPT {
		return nil
	}
	why := string(unsafe.Slice((*byte)(unsafe.Pointer(reason)), roomForReason))
	if end := strings.IndexByte(why, 0); end >= 0 {
		why = why[:end]
	}
	if why == "" {
		return fmt.Errorf("the validator rejected it (%d)", int32(verdict))
	}
	return errors.New(string([]rune(why))) // what is no UTF-8 becomes U+FFFD
}

func free(strings ...*C.char) {
	for _, s := range strings {
		C.free(unsafe.Pointer(s))
	}
}

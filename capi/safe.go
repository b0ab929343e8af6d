// SPDX-License-Identifier: MIT

package main

// #include "bridge.h"
import "C"

import (
	"fmt"
	"time"
	"unsafe"

	"github.com/qtforge/hotreload/core"
)

func text(s *C.char) string { // NULL is ""
	if s == nil {
		return ""
	}
	return C.GoString(s)
}

// optional is a string that is named if it is there: NULL is nil.
func optional(s *C.char) *string {
	if s == nil {
		return nil
	}
	return new(C.GoString(s))
}

// texts copies a NULL-terminated array of strings; NULL is nil, no array is.
func texts(name string, list **C.char) (out []string, err error) {
	const most = 10000 // a list without its NULL is not read for ever
	if list == nil {
		return nil, nil
	}
	out = []string{}
	for i := uintptr(0); ; i++ {
		s := *(**C.char)(unsafe.Add(unsafe.Pointer(list), i*unsafe.Sizeof(*list)))
		if s == nil {
			break
		}
		if i == most {
			return nil, &core.Error{Kind: core.ErrInvalidArgument, Msg: fmt.Sprintf("%s has more than %d entries; end it with NULL", name, most)}
		}
		out = append(out, C.GoString(s))
	}
	return out, nil
}

// safeOf converts what shim.c has brought to the present size.
func safeOf(o *C.hrm_safe_options) (*core.Safe, error) {
	if o == nil {
		return nil, nil
	}
	const known = C.HRM_SAFE_IMAGE | C.HRM_SAFE_STRICT_MODES | C.HRM_SAFE_ACCEPT_ON_TIMEOUT |
		C.HRM_SAFE_NO_IMAGE | C.HRM_SAFE_NO_STRICT_MODES | C.HRM_SAFE_REJECT_ON_TIMEOUT |
		C.HRM_SAFE_RISING_VERSION | C.HRM_SAFE_ANY_VERSION | C.HRM_SAFE_LIST_NAMES | C.HRM_SAFE_NO_LIST_NAMES |
		C.HRM_SAFE_NO_UNIQUE | C.HRM_SAFE_ALLOW_UNIQUE
	if bad := o.flags &^ known; bad != 0 {
		return nil, &core.Error{Kind: core.ErrNotSupported, Msg: fmt.Sprintf("hrm_safe_options.flags has bits %#x that this version does not know", uint32(bad))}
	}
	s := &core.Safe{
		AllowList:        optional(o.allow_list),
		Signature:        optional(o.signature),
		Manifest:         optional(o.manifest),
		PluginName:       optional(o.plugin_name),
		MinVersion:       optional(o.min_version),
		VersionDir:       optional(o.version_dir),
		ValidatorTimeout: timeout(o.validator_timeout_ms),
		ReportTimeout:    timeout(o.report_timeout_ms),
		Retries:          int(o.retries),
		RetryDelay:       milliseconds(o.retry_delay_ms),
		Keep:             int(o.keep_generations),
		MaxSize:          int64(o.max_size),
	}
	for _, f := range []struct {
		name    string
		on, off C.uint32_t
		to      **bool
	}{
		{"IMAGE and HRM_SAFE_NO_IMAGE", C.HRM_SAFE_IMAGE, C.HRM_SAFE_NO_IMAGE, &s.Image},
		{"STRICT_MODES and HRM_SAFE_NO_STRICT_MODES", C.HRM_SAFE_STRICT_MODES, C.HRM_SAFE_NO_STRICT_MODES, &s.StrictModes},
		{"ACCEPT_ON_TIMEOUT and HRM_SAFE_REJECT_ON_TIMEOUT", C.HRM_SAFE_ACCEPT_ON_TIMEOUT, C.HRM_SAFE_REJECT_ON_TIMEOUT, &s.AcceptOnTimeout},
		{"RISING_VERSION and HRM_SAFE_ANY_VERSION", C.HRM_SAFE_RISING_VERSION, C.HRM_SAFE_ANY_VERSION, &s.RisingVersion},
		{"LIST_NAMES and HRM_SAFE_NO_LIST_NAMES", C.HRM_SAFE_LIST_NAMES, C.HRM_SAFE_NO_LIST_NAMES, &s.ListNames},
		{"NO_UNIQUE and HRM_SAFE_ALLOW_UNIQUE", C.HRM_SAFE_NO_UNIQUE, C.HRM_SAFE_ALLOW_UNIQUE, &s.NoUnique},
	} {
		switch o.flags & (f.on | f.off) {
		case f.on | f.off:
			return nil, &core.Error{Kind: core.ErrInvalidArgument, Msg: fmt.Sprintf("hrm_safe_options.flags has both HRM_SAFE_%s; set one of them", f.name)}
		case f.on:
			*f.to = new(true)
		case f.off:
			*f.to = new(false)
		}
	}
	for _, l := range []struct {
		name string
		from **C.char
		to   *[]string
	}{{"files", o.files, &s.Files}, {"symbols", o.symbols, &s.Symbols}, {"public_keys", o.public_keys, &s.PublicKeys}} {
		var err error
		if *l.to, err = texts("hrm_safe_options."+l.name, l.from); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// timeout is a time that may be none at all.
func timeout(ms C.int32_t) time.Duration {
	if ms == C.HRM_SAFE_NONE {
		return core.SafeNone
	}
	return milliseconds(ms)
}

//export hrmgo_report
func hrmgo_report(h C.uintptr_t, id *C.hrm_cchar, generation C.uint64_t, result C.int32_t, message *C.hrm_cchar, err *C.hrm_error) C.int32_t {
	return answer(h, err, func(m *core.Manager) (bool, error) {
		return false, m.ReportReload(C.GoString(id), uint64(generation), core.Outcome(result), text(message))
	}, boolean)
}

func safeStats(s *core.Stats, out *C.hrm_statistics) {
	out.snapshots = C.uint64_t(s.Snapshots)
	out.snapshot_bytes = C.uint64_t(s.SnapshotBytes)
	out.validating = C.uint64_t(s.Validating)
	out.rejected = C.uint64_t(s.Rejected)
	out.reloads_ok = C.uint64_t(s.ReloadsOK)
	out.reloads_failed = C.uint64_t(s.ReloadsFailed)
	out.rollbacks = C.uint64_t(s.Rollbacks)
	out.suppressed = C.uint64_t(s.Suppressed)
	out.retries = C.uint64_t(s.Retries)
	out.unreported = C.uint64_t(s.Unreported)
	out.snapshot_failures = C.uint64_t(s.SnapshotFailures)
}

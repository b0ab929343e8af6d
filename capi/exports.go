// SPDX-License-Identifier: MIT

package main

// #cgo CFLAGS: -std=c11 -Wall -Werror=implicit-function-declaration -fvisibility=hidden
// #cgo linux LDFLAGS: -Wl,--wrap=pthread_create -Wl,--wrap=mmap -ldl
// #include "bridge.h"
import "C"

import (
	"fmt"
	"math"
	"time"
	"unsafe"

	"github.com/qtforge/hotreload/core"
)

//export hrmgo_create
func hrmgo_create(o *C.hrm_options, mask C.uint64_t, out *C.uintptr_t, err *C.hrm_error) (result C.int32_t) {
	defer guard(nil, &result, err)
	options, e := optionsOf(o)
	if e != nil {
		return code(e, err)
	}
	m, e := core.New(options)
	if e != nil {
		return code(e, err)
	}
	*out = C.uintptr_t(newHandle(m, mask))
	return C.HRM_OK
}

// optionsOf converts what shim.c has brought to the present size.
func optionsOf(o *C.hrm_options) (options core.Options, err error) {
	const known = C.HRM_CHECK_IMAGE | C.HRM_IGNORE_UNCHANGED_CONTENT | C.HRM_FORCE_POLLING | C.HRM_DELIVER_HELD
	if bad := o.flags &^ known; bad != 0 {
		return options, &core.Error{Kind: core.ErrNotSupported, Msg: fmt.Sprintf("hrm_options.flags has bits %#x that this version does not know", uint32(bad))}
	}
	safe, err := safeOf(o.safe)
	if err != nil {
		return options, err
	}
	return core.Options{
		Safe:                   safe,
		SnapshotDir:            optional(o.snapshot_dir),
		Dispatch:               core.DispatchMode(o.dispatch_mode),
		Quiet:                  quiet(o.quiet_ms),
		MaxDelay:               milliseconds(o.max_delay_ms),
		PollInterval:           milliseconds(o.poll_interval_ms),
		SafetyCheck:            safetyCheck(o.safety_check_ms),
		HeldAfter:              heldAfter(o.held_after_ms),
		MarkerAfter:            markerAfter(o.marker_after_ms),
		DeliverHeld:            o.flags&C.HRM_DELIVER_HELD != 0,
		CheckImage:             o.flags&C.HRM_CHECK_IMAGE != 0,
		IgnoreUnchangedContent: o.flags&C.HRM_IGNORE_UNCHANGED_CONTENT != 0,
		ForcePolling:           o.flags&C.HRM_FORCE_POLLING != 0,
		ThreadStart:            func() { C.hrmc_delivery_starts() },
		Bulk:                   bulk,
	}, nil
}

func milliseconds(ms C.int32_t) time.Duration { return time.Duration(ms) * time.Millisecond }

func quiet(ms C.int32_t) time.Duration {
	if ms == C.HRM_NO_QUIET {
		return core.NoQuiet
	}
	return milliseconds(ms)
}

func safetyCheck(ms C.int32_t) time.Duration {
	if ms == C.HRM_NO_SAFETY_CHECK {
		return core.NoSafetyCheck
	}
	return milliseconds(ms)
}

func heldAfter(ms C.int32_t) time.Duration {
	if ms == C.HRM_HELD_NEVER {
		return core.NeverHeld
	}
	return milliseconds(ms)
}

func markerAfter(ms C.int32_t) time.Duration {
	if ms == C.HRM_MARKER_NEVER {
		return core.NeverMarked
	}
	return milliseconds(ms)
}

// view is a C string without a copy, for functions that do not keep it.
func view(s *C.hrm_cchar) string {
	p := (*byte)(unsafe.Pointer(s))
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return unsafe.String(p, n)
}

//export hrmgo_destroy
func hrmgo_destroy(h C.uintptr_t) (result C.int32_t) {
	var m *core.Manager
	defer guard(&m, &result, nil)
	m, e := bury(uintptr(h))
	if e == nil {
		m.Close()
	}
	return code(e, nil)
}

//export hrmgo_enable
func hrmgo_enable(h C.uintptr_t, id, path *C.hrm_cchar, o *C.hrm_enable_options, err *C.hrm_error) (result C.int32_t) {
	m, e := lookup(uintptr(h))
	defer guard(&m, &result, err)
	if e != nil {
		return code(e, err)
	}
	if bad := o.flags &^ (C.HRM_ENABLE_ALLOW_MISSING | C.HRM_ENABLE_DELIVER_PRESENT | C.HRM_ENABLE_PAUSED); bad != 0 {
		return code(&core.Error{Kind: core.ErrNotSupported, Msg: fmt.Sprintf("hrm_enable_options.flags has bits %#x that this version does not know", uint32(bad))}, err)
	}
	safe, e := safeOf(o.safe)
	if e != nil {
		return code(e, err)
	}
	return code(m.Enable(view(id), view(path), core.EnableOptions{
		Safe:           safe,
		DeliverPresent: o.flags&C.HRM_ENABLE_DELIVER_PRESENT != 0,
		Quiet:          quiet(o.quiet_ms),
		AllowMissing:   o.flags&C.HRM_ENABLE_ALLOW_MISSING != 0,
		Paused:         o.flags&C.HRM_ENABLE_PAUSED != 0,
		PauseMarker:    optional(o.pause_marker),
	}), err)
}

// answer turns the result of a question about a manager into its code.
func answer[T any](h C.uintptr_t, err *C.hrm_error, ask func(*core.Manager) (T, error), value func(T) C.int32_t) (result C.int32_t) {
	m, e := lookup(uintptr(h))
	defer guard(&m, &result, err)
	if e != nil {
		return code(e, err)
	}
	v, e := ask(m)
	if e != nil {
		return code(e, err)
	}
	return value(v)
}

func boolean(b bool) C.int32_t {
	if b {
		return 1
	}
	return 0
}

func count(n int) C.int32_t { return C.int32_t(min(n, math.MaxInt32)) }

//export hrmgo_disable
func hrmgo_disable(h C.uintptr_t, id *C.hrm_cchar) C.int32_t {
	return answer(h, nil, func(m *core.Manager) (bool, error) { return m.Disable(view(id)) }, boolean)
}

//export hrmgo_is_enabled
func hrmgo_is_enabled(h C.uintptr_t, id *C.hrm_cchar, n C.uintptr_t, err *C.hrm_error) (result C.int32_t) {
	m, e := lookup(uintptr(h)) // as answer does; hosts ask this often
	defer guard(&m, &result, err)
	if e == nil {
		var on bool
		if on, e = m.IsEnabled(unsafe.String((*byte)(unsafe.Pointer(id)), n)); e == nil {
			return boolean(on)
		}
	}
	return code(e, err)
}

//export hrmgo_clear
func hrmgo_clear(h C.uintptr_t) C.int32_t {
	return answer(h, nil, (*core.Manager).Clear, count)
}

//export hrmgo_set_global
func hrmgo_set_global(h C.uintptr_t, on C.int32_t) C.int32_t {
	return done(h, func(m *core.Manager) error { return m.SetGlobalEnabled(on != 0) })
}

//export hrmgo_is_global
func hrmgo_is_global(h C.uintptr_t, err *C.hrm_error) C.int32_t {
	return answer(h, err, (*core.Manager).IsGlobalEnabled, boolean)
}

// done is the result of what has no answer but its error.
func done(h C.uintptr_t, do func(*core.Manager) error) C.int32_t {
	return answer(h, nil, func(m *core.Manager) (bool, error) { return false, do(m) }, boolean)
}

//export hrmgo_set_paused
func hrmgo_set_paused(h C.uintptr_t, id *C.hrm_cchar, on C.int32_t) C.int32_t {
	return done(h, func(m *core.Manager) error { return m.SetPluginPaused(view(id), on != 0) })
}

//export hrmgo_is_paused
func hrmgo_is_paused(h C.uintptr_t, id *C.hrm_cchar, err *C.hrm_error) C.int32_t {
	return answer(h, err, func(m *core.Manager) (bool, error) { return m.IsPluginPaused(view(id)) }, boolean)
}

//export hrmgo_check
func hrmgo_check(h C.uintptr_t, id *C.hrm_cchar) C.int32_t {
	return done(h, func(m *core.Manager) error { return m.CheckNow(view(id)) })
}

//export hrmgo_check_all
func hrmgo_check_all(h C.uintptr_t) C.int32_t { return done(h, (*core.Manager).CheckAllNow) }

//export hrmgo_event_fd
func hrmgo_event_fd(h C.uintptr_t) C.int32_t { return answer(h, nil, (*core.Manager).EventFD, count) }

//export hrmgo_dispatch
func hrmgo_dispatch(h C.uintptr_t, limit, timeout C.int32_t, err *C.hrm_error) C.int32_t {
	return answer(h, err, func(m *core.Manager) (int, error) {
		return m.Dispatch(int(limit), milliseconds(max(timeout, -1)))
	}, count)
}

//export hrmgo_list
func hrmgo_list(h C.uintptr_t, buf *C.char, size *C.uint64_t) C.int32_t {
	if buf == nil {
		return answer(h, nil, (*core.Manager).PluginsSize, func(s struct{ Count, Bytes int }) C.int32_t {
			*size = C.uint64_t(s.Bytes + s.Count)
			return count(s.Count)
		})
	}
	return answer(h, nil, (*core.Manager).Plugins, func(ids []string) C.int32_t { return putIDs(ids, buf, size) })
}

// putIDs writes ids, each ended by a NUL. It stores the size alone if buf is nil.
func putIDs(ids []string, buf *C.char, size *C.uint64_t) C.int32_t {
	capacity, need := uint64(*size), uint64(0)
	for _, id := range ids {
		need += uint64(len(id)) + 1
	}
	*size = C.uint64_t(need)
	switch {
	case buf == nil:
		return count(len(ids))
	case need > capacity:
		return C.HRM_ERR_BUFFER_TOO_SMALL
	}
	to := unsafe.Slice((*byte)(unsafe.Pointer(buf)), need)
	for _, id := range ids {
		n := copy(to, id)
		to[n] = 0
		to = to[n+1:]
	}
	return count(len(ids))
}

//export hrmgo_stats
func hrmgo_stats(h C.uintptr_t, out *C.hrm_statistics) C.int32_t {
	return answer(h, nil, (*core.Manager).Stats, func(s core.Stats) C.int32_t {
		out.failed = boolean(s.Failed)
		out.plugins = C.uint64_t(s.Plugins)
		out.watched_directories = C.uint64_t(s.WatchedDirectories)
		out.polled_directories = C.uint64_t(s.PolledDirectories)
		out.pending = C.uint64_t(s.Pending)
		out.settling = C.uint64_t(s.Settling)
		out.being_written = C.uint64_t(s.BeingWritten)
		out.incomplete_images = C.uint64_t(s.IncompleteImages)
		out.notifications = C.uint64_t(s.Notifications)
		out.overflows = C.uint64_t(s.Overflows)
		out.deliveries = C.uint64_t(s.Deliveries)
		out.removals = C.uint64_t(s.Removals)
		out.unchanged = C.uint64_t(s.Unchanged)
		out.superseded = C.uint64_t(s.Superseded)
		out.unreadable = C.uint64_t(s.Unreadable)
		out.held_open = C.uint64_t(s.HeldOpen)
		out.writers_unknown = C.uint64_t(s.WritersUnknown)
		safeStats(&s, out)
		out.watched_files = C.uint64_t(s.WatchedFiles)
		out.polled_files = C.uint64_t(s.PolledFiles)
		out.unreliable = C.uint64_t(s.Unreliable)
		out.safety_checks = C.uint64_t(s.SafetyChecks)
		out.missed = C.uint64_t(s.Missed)
		if !s.LastDelivery.IsZero() {
			out.last_delivery_ns = C.int64_t(s.LastDelivery.UnixNano())
		}
		return C.HRM_OK
	})
}

// SPDX-License-Identifier: MIT

package main

// #include "bridge.h"
import "C"

import (
	"time"
	"unsafe"

	"github.com/qtforge/hotreload/core"
)

//export hrmgo_status
func hrmgo_status(h C.uintptr_t, id *C.hrm_cchar, out *C.hrm_plugin_status_info) C.int32_t {
	return answer(h, nil, func(m *core.Manager) (core.PluginStatus, error) { return m.PluginStatus(view(id)) }, func(s core.PluginStatus) C.int32_t {
		out.state = C.int32_t(s.State)
		out.since_ns = nanoseconds(s.Since)
		out.due_ns = nanoseconds(s.Due)
		out.paused = boolean(s.Paused)
		out.watching = C.int32_t(s.Watching)
		if n := len(s.Decisions); n > 0 {
			out.last_decision = C.int32_t(s.Decisions[n-1].Decision)
			out.last_decision_ns = nanoseconds(s.Decisions[n-1].Time)
		}
		out.last_outcome = C.int32_t(s.LastOutcome)
		out.last_notification_ns = nanoseconds(s.LastNotification)
		out.last_check_ns = nanoseconds(s.LastCheck)
		out.last_delivery_ns = nanoseconds(s.LastDelivery)
		out.last_report_ns = nanoseconds(s.LastReport)
		out.generation = C.uint64_t(s.Generation)
		out.marked_since_ns = nanoseconds(s.MarkedAt)
		if len(s.Writers) > 0 {
			out.writer_pid = C.int64_t(s.Writers[0].PID)
		}
		return C.HRM_OK
	})
}

//export hrmgo_decisions
func hrmgo_decisions(h C.uintptr_t, id *C.hrm_cchar, out *C.hrm_past_decision, err *C.hrm_error) C.int32_t {
	return answer(h, err, func(m *core.Manager) (core.PluginStatus, error) { return m.PluginStatus(view(id)) }, func(s core.PluginStatus) C.int32_t {
		to := unsafe.Slice(out, C.HRMC_DECISIONS)
		latest := s.Decisions[max(0, len(s.Decisions)-len(to)):]
		for i, d := range latest {
			to[i].decision = C.int32_t(d.Decision)
			to[i].timestamp_ns = nanoseconds(d.Time)
			to[i].times = C.uint64_t(d.Times)
			put(unsafe.Slice((*byte)(unsafe.Pointer(&to[i].reason[0])), len(to[i].reason)), d.Reason)
		}
		return count(len(latest))
	})
}

// nanoseconds is a time as C has it: 0 if there is none.
func nanoseconds(t time.Time) C.int64_t {
	if t.IsZero() {
		return 0
	}
	return C.int64_t(t.UnixNano())
}

//export hrmgo_explain
func hrmgo_explain(h C.uintptr_t, id *C.hrm_cchar, buf *C.char, size *C.uint64_t) C.int32_t {
	return answer(h, nil, func(m *core.Manager) (string, error) { return m.Explain(view(id)) }, func(text string) C.int32_t {
		return putAll(text, buf, size)
	})
}

//export hrmgo_metrics
func hrmgo_metrics(h C.uintptr_t, buf *C.char, size *C.uint64_t, err *C.hrm_error) C.int32_t {
	return answer(h, err, (*core.Manager).Metrics, func(text string) C.int32_t { return putAll(text, buf, size) })
}

// putAll writes a text with a NUL as a whole, or, if buf is nil or too small, only its size.
func putAll(text string, buf *C.char, size *C.uint64_t) C.int32_t {
	room := uint64(*size)
	*size = C.uint64_t(len(text) + 1)
	switch {
	case buf == nil:
		return C.HRM_OK
	case room < uint64(len(text)+1):
		return C.HRM_ERR_BUFFER_TOO_SMALL
	}
	to := unsafe.Slice((*byte)(unsafe.Pointer(buf)), len(text)+1)
	to[copy(to, text)] = 0
	return C.HRM_OK
}

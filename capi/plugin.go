// SPDX-License-Identifier: MIT

package main

// #include "host.h"
import "C"

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/qtforge/hotreload/core"
)

func closePlugin(p *cPlugin, ms, inside C.int32_t, e *C.hrm_error) C.int32_t {
	if err := p.host.host.Close(p.id); err != nil {
		return hostCode(err, e)
	}
	if inside != 0 || ms == 0 {
		return C.HRM_OK
	}
	ctx, cancel := within(ms)
	defer cancel()
	return hostCode(p.host.awaitEnd(ctx, p.id), e)
}

// awaitEnd waits until a plugin and its versions have ended; with manual dispatch it runs
// their steps meanwhile.
func (h *cHost) awaitEnd(ctx context.Context, id string) error {
	if !h.manual {
		return h.host.Engine().WaitFor(ctx, id)
	}
	for {
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		err := h.host.Engine().WaitFor(short, id)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if _, err := h.host.Manager().Dispatch(1, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

//export hrmgo_plugin_close
func hrmgo_plugin_close(plugin C.uintptr_t, ms, inside C.int32_t, e *C.hrm_error) (result C.int32_t) {
	defer guard(nil, &result, e)
	p, err := findPlugin(plugin)
	if err != nil {
		return hostCode(err, e)
	}
	return closePlugin(p, ms, inside, e)
}

//export hrmgo_host_close_plugin
func hrmgo_host_close_plugin(key C.uintptr_t, id *C.hrm_cchar, ms, inside C.int32_t, e *C.hrm_error) (result C.int32_t) {
	defer guard(nil, &result, e)
	h, err := findHost(key)
	if err != nil {
		return hostCode(err, e)
	}
	h.mu.Lock()
	p := h.plugins[view(id)]
	h.mu.Unlock()
	if p == nil {
		return code(invalid("no plugin %s is open", quoted(C.GoString(id))), e)
	}
	return closePlugin(p, ms, inside, e)
}

//export hrmgo_plugin_fail
func hrmgo_plugin_fail(plugin C.uintptr_t, generation C.uint64_t, message *C.hrm_cchar, e *C.hrm_error) (result C.int32_t) {
	defer guard(nil, &result, e)
	p, err := findPlugin(plugin)
	if err == nil {
		err = p.host.host.Manager().ReportReload(p.id, uint64(generation), core.ReloadFailed, text(message))
	}
	return hostCode(err, e)
}

//export hrmgo_plugin_take_without_state
func hrmgo_plugin_take_without_state(plugin C.uintptr_t, e *C.hrm_error) (result C.int32_t) {
	defer guard(nil, &result, e)
	p, err := findPlugin(plugin)
	if err == nil {
		err = p.host.host.Engine().TakeWithoutState(p.id)
	}
	return hostCode(err, e)
}

//export hrmgo_plugin_state
func hrmgo_plugin_state(plugin C.uintptr_t, out *C.hrm_plugin_condition, room C.uint64_t, e *C.hrm_error) (result C.int32_t) {
	defer guard(nil, &result, e)
	p, err := findPlugin(plugin)
	if err != nil {
		return hostCode(err, e)
	}
	s, err := p.host.host.Engine().Status(p.id)
	if err != nil {
		return hostCode(err, e)
	}
	out.step, out.active, out.pending = C.int32_t(s.Step), C.uint64_t(s.Active), C.uint64_t(s.Pending)
	out.exchanging, out.old = C.uint64_t(s.Exchanging), C.uint64_t(s.Old)
	if !s.LastTime.IsZero() {
		out.last_ns, out.last_verdict = C.int64_t(s.LastTime.UnixNano()), C.int32_t(s.Last.Verdict)
		out.last_generation = C.uint64_t(s.Last.Generation)
	}
	what := s.Down
	if s.Pending != 0 {
		what = joined(slices.DeleteFunc([]string{what, fmt.Sprintf("generation %d waits for %s", s.Pending, s.WaitsFor)},
			func(s string) bool { return s == "" }))
	}
	if room > 0 {
		put(unsafe.Slice((*byte)(unsafe.Pointer(&out.text[0])), room), what)
	}
	return C.HRM_OK
}

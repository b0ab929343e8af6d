// SPDX-License-Identifier: MIT

package main

// #include "host.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/qtforge/hotreload/core"
	"github.com/qtforge/hotreload/core/reload"
)

// hosts is the table of hosts. Keys are never used again, and never what malloc
// returns.
var hosts struct {
	sync.Mutex
	known map[uintptr]*cHost
	last  uintptr
}

// openPlugins are the *cPlugin of plugin handles.
var openPlugins sync.Map

// hostError is a handle that leads to nothing.
type hostError struct {
	what string
	h    uintptr
}

func (e hostError) Error() string {
	if e.h == 0 {
		return fmt.Sprintf("the %s handle is NULL", e.what)
	}
	return fmt.Sprintf("the handle %#x is not a %s, or not any more", e.h, e.what)
}

func findHost(h C.uintptr_t) (*cHost, error) {
	hosts.Lock()
	defer hosts.Unlock()
	if host := hosts.known[uintptr(h)]; host != nil {
		return host, nil
	}
	return nil, hostError{"host", uintptr(h)}
}

func findPlugin(h C.uintptr_t) (*cPlugin, error) {
	if p, ok := openPlugins.Load(uintptr(h)); ok {
		return p.(*cPlugin), nil
	}
	return nil, hostError{"plugin", uintptr(h)}
}

// hostCode turns an error of package reload into its code, too.
func hostCode(err error, out *C.hrm_error) C.int32_t {
	c := code(err, out)
	if _, ok := err.(hostError); ok {
		c = C.HRM_ERR_INVALID_HANDLE
	}
	for _, k := range []struct {
		kind error
		code C.int32_t
	}{
		{reload.ErrExists, C.HRM_ERR_ALREADY_EXISTS}, {reload.ErrUnknown, C.HRM_ERR_INVALID_ARGUMENT},
		{reload.ErrCycle, C.HRM_ERR_INVALID_ARGUMENT}, {reload.ErrNeeded, C.HRM_ERR_INVALID_ARGUMENT},
		{reload.ErrInvalid, C.HRM_ERR_INVALID_ARGUMENT}, {reload.ErrClosed, C.HRM_ERR_INVALID_HANDLE},
		{reload.ErrBroken, C.HRM_ERR_PANIC},
	} {
		if errors.Is(err, k.kind) {
			c = k.code
		}
	}
	if out != nil && err != nil {
		out.code = c
	}
	return c
}

func notSupported(format string, args ...any) error {
	return &core.Error{Kind: core.ErrNotSupported, Msg: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error {
	return &core.Error{Kind: core.ErrInvalidArgument, Msg: fmt.Sprintf(format, args...)}
}

//export hrmgo_host_create
func hrmgo_host_create(flags C.uint32_t, m *C.hrm_options, outcome, step, userData, destroy C.uintptr_t, mask C.uint64_t, out *C.uintptr_t, e *C.hrm_error) (result C.int32_t) {
	defer guard(nil, &result, e)
	if bad := flags &^ C.HRM_HOST_RETIRE_ON_LIBRARY_THREAD; bad != 0 {
		return code(notSupported("hrm_host_options.flags has bits %#x that this version does not know", uint32(bad)), e)
	}
	options, err := optionsOf(m)
	if err != nil {
		return code(err, e)
	}
	h := &cHost{manual: options.Dispatch == core.DispatchManual, outcome: outcome, destroy: destroy,
		told: make(chan struct{}, 1), plugins: map[string]*cPlugin{}, loaded: map[uint64]*cVersion{}, checks: map[string]check{}}
	h.jobs.init(func() *reload.Host { return h.host })
	h.code = C.hrmc_host_code{step: step, user_data: userData, mask: mask}
	h.host, err = reload.NewHost(options, h.config(flags))
	if err != nil {
		return hostCode(err, e)
	}
	if err := h.host.Manager().SetValidator(h.validate, nil); err != nil {
		h.host.Manager().Close()
		return hostCode(err, e)
	}
	hosts.Lock()
	if hosts.known == nil {
		hosts.known = map[uintptr]*cHost{}
	}
	hosts.last += 16
	h.code.key = C.uintptr_t(hosts.last)
	hosts.known[hosts.last] = h
	hosts.Unlock()
	h.manager = newHandleOf(h.host.Manager(), mask, h)
	*out = h.code.key
	return C.HRM_OK
}

// config says where the steps run.
func (h *cHost) config(flags C.uint32_t) reload.Config {
	c := reload.Config{Steps: h, Outcome: h.hear, Check: h.check}
	if h.manual {
		c.RunQuiesce = true
		c.Run = func(_ reload.Step, _ reload.Version, f func()) error {
			h.jobs.post(f)
			return nil
		}
		if flags&C.HRM_HOST_RETIRE_ON_LIBRARY_THREAD != 0 {
			c.RunRetired = func(_ reload.Step, _ reload.Version, f func()) error {
				go f()
				return nil
			}
		}
	}
	return c
}

//export hrmgo_host_destroy
func hrmgo_host_destroy(key C.uintptr_t, ms, inside C.int32_t, e *C.hrm_error) (result C.int32_t) {
	defer guard(nil, &result, e)
	hosts.Lock()
	h := hosts.known[uintptr(key)]
	delete(hosts.known, uintptr(key))
	hosts.Unlock()
	if h == nil {
		return hostCode(hostError{"host", uintptr(key)}, e)
	}
	_, _ = bury(h.manager) // it may be destroyed, against the header
	ctx, cancel := within(ms)
	defer cancel()
	return hostCode(h.end(ctx, inside != 0), e)
}

//export hrmgo_host_manager
func hrmgo_host_manager(key C.uintptr_t) C.uintptr_t {
	h, err := findHost(key)
	if err != nil {
		return 0
	}
	return C.uintptr_t(h.manager)
}

//export hrmgo_host_find
func hrmgo_host_find(key C.uintptr_t, id *C.hrm_cchar) C.uintptr_t {
	h, err := findHost(key)
	if err != nil {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.plugins[view(id)]; p != nil {
		return C.uintptr_t(p.handle)
	}
	return 0
}

// ----------------------------------------------------------------- opening --

//export hrmgo_host_open
func hrmgo_host_open(key C.uintptr_t, all *C.hrmc_opening, count C.uint64_t, s *C.hrmc_set, inside C.int32_t, e *C.hrm_error) (result C.int32_t) {
	defer guard(nil, &result, e)
	h, err := findHost(key)
	if err != nil {
		return hostCode(err, e)
	}
	in := unsafe.Slice(all, count)
	if err := h.mayWait(in, inside); err != nil {
		return code(err, e)
	}
	var sets []reload.Set
	together := ""
	if s.id != nil {
		together = C.GoString(s.id)
		sets = []reload.Set{{ID: together, Check: s.check != 0, Wait: milliseconds(s.wait_ms)}}
	}
	var openings []reload.Opening
	longest := time.Duration(0)
	for i := range in {
		o, err := openingOf(&in[i], together)
		if err != nil {
			return code(err, e)
		}
		openings = append(openings, o)
		longest = max(longest, openLimit(in[i].options.open_timeout_ms))
	}
	plugins, err := h.register(in)
	if err != nil {
		return hostCode(err, e)
	}
	restore := h.setCheck(together, s)
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	err = h.host.Open(ctx, openings, sets...)
	if err != nil {
		restore()
		for _, p := range plugins {
			h.forgetPlugin(p)
		}
		return hostCode(err, e)
	}
	for i, p := range plugins {
		in[i].plugin = C.uintptr_t(p.handle)
	}
	return C.HRM_OK
}

// mayWait refuses to wait where the host would wait for itself.
func (h *cHost) mayWait(all []C.hrmc_opening, inside C.int32_t) error {
	if inside&C.HRMC_IN_STEP == 0 && (inside == 0 || !h.manual) {
		return nil
	}
	for i := range all {
		if all[i].options.flags&C.HRM_PLUGIN_DO_NOT_WAIT == 0 {
			return notSupported("plugin %q cannot be opened here: the first version would wait for this step or callback to return; "+
				"set HRM_PLUGIN_DO_NOT_WAIT, or open it elsewhere", C.GoString(all[i].id))
		}
	}
	return nil
}

func openLimit(ms C.int32_t) time.Duration {
	if ms < 0 {
		return 100 * 365 * 24 * time.Hour
	}
	return limit(ms, C.HRM_DEFAULT_STEP_TIMEOUT_MS*time.Millisecond)
}

// openingOf converts what C has read.
func openingOf(in *C.hrmc_opening, together string) (o reload.Opening, err error) {
	const known = C.HRM_PLUGIN_ALLOW_MISSING | C.HRM_PLUGIN_DO_NOT_WAIT | C.HRM_PLUGIN_STATE_OPTIONAL | C.HRM_PLUGIN_KEEP_LOADED | C.HRM_PLUGIN_FILE |
		C.HRM_PLUGIN_UNLOAD
	p, id := &in.options, C.GoString(in.id)
	if bad := p.flags &^ known; bad != 0 {
		return o, notSupported("plugin %q: hrm_plugin_options.flags has bits %#x that this version does not know", id, uint32(bad))
	}
	if both := C.uint32_t(C.HRM_PLUGIN_KEEP_LOADED | C.HRM_PLUGIN_UNLOAD); p.flags&both == both {
		return o, invalid("plugin %q: hrm_plugin_options.flags has both HRM_PLUGIN_KEEP_LOADED and HRM_PLUGIN_UNLOAD; set one of them", id)
	}
	if p.mode < 0 || p.mode > C.HRM_MODE_UNLOAD_FIRST {
		return o, notSupported("plugin %q: hrm_plugin_options.mode is %d, which does not exist; use one of HRM_MODE_*", id, int32(p.mode))
	}
	if p.canary_timeout_ms < 0 || p.hand_over_timeout_ms < 0 {
		return o, invalid("plugin %q: canary_timeout_ms is %d, hand_over_timeout_ms is %d; neither may be less than 0", id,
			int32(p.canary_timeout_ms), int32(p.hand_over_timeout_ms))
	}
	safe, err := safeOf(p.safe)
	if err != nil {
		return o, err
	}
	if _, err := texts("hrm_plugin_options.symbols", p.symbols); err != nil { // it ends
		return o, err
	}
	needs, err := texts("hrm_plugin_options.needs", p.needs)
	if err != nil {
		return o, err
	}
	path := C.GoString(in.path)
	missing := false
	if p.flags&C.HRM_PLUGIN_ALLOW_MISSING != 0 {
		_, err := os.Stat(path)
		missing = errors.Is(err, os.ErrNotExist)
	}
	return reload.Opening{
		Plugin: reload.Plugin{ID: id, Needs: needs, Together: together, Mode: reload.Mode(p.mode),
			StateOptional: p.flags&C.HRM_PLUGIN_STATE_OPTIONAL != 0,
			Limits: reload.Limits{Load: milliseconds(p.load_timeout_ms), Init: milliseconds(p.init_timeout_ms),
				Save: milliseconds(p.save_timeout_ms), Restore: milliseconds(p.restore_timeout_ms),
				Prepare: milliseconds(p.prepare_timeout_ms), Exit: milliseconds(p.exit_timeout_ms),
				Unload: milliseconds(p.unload_timeout_ms), Quiesce: milliseconds(p.hand_over_timeout_ms),
				InUse: milliseconds(p.in_use_ms)}},
		Path: path,
		Options: core.EnableOptions{Safe: safe, Quiet: quiet(p.quiet_ms),
			AllowMissing: p.flags&C.HRM_PLUGIN_ALLOW_MISSING != 0},
		DoNotWait: missing || p.flags&C.HRM_PLUGIN_DO_NOT_WAIT != 0,
	}, nil
}

// register has a place for each plugin, or for none.
func (h *cHost) register(in []C.hrmc_opening) (plugins []*cPlugin, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range in {
		id := C.GoString(in[i].id)
		if h.plugins[id] != nil {
			err = &core.Error{Kind: core.ErrAlreadyExists, Msg: "plugin " + quoted(id) + " is open already, or has not ended yet; close it first"}
			break
		}
		o := &in[i].options
		c := C.hrmc_plugin_new(o, in[i].id, &h.code)
		if c == nil {
			err = &core.Error{Kind: core.ErrNoMemory, Msg: "out of memory for plugin " + quoted(id)}
			break
		}
		p := &cPlugin{host: h, id: id, c: c, handle: uintptr(C.hrmc_plugin_handle(c)), validator: in[i].validator,
			data: in[i].validator_data, init: "plugin_init", canary: o.canary_timeout_ms,
			program: optional(o.canary_program), file: o.flags&C.HRM_PLUGIN_FILE != 0,
			unload: o.flags&C.HRM_PLUGIN_UNLOAD != 0 || o.mode == C.HRM_MODE_UNLOAD_FIRST,
			stays:  o.flags&C.HRM_PLUGIN_KEEP_LOADED != 0 || h.code.step != 0, uses: 1}
		if o.init != nil {
			p.init = C.GoString(o.init)
		}
		h.plugins[id] = p
		openPlugins.Store(p.handle, p)
		plugins = append(plugins, p)
	}
	if err == nil {
		return plugins, nil
	}
	for _, p := range plugins {
		delete(h.plugins, p.id)
		openPlugins.Delete(p.handle)
		C.hrmc_plugin_close(p.c)
		p.release()
	}
	return nil, err
}

func quoted(id string) string { return fmt.Sprintf("%q", core.Printable(id, 300)) }

// setCheck notes the check of a new set, and returns what undoes that.
func (h *cHost) setCheck(set string, s *C.hrmc_set) (undo func()) {
	if s.check == 0 {
		return func() {}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	before := maps.Clone(h.checks)
	h.checks[set] = check{s.check, s.user_data}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if was, ok := before[set]; ok {
			h.checks[set] = was
		} else {
			delete(h.checks, set)
		}
	}
}

// ----------------------------------------------------------------- plugins --

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

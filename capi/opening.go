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
	"time"
	"unsafe"

	"github.com/qtforge/hotreload/core"
	"github.com/qtforge/hotreload/core/reload"
)

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

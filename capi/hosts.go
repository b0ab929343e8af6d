// SPDX-License-Identifier: MIT

package main

// #include "host.h"
import "C"

import (
	"errors"
	"fmt"
	"sync"

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

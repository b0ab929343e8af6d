// SPDX-License-Identifier: MIT

package main

// #include "host.h"
import "C"

import (
	"context"
	"errors"

	"github.com/qtforge/hotreload/core"
	"github.com/qtforge/hotreload/core/reload"
)

// savedBy says whose state it is: it lies with the version that saved it.
type savedBy struct{ instance uint64 }

// roomForReason is how much a step may say.
const roomForReason = 512

// version returns what stands for a version.
func (h *cHost) version(v reload.Version) *cVersion {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.loaded[v.Instance]
}

// Load loads a version, or an old one again on the way back.
func (h *cHost) Load(_ context.Context, v reload.Version, source any) (reload.Hooks, error) {
	ev, _ := source.(core.Event)
	l, err := h.newVersion(v, ev.Snapshot)
	if err != nil {
		return reload.Hooks{}, err
	}
	image := reload.Inspection{}
	if !l.p.file {
		image = reload.Inspect(ev.Snapshot)
	}
	l.ends(image)
	hooks, err := h.step(l, C.HRM_STEP_LOAD, nil, nil)
	image = image.InWords(l.inWords)
	l.ends(image)
	has := func(bit C.uint32_t) bool { return hooks&bit != 0 }
	return reload.Hooks{Init: has(C.HRM_HOOK_INIT), Exit: has(C.HRM_HOOK_EXIT), Save: has(C.HRM_HOOK_SAVE),
		Restore: has(C.HRM_HOOK_RESTORE), Prepare: has(C.HRM_HOOK_PREPARE), Notes: image.Notes(l.p.stays, h.code.step != 0)}, err
}

// ends tells C what an image says of the end of its version.
func (l *cVersion) ends(image reload.Inspection) {
	keep := ""
	if !l.p.unload {
		keep = image.Keep()
	}
	why, stick := C.CString(keep), C.CString(image.Sticks())
	defer free(why, stick)
	C.hrmc_version_ends(l.c, why, stick)
}

// inWords returns a symbol as C++ writes it, where a C++ library is in the process.
func (l *cVersion) inWords(symbol string) string {
	from, words := C.CString(symbol), (*C.char)(C.calloc(1, roomForReason))
	defer free(from, words)
	C.hrmc_in_words(l.c, from, words, roomForReason)
	return string([]rune(C.GoString(words)))
}

func (h *cHost) newVersion(v reload.Version, snapshot string) (*cVersion, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.loaded[v.Instance]; l != nil {
		return l, nil
	}
	p := h.plugins[v.Plugin]
	if p == nil {
		return nil, errors.New("the plugin was closed")
	}
	path := C.CString(snapshot)
	defer free(path)
	c := C.hrmc_version_new(p.c, path, C.uint64_t(v.Generation), C.uint64_t(v.Instance))
	if c == nil {
		return nil, errNotNow("there is no room for one more version: 255 of this plugin are in use, or memory has run out")
	}
	l := &cVersion{c: c, p: p}
	h.loaded[v.Instance] = l
	p.uses++
	return l, nil
}

// notNow is why a step was not possible at the moment.
type notNow string

func errNotNow(why string) error     { return notNow(why) }
func (e notNow) Error() string       { return string(e) }
func (e notNow) Is(other error) bool { return other == reload.ErrNotNow }

// kept is why a version stays in memory.
type kept string

func (e kept) Error() string { return string(e) }

// step has C perform a step.
func (h *cHost) step(l *cVersion, kind C.int32_t, from *cVersion, needs []*cVersion) (hooks C.uint32_t, err error) {
	why := (*C.char)(C.malloc(roomForReason))
	defer free(why)
	var source *C.hrmc_loaded
	if from != nil {
		source = from.c
	}
	with := make([]*C.hrmc_loaded, len(needs)+1)
	for i, n := range needs {
		with[i] = n.c
	}
	result := C.hrmc_step(l.c, kind, source, &with[0], C.uint64_t(len(needs)), &hooks, why, roomForReason)
	text := string([]rune(C.GoString(why))) // what is no UTF-8 becomes U+FFFD
	switch result {
	case C.HRM_STEP_DONE:
		return hooks, nil
	case C.HRM_STEP_NOT_NOW:
		return hooks, errNotNow(text)
	case C.HRM_STEP_KEPT:
		return hooks, kept(text)
	}
	return hooks, errors.New(text)
}

// Init initialises a version with those that it needs.
func (h *cHost) Init(_ context.Context, v reload.Version, needs []reload.Version) error {
	var with []*cVersion
	for _, n := range needs {
		with = append(with, h.version(n))
	}
	_, err := h.step(h.version(v), C.HRM_STEP_INIT, nil, with)
	return err
}

// Save has a version save its state, which stays with it.
func (h *cHost) Save(_ context.Context, v reload.Version) (any, error) {
	_, err := h.step(h.version(v), C.HRM_STEP_SAVE, nil, nil)
	return savedBy{v.Instance}, err
}

// Restore gives a version a state.
func (h *cHost) Restore(_ context.Context, v reload.Version, state any) error {
	from := h.version(reload.Version{Instance: state.(savedBy).instance})
	if from == nil {
		return errors.New("the version that saved the state has ended")
	}
	_, err := h.step(h.version(v), C.HRM_STEP_RESTORE, from, nil)
	return err
}

// Prepare makes what the host needs of a version.
func (h *cHost) Prepare(_ context.Context, v reload.Version) error {
	_, err := h.step(h.version(v), C.HRM_STEP_PREPARE, nil, nil)
	return err
}

// Exit ends what Init and Prepare began.
func (h *cHost) Exit(_ context.Context, v reload.Version) error {
	_, err := h.step(h.version(v), C.HRM_STEP_EXIT, nil, nil)
	return err
}

// Unload unloads a version.
func (h *cHost) Unload(_ context.Context, v reload.Version) (string, error) {
	_, err := h.step(h.version(v), C.HRM_STEP_UNLOAD, nil, nil)
	if why, ok := err.(kept); ok {
		return string(why), nil
	}
	return "", err
}

// Activate makes versions answer. A language hears of it before callers go on.
func (h *cHost) Activate(_ context.Context, versions []reload.Version) error {
	var all []*C.hrmc_loaded
	for _, v := range versions {
		l := h.version(v)
		all = append(all, l.c)
		if h.code.step != 0 {
			_, _ = h.step(l, C.HRM_STEP_ACTIVATE, nil, nil)
		}
	}
	C.hrmc_door_activate(&all[0], C.uint64_t(len(all)))
	for _, v := range versions {
		h.jobs.held(h.version(v).p, false)
	}
	return nil
}

// Quiesce holds with the lock: after ctx has ended, Activate may have opened the door.
func (h *cHost) Quiesce(ctx context.Context, v reload.Version) error {
	l := h.version(v)
	h.mu.Lock()
	err := ctx.Err()
	if err == nil {
		C.hrmc_door_hold(l.p.c)
		h.jobs.held(l.p, true)
	}
	h.mu.Unlock()
	if err != nil {
		return err
	}
	return h.AwaitIdle(ctx, v)
}

// AwaitIdle waits in C: callers do not enter Go. In C there is one waiter at a time: a call
// that ends wakes one, and the next wait would undo that this one was given up.
func (h *cHost) AwaitIdle(ctx context.Context, v reload.Version) error {
	l := h.version(v)
	if l == nil {
		return errors.New("the version has ended")
	}
	l.waits.Lock()
	defer l.waits.Unlock()
	for ctx.Err() == nil { // otherwise the version may have ended
		if l.awaitIdle(ctx) {
			return nil
		}
	}
	return ctx.Err()
}

// awaitIdle waits once. Afterwards nothing of this wait touches the version.
func (l *cVersion) awaitIdle(ctx context.Context) bool {
	C.hrmc_door_begin_wait(l.c)
	cancelled := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cancelled)
		C.hrmc_door_cancel_wait(l.c)
	})
	idle := C.hrmc_door_await_idle(l.c) != 0
	if !stop() {
		<-cancelled
	}
	return idle
}

// Shut has callers get no version.
func (h *cHost) Shut(plugin, reason string) {
	h.mu.Lock()
	p := h.plugins[plugin]
	h.mu.Unlock()
	if p == nil {
		return
	}
	why := C.CString(core.Printable(reason, 190))
	defer free(why)
	C.hrmc_door_shut(p.c, why)
	h.jobs.held(p, false)
	if _, err := h.host.Engine().Status(plugin); err != nil { // it was removed
		h.forgetPlugin(p)
	}
}

// Forget ends what stands for a version.
func (h *cHost) Forget(v reload.Version) {
	l := h.version(v)
	if l == nil {
		return
	}
	_, _ = h.step(l, C.HRM_STEP_FORGET, nil, nil)
	l.waits.Lock() // a wait that was given up returns at once
	defer l.waits.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.loaded, v.Instance)
	C.hrmc_version_free(l.c)
	l.p.release()
}

var _ reload.Steps = (*cHost)(nil)

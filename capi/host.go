// SPDX-License-Identifier: MIT

package main

// #include "host.h"
import "C"

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/qtforge/hotreload/core"
	"github.com/qtforge/hotreload/core/reload"
)

// cHost is a host of the C interface: reload.Host, whose steps are C's.
type cHost struct {
	host    *reload.Host
	manager uintptr // the handle of its manager
	manual  bool
	code    C.hrmc_host_code
	outcome C.uintptr_t
	destroy C.uintptr_t

	ending atomic.Bool
	told   chan struct{} // holds one token while an outcome callback runs

	jobs jobs

	mu      sync.Mutex
	plugins map[string]*cPlugin // that are open, or being opened
	loaded  map[uint64]*cVersion
	checks  map[string]check // by set
}

// cPlugin is a plugin from its opening until its last version has ended.
type cPlugin struct {
	host      *cHost
	id        string
	c         *C.hrmc_plugin
	handle    uintptr
	validator C.uintptr_t
	data      C.uintptr_t
	init      string
	canary    C.int32_t // milliseconds; 0: none
	program   *string   // of the canary; nil: a fork
	file      bool      // it is no library
	unload    bool      // also what the image says to keep
	stays     bool      // nothing of it is unloaded
	uses      int       // that it is open, and each version; behind cHost.mu
}

// cVersion is a version from its loading until it is forgotten.
type cVersion struct {
	c *C.hrmc_loaded
	p *cPlugin
	// waits is held while the end of its calls is awaited. A wait that was given up may
	// still be returning when the next one begins, or when the version is forgotten.
	waits sync.Mutex
}

type check struct{ fn, data C.uintptr_t }

// savedBy says whose state it is: it lies with the version that saved it.
type savedBy struct{ instance uint64 }

// roomForReason is how much a step may say.
const roomForReason = 512

// ------------------------------------------------------------------- steps --

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

// Activate makes versions answer.
func (h *cHost) Activate(_ context.Context, versions []reload.Version) error {
	var all []*C.hrmc_loaded
	for _, v := range versions {
		all = append(all, h.version(v).c)
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

// release gives one use of a plugin back. The host's lock is held.
func (p *cPlugin) release() {
	if p.uses--; p.uses == 0 {
		C.hrmc_plugin_free(p.c)
	}
}

// forgetPlugin ends what is open of a plugin; its versions may still be in use.
func (h *cHost) forgetPlugin(p *cPlugin) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.plugins[p.id] != p {
		return
	}
	delete(h.plugins, p.id)
	openPlugins.Delete(p.handle)
	C.hrmc_plugin_close(p.c)
	p.release()
}

// --------------------------------------------------------------- callbacks --

// hear gives the host an outcome, and waits until it has heard it.
func (h *cHost) hear(o reload.Outcome) {
	if h.outcome == 0 {
		return
	}
	heard := make(chan struct{})
	tell := func() {
		defer close(heard)
		h.told <- struct{}{}
		defer func() { <-h.told }()
		if !h.ending.Load() {
			h.callOutcome(o)
		}
	}
	if h.manual {
		h.jobs.post(tell)
	} else {
		tell()
	}
	<-heard
}

func (h *cHost) callOutcome(o reload.Outcome) {
	t := C.hrmc_outcome_text{plugin: C.CString(o.Plugin), at: C.CString(o.At.Plugin), reason: C.CString(printable(o.Reason)),
		down: C.CString(printable(o.Down)), notes: C.CString(printable(joined(o.Notes))), message: C.CString(o.String())}
	defer free(t.plugin, t.at, t.reason, t.down, t.notes, t.message)
	C.hrmc_call_outcome(h.outcome, &h.code, C.int32_t(o.Verdict), C.int32_t(o.Step), C.uint64_t(o.Generation), C.uint64_t(o.Active),
		C.uint64_t(o.At.Generation), C.int64_t(o.Retry.Milliseconds()), C.int32_t(o.Attempt), &t)
}

func printable(text string) string { return core.Printable(text, 1000) }

func joined(notes []string) (all string) {
	for i, n := range notes {
		if i > 0 {
			all += "; "
		}
		all += n
	}
	return all
}

// validate is the host's validator: the plugin's own, then the canary.
func (h *cHost) validate(c core.Candidate) error {
	h.mu.Lock()
	p := h.plugins[c.ID]
	h.mu.Unlock()
	if p == nil {
		return errors.New("it is no open plugin of this host")
	}
	if p.validator != 0 {
		if err := h.askValidator(p, c); err != nil {
			return err
		}
	}
	if p.canary <= 0 {
		return nil
	}
	why, path, init := (*C.char)(C.calloc(1, roomForReason)), C.CString(c.Snapshot), C.CString(p.init)
	defer free(why, path, init)
	var program *C.char
	if p.program != nil {
		program = C.CString(*p.program)
		defer free(program)
	}
	if C.hrmc_canary(program, path, init, p.canary, why, roomForReason) != 0 {
		return nil
	}
	return errors.New(C.GoString(why))
}

func (h *cHost) askValidator(p *cPlugin, c core.Candidate) error {
	why, cc := (*C.char)(C.calloc(1, roomForReason)), newCandidates([]core.Candidate{c})
	defer free(why)
	defer freeCandidates(cc)
	verdict := C.hrmc_call_plugin_validator(p.validator, p.data, &h.code, &cc[0], why, roomForReason)
	return rejection(verdict, why)
}

// andDeliver adds the host's own event callback to one that was set for its manager.
func (h *cHost) andDeliver(f func(core.Event)) func(core.Event) {
	return func(ev core.Event) {
		h.host.Engine().Deliver(ev)
		if f != nil {
			f(ev)
		}
	}
}

// andValidate adds the host's own validator to one that was set for its manager.
func (h *cHost) andValidate(f core.Validator) core.Validator {
	return func(c core.Candidate) error {
		if f != nil {
			if err := f(c); err != nil {
				return err
			}
		}
		return h.validate(c)
	}
}

// key returns the host's key; 0 for no host.
func (h *cHost) key() C.uintptr_t {
	if h == nil {
		return 0
	}
	return h.code.key
}

// hostOfManager returns the host whose manager a handle leads to, if it is a host's.
func hostOfManager(handle uintptr) *cHost {
	if m := findHandle(handle); m != nil {
		return m.host
	}
	return nil
}

// check asks the host whether the versions of a set fit together.
func (h *cHost) check(set string, candidates []reload.Candidate) error {
	h.mu.Lock()
	ask := h.checks[set]
	h.mu.Unlock()
	var all []core.Candidate
	for _, c := range candidates {
		ev, _ := c.Source.(core.Event)
		all = append(all, core.Candidate{ID: c.Version.Plugin, Path: ev.Path, Snapshot: ev.Snapshot, SnapshotSize: ev.SnapshotSize,
			SnapshotHash: ev.SnapshotHash, Generation: c.Version.Generation, TrustedComment: ev.TrustedComment})
	}
	cc, id, why := newCandidates(all), C.CString(set), (*C.char)(C.calloc(1, roomForReason))
	defer free(id, why)
	defer freeCandidates(cc)
	return rejection(C.hrmc_call_check(ask.fn, ask.data, &h.code, id, &cc[0], C.uint64_t(len(cc)), why, roomForReason), why)
}

// newCandidates converts candidates; the caller frees them. They are in C's memory.
func newCandidates(all []core.Candidate) []C.hrm_candidate {
	n := len(all)
	cc := unsafe.Slice((*C.hrm_candidate)(C.calloc(C.size_t(n), C.sizeof_hrm_candidate)), n)
	for i, c := range all {
		cc[i] = C.hrm_candidate{struct_size: C.sizeof_hrm_candidate, plugin_id: C.CString(c.ID), path: C.CString(c.Path),
			snapshot_path: C.CString(c.Snapshot), snapshot_size: C.uint64_t(c.SnapshotSize),
			snapshot_sha256: C.CString(c.SnapshotHash), generation: C.uint64_t(c.Generation),
			trusted_comment: C.CString(c.TrustedComment)}
	}
	return cc
}

func freeCandidates(cc []C.hrm_candidate) {
	for _, c := range cc {
		free(c.plugin_id, c.path, c.snapshot_path, c.snapshot_sha256, c.trusted_comment)
	}
	C.free(unsafe.Pointer(&cc[0]))
}

// ------------------------------------------------------------------ ending --

// end closes everything. Inside of the host's own code it waits for nothing.
func (h *cHost) end(ctx context.Context, inside bool) error {
	h.ending.Store(true)
	ended, cancel := context.WithCancel(ctx)
	defer cancel()
	if inside {
		cancel() // the rest ends by itself
	} else {
		select { // an outcome callback that runs
		case h.told <- struct{}{}:
			<-h.told
		case <-ctx.Done():
		}
	}
	if h.manual && !inside {
		h.jobs.workUntil(h.host, ctx)
	}
	h.jobs.orphan()
	err := h.host.Shutdown(ended)
	finish := func() {
		<-h.host.Closed()
		if h.destroy != 0 {
			C.hrmc_call_plain(h.destroy, h.code.user_data, h.code.key, h.code.mask)
		}
	}
	if inside {
		go finish()
		return nil
	}
	if err != nil {
		go finish()
		return err
	}
	finish()
	return nil
}

// within returns a context for a time in milliseconds; less than 0 is without limit.
func within(ms C.int32_t) (context.Context, context.CancelFunc) {
	if ms < 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), milliseconds(ms))
}

// limit is a limit of time, of which 0 is the default.
func limit(ms C.int32_t, usual time.Duration) time.Duration {
	if ms == 0 {
		return usual
	}
	return milliseconds(ms)
}

var _ reload.Steps = (*cHost)(nil)

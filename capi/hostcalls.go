// SPDX-License-Identifier: MIT

package main

// #include "host.h"
import "C"

import (
	"errors"
	"unsafe"

	"github.com/qtforge/hotreload/core"
	"github.com/qtforge/hotreload/core/reload"
)

// check is the host's function that decides about a set.
type check struct{ fn, data C.uintptr_t }

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

// SPDX-License-Identifier: MIT

package engine

import (
	"encoding/hex"
	"runtime"
	"time"

	"github.com/qtforge/hotreload/core/internal/deliver"
	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/verify"
)

// Candidate is a version that a validator function is asked about.
type Candidate struct {
	ID           string
	Path         string // as registered
	Snapshot     string
	SnapshotSize int64
	SnapshotHash string // SHA-256 in hexadecimal
	Generation   uint64 // the one it will be if nothing comes in between
	// TrustedComment is that of the signature, which was verified; "" if none had to be.
	TrustedComment string
}

// Validator accepts (nil) or rejects a version. It runs on a goroutine of the
// manager that is locked to its thread.
type Validator func(Candidate) error

// SetValidator sets the function that is asked about every version of plugins
// with safe reload, after the built-in validations, those that wait to be
// delivered included; nil removes it. It runs on a goroutine of its own, one call
// at a time. Otherwise as SetReloadCallback.
func (m *Engine) SetValidator(fn Validator, release func()) error {
	return setSlot(m, &m.validator, fn, fn == nil, release, nil, m.askAgain)
}

// askAgain takes back the changes that wait and that the present validator was not
// asked about. It is called with the lock held.
func (m *Engine) askAgain() {
	var outdated []*plugin
	m.gate.Changes(func(c *pendingChange) {
		if m.outdated(c.snap) {
			outdated = append(outdated, c.p)
		}
	})
	for _, p := range outdated {
		c := m.withdraw(p)
		m.validateAnew(p, &c.info, c.snap)
	}
	m.afterChange()
	m.turn()
}

// validateAnew has a version checked again that was validated already.
func (m *Engine) validateAnew(p *plugin, in *fsys.Info, snap *snapshot) {
	p.withdrawn(in)
	m.discardLocked(snap)
	m.checkAgain(p, 0)
}

// outdated reports whether the validator is one that a snapshot was not put to.
func (m *Engine) outdated(s *snapshot) bool {
	return s != nil && m.validator != nil && s.asked != m.validator
}

// callValidator calls the host's validator, if there is one.
func (m *Engine) callValidator(c *candidate) error {
	v := &m.validation
	if v.late != nil { // calls do not overlap
		select {
		case <-v.late:
		case <-m.done:
			return fsys.ErrStopped
		}
		v.late = nil
	}
	m.mu.Lock()
	if m.validator == nil || c.superseded || m.closed {
		m.mu.Unlock()
		return nil
	}
	slot := m.validator.Hold()
	c.snap.asked = slot
	v.asking = &run{p: c.p}
	m.mu.Unlock()
	asked := Candidate{ID: c.p.id, Path: c.p.registeredPath(), Snapshot: c.snap.Files[0].Path, SnapshotSize: c.snap.Files[0].Size,
		SnapshotHash: hex.EncodeToString(c.snap.Files[0].Hash[:]), Generation: c.generation,
		TrustedComment: c.snap.comment}
	verdict, returned := make(chan error, 1), make(chan struct{})
	m.spawn(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(returned)
		defer func() {
			slot.Done() // inside the callback still: the release function may close the manager
			m.mu.Lock()
			defer m.mu.Unlock()
			v.asking = nil
			m.afterChange()
		}()
		m.mu.Lock()
		v.asking.thread = deliver.ThreadID()
		m.mu.Unlock()
		verdict <- slot.Fn(asked)
	})
	var timeout <-chan time.Time
	if d := c.p.safe.o.validatorTimeout; d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case err := <-verdict:
		<-returned
		return rejectionOf(err)
	case <-returned:
		select {
		case err := <-verdict:
			return rejectionOf(err)
		default: // it panicked; the manager has failed
			return fsys.ErrStopped
		}
	case <-m.done:
		return fsys.ErrStopped
	case <-timeout:
		v.late = returned
		o := c.p.safe.o
		if o.acceptOnTimeout {
			return nil
		}
		return verify.Reject("the validator gave no verdict within %v", o.validatorTimeout)
	}
}

func rejectionOf(err error) error {
	if err != nil {
		return &verify.Rejection{Why: Printable(err.Error(), maxMessage)}
	}
	return nil
}

// askValidator puts the candidates to the validator that wait for it.
func (m *Engine) askValidator() {
	for {
		m.mu.Lock()
		if len(m.validation.waiting) == 0 || m.closed {
			m.validation.serving = false
			m.mu.Unlock()
			return
		}
		c := m.validation.waiting[0]
		m.validation.waiting = m.validation.waiting[1:]
		m.mu.Unlock()
		err := m.callValidator(c)
		m.step(func() {
			if c.err = err; err != nil {
				m.discardLocked(c.snap)
			}
			m.validated(c)
		})
	}
}

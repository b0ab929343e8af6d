// SPDX-License-Identifier: MIT

package engine

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	snapshots "github.com/qtforge/hotreload/core/internal/snapshot"
	"github.com/qtforge/hotreload/core/internal/verify"
)

// Between settling and the queue a plugin with safe reload is validated: a worker
// copies, hashes and verifies the version, and then the host's validator is asked,
// one version at a time. A notification meanwhile supersedes the version.
//
//	decide ──► worker: strict modes, copy, stable?, hash, verify ──► validator ──► validated ──► gate

// validation is what validation needs, all behind Engine.mu.
type validation struct {
	store *snapshots.Store
	trash []*snapshot // could not be removed yet: Windows, still loaded
	live  int         // snapshots on the disk
	bytes int64       // of them
	busy  int         // candidates
	// The validator's turn.
	waiting []*candidate  // that wait for it
	serving bool          // a goroutine asks it
	asking  *run          // the call under way
	late    chan struct{} // closed when the latest call, timed out, has returned
}

// validate begins to validate a version that was found complete.
func (m *Engine) validate(w *work, found *check) {
	p := w.p
	c := &candidate{p: p, files: m.filesOf(p), info: found.info, first: w.machine.FirstNotified(), decided: found.decided(),
		begun: time.Now(), generation: uint64(p.generation) + 1}
	w.candidate = c
	m.validation.busy++
	m.workers.do(m.whereabouts(p), func(at func(string)) {
		snap, err := m.inspect(c, at)
		if err != nil && snap != nil {
			m.remove([]*snapshot{snap}, at)
		}
		m.step(func() {
			c.snap, c.err = snap, err
			if err != nil || m.validator == nil || c.superseded {
				m.validated(c)
				return
			}
			m.validation.waiting = append(m.validation.waiting, c)
			if !m.validation.serving {
				m.validation.serving = true
				m.spawn(m.askValidator)
			}
		})
	})
}

// supersede gives a candidate up and returns when its change was first noticed.
func (m *Engine) supersede(w *work) (first time.Time) {
	c := w.candidate
	w.candidate, c.superseded = nil, true
	if i := slices.Index(m.validation.waiting, c); i >= 0 {
		m.validation.waiting = slices.Delete(m.validation.waiting, i, i+1)
		m.validated(c) // which discards its snapshot
	}
	c.p.withdrawn(&c.info)
	m.note(c.p, LogDebug, DecisionSuperseded, "taken back from validation: the file may have changed")
	return c.first
}

// validated acts on what validation found.
func (m *Engine) validated(c *candidate) {
	p := c.p
	m.validation.busy--
	if c.superseded || p.disabled() {
		if c.err == nil {
			m.discardLocked(c.snap)
		}
		return
	}
	w := m.intake.settling[p]
	rejection, isRejection := errors.AsType[*verify.Rejection](c.err)
	if errors.Is(c.err, snapshots.ErrChanged) {
		m.notify(p, 0, time.Now()) // which takes over when the change began
		return
	}
	w.candidate = nil
	switch {
	case c.err == nil:
		m.deliverValidated(c)
	case c.err == errKnown:
		m.nothingNew(c)
	case c.err == errSuppressed:
		m.suppressed(c)
	case isRejection:
		if !rejection.Passing {
			w.machine.Rejected(versionOf(&c.info))
			w.examined = c.info
		}
		m.reject(c, rejection)
	default:
		m.snapshotFailed(c)
	}
	m.rest(w)
}

func (m *Engine) deliverValidated(c *candidate) {
	if m.outdated(c.snap) {
		m.validateAnew(c.p, &c.info, c.snap)
		return
	}
	s := c.p.safe
	s.rejected, s.trouble, s.again = "", "", 0
	sum := c.snap.Sum
	m.note(c.p, LogInfo, DecisionComplete, "the new version is validated")
	m.enqueueChange(&pendingChange{p: c.p, info: c.info, hash: &sum, first: c.first, complete: time.Now(), snap: c.snap, loadable: c.loadable, decided: c.decided})
}

// nothingNew takes the present version for what the host knows.
func (m *Engine) nothingNew(c *candidate) {
	_, h := c.p.hostKnows()
	c.p.setBaseline(versionOf(&c.info), h)
	c.p.safe.loadable = c.loadable
	m.stats.Unchanged++
	m.stats.supersede(c.p, &c.info)
	m.note(c.p, LogDebug, DecisionUnchanged, "its content is what was delivered last")
}

func (m *Engine) suppressed(c *candidate) {
	m.stats.supersede(c.p, &c.info)
	c.p.setBaseline(versionOf(&c.info), nil)
	c.p.safe.loadable = c.loadable
	m.stats.Suppressed++
	m.note(c.p, LogWarning, DecisionRejected, "its content failed in the host before")
}

// reject reports, once for each reason, that a version is rejected. If that may pass,
// the version is checked again later, and at every notification.
func (m *Engine) reject(c *candidate, r *verify.Rejection) {
	p, s, why := c.p, c.p.safe, r.Why
	m.note(p, 0, DecisionRejected, why)
	if r.Passing {
		s.again = min(max(2*s.again, minAgain), maxAgain)
		m.checkLater(p, s.again)
	}
	ev := Event{Kind: Rejected, ID: p.id, Path: p.registeredPath(), Message: why}
	if c.snap != nil {
		own := c.snap.Files[0]
		ev.TrustedComment = c.snap.comment
		ev.SnapshotSize, ev.SnapshotHash = own.Size, hex.EncodeToString(own.Hash[:])
	}
	if mark := ev.SnapshotHash + " " + why; mark != s.rejected {
		s.rejected = mark
		m.stats.Rejected++
		m.tallyOf(p).rejected++
		m.enqueueEvent(ev)
	}
}

// snapshotFailed says once per reason why, and tries again later; a change of the file is tried at once.
func (m *Engine) snapshotFailed(c *candidate) {
	if errors.Is(c.err, fsys.ErrStopped) {
		return
	}
	s := c.p.safe
	s.again = min(max(2*s.again, minAgain), maxAgain)
	m.stats.SnapshotFailures++
	why := c.err.Error()
	m.note(c.p, 0, DecisionWaiting, message("no snapshot could be made: %v", why))
	mark := why
	if p, ok := errors.AsType[*fs.PathError](c.err); ok {
		if _, copying := snapshots.Below(m.validation.store.Base(), p.Path); copying {
			mark = p.Op + ": " + p.Err.Error() // the copy's place is another one at each try
		}
	}
	if mark != s.trouble {
		s.trouble = mark
		m.healthLocked(HealthSnapshotFailed, c.p.id, c.p.registeredPath(), message("no snapshot could be made, so the new version is not delivered yet: %v", why))
	}
	m.checkLater(c.p, s.again)
}

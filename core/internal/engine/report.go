// SPDX-License-Identifier: MIT

package engine

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// This file is what follows a delivery with safe reload: the host's report, what
// is kept to go back to, what is not offered again.

// ReportReload says how the host's loading of a delivered generation went.
func (m *Engine) ReportReload(id string, generation uint64, outcome Outcome, message string) error {
	if outcome < ReloadOK || outcome > ReloadReleased {
		return fail(ErrInvalidArgument, "the result %d is neither 1 (ok), 2 (failed) nor 3 (released)", outcome)
	}
	s, snap, err := m.noteOutcome(id, generation, outcome, message)
	if err != nil || outcome != ReloadOK {
		return err
	}
	return s.acceptVersion(snap)
}

// noteOutcome is ReportReload but for what may block.
func (m *Engine) noteOutcome(id string, generation uint64, outcome Outcome, message string) (*safeState, *snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.enabled(id)
	switch {
	case err != nil:
		return nil, nil, err
	case p.safe == nil:
		return nil, nil, fail(ErrNotSupported, "plugin %q is enabled without safe reload; give it safe options", id)
	}
	s := p.safe
	o := s.deliveredAs(generation)
	if o == nil {
		return nil, nil, fail(ErrInvalidArgument, "plugin %q: generation %d is not known (any more); the latest is %d", id, generation, p.generation)
	}
	o.stopWatchdog()
	m.noteReport(p, o, outcome, message)
	switch outcome {
	case ReloadOK:
		if !o.good {
			o.good = true
			m.stats.ReloadsOK++
			m.tallyOf(p).loaded++
		}
		m.countReport(p, generation, true, time.Now())
		m.prune(s)
	case ReloadFailed:
		m.stats.ReloadsFailed++
		m.tallyOf(p).failed++
		m.countReport(p, generation, false, time.Now())
		s.forget(o)
		m.discardLocked(o.snap)
		m.reloadFailed(p, o, message)
	case ReloadReleased:
		s.stillCounts(o)
		s.forget(o)
		m.discardLocked(o.snap)
	}
	m.turn()
	return s, o.snap, nil
}

// noteReport notes what the host has reported.
func (m *Engine) noteReport(p *plugin, o *deliveredVersion, outcome Outcome, message string) {
	level, text := LogInfo, fmt.Sprintf("generation %d is loaded", o.generation)
	switch outcome {
	case ReloadFailed:
		if level, text = LogWarning, fmt.Sprintf("generation %d failed", o.generation); message != "" {
			text += ": " + Printable(message, maxForeign)
		}
	case ReloadReleased:
		text = fmt.Sprintf("generation %d is needed no more", o.generation)
	}
	m.note(p, level, DecisionReported, text)
	p.rare.history.outcome = outcome
}

// reloadFailed remembers the bytes and offers the last good version.
func (m *Engine) reloadFailed(p *plugin, o *deliveredVersion, message string) {
	s := p.safe
	f := s.failed(o.snap.Sum)
	f.times++
	what := fmt.Sprintf("generation %d failed", o.generation)
	if message != "" {
		what += ": " + message
	}
	if int(f.times) <= s.o.retries {
		delay := s.o.retryDelay
		for range f.times - 1 {
			delay = min(2*delay, maxInterval)
		}
		if o.generation == uint64(p.generation) { // otherwise a newer one is there already
			m.stats.Retries++
			p.distrust()
			s.loadable = fsys.Info{}
			m.checkLater(p, delay)
			what += fmt.Sprintf("; it is offered again in %v", delay)
		}
	}
	m.workers.do(m.validation.store.Base(), func(at func(string)) {
		m.forgetDamaged(p, at)
		m.step(func() {
			if p.disabled() {
				return
			}
			if s.lastGood() != nil {
				m.stats.Rollbacks++
				m.tallyOf(p).rolled++
			}
			m.enqueueEvent(Event{Kind: Rollback, ID: p.id, Path: p.registeredPath(), Failed: o.generation, Message: what}) // see nameLastGood
		})
	})
}

// forgetDamaged gives up good generations whose snapshot is not there any more as it
// was made. It runs on a worker.
func (m *Engine) forgetDamaged(p *plugin, at func(string)) {
	lastGood := func() *deliveredVersion {
		m.mu.Lock()
		defer m.mu.Unlock()
		return p.safe.lastGood()
	}
	for last := lastGood(); last != nil; last = lastGood() {
		err := last.snap.Recheck(func() bool {
			at(last.snap.Root)
			return m.isClosing()
		})
		if err == nil || errors.Is(err, fsys.ErrStopped) || m.isClosing() {
			return
		}
		m.step(func() {
			p.safe.forget(last)
			m.discardLocked(last.snap)
		})
	}
}

// nameIn makes the event name the snapshot.
func (o *deliveredVersion) nameIn(ev *Event) {
	ev.Generation = o.generation
	ev.TrustedComment = o.snap.comment
	own := o.snap.Files[0]
	ev.Snapshot, ev.SnapshotSize, ev.SnapshotHash = own.Path, own.Size, hex.EncodeToString(own.Hash[:])
}

// checkLater has a plugin checked after delay.
func (m *Engine) checkLater(p *plugin, delay time.Duration) {
	s := p.safe
	if s.timer != nil {
		s.timer.Stop()
	}
	s.dueAgain = time.Now().Add(delay)
	s.timer = time.AfterFunc(delay, func() {
		m.guard("a timer", func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			if !p.disabled() && !m.closed {
				m.checkAgain(p, 0)
				m.turn()
			}
		})
	})
}

func (s *safeState) deliveredAs(generation uint64) *deliveredVersion {
	for _, o := range s.delivered {
		if o.generation == generation {
			return o
		}
	}
	return nil
}

func (s *safeState) forget(o *deliveredVersion) {
	s.delivered = slices.DeleteFunc(s.delivered, func(x *deliveredVersion) bool { return x == o })
}

func (s *safeState) lastGood() *deliveredVersion {
	for _, o := range slices.Backward(s.delivered) {
		if o.good {
			return o
		}
	}
	return nil
}

// failed is the record of a content that failed. Of more than are remembered the first
// ones and the latest one are: who has a bad content offered again by writing others
// would have to write one more that is new each time.
func (s *safeState) failed(sum fsys.Hash) *failure {
	for i := range s.failures {
		if s.failures[i].sum == sum {
			return &s.failures[i]
		}
	}
	if len(s.failures) == maxFailures {
		s.failures = s.failures[:maxFailures-1]
	}
	s.failures = append(s.failures, failure{sum: sum})
	return &s.failures[len(s.failures)-1]
}

// bad reports whether a content is not to be offered.
func (s *safeState) bad(sum fsys.Hash) bool {
	for _, f := range s.failures {
		if f.sum == sum {
			return int(f.times) > s.o.retries
		}
	}
	return false
}

// keepDelivered makes a delivered change one that can be reported on.
func (m *Engine) keepDelivered(p *plugin, c *pendingChange, ev *Event) {
	s := p.safe
	o := &deliveredVersion{generation: uint64(p.generation), snap: c.snap}
	s.delivered = append(s.delivered, o)
	s.loadable = c.loadable
	o.nameIn(ev)
	if d := s.o.reportTimeout; d > 0 {
		o.watchdog = time.AfterFunc(d, func() {
			m.guard("a timer", func() {
				m.mu.Lock()
				defer m.mu.Unlock()
				if o.watchdog == nil || p.disabled() || m.closed {
					return
				}
				o.watchdog = nil
				m.stats.Unreported++
				m.healthLocked(HealthNoReport, p.id, p.registeredPath(), fmt.Sprintf("no report on generation %d within %v; it is not taken for good", o.generation, d))
				m.turn()
			})
		})
	}
	m.prune(s)
}

func (o *deliveredVersion) stopWatchdog() {
	if o.watchdog != nil {
		o.watchdog.Stop()
		o.watchdog = nil
	}
}

// prune removes the snapshots that nobody goes back to: what came before the
// good one, but for keep good ones; of what nobody reported on, the newest two stay.
func (m *Engine) prune(s *safeState) {
	good, unreported := s.o.keep+1, 2
	kept := []*deliveredVersion{}
	for _, o := range slices.Backward(s.delivered) {
		switch {
		case o.good && good > 0:
			good--
			unreported = 0 // what came before was superseded
		case !o.good && unreported > 0:
			unreported--
		default:
			o.stopWatchdog()
			s.stillCounts(o)
			m.discardLocked(o.snap)
			continue
		}
		kept = append(kept, o)
	}
	slices.Reverse(kept)
	s.delivered = kept
}

// dropSafe ends everything about an entry that is disabled.
func (m *Engine) dropSafe(s *safeState) {
	s.discarded = true
	if s.timer != nil {
		s.timer.Stop()
	}
	for _, o := range s.delivered {
		o.stopWatchdog()
		m.discardLocked(o.snap)
	}
	s.delivered = nil
}

// SPDX-License-Identifier: MIT

package engine

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/settle"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// checked takes the answer to a check over.
func (m *Engine) checked(c *check) {
	w, p := c.work, c.work.p
	if m.intake.settling[p] != w {
		return // disabled
	}
	w.checking = false
	m.noteRoot(c.root)
	if c.follow && m.intake.set.Through(&p.Leaf, c.places) {
		// What the links lead to is watched only from now on. It is another file, whatever
		// a mount may have done to the numbers of the former one.
		w.epoch++
		w.signs |= watch.Differs
		w.remounted, w.explained = false, true
	} else if c.epoch == w.epoch && m.noteMountPoints(p, c.mounts) {
		w.epoch++ // they are watched only from now on
		w.explained = true
	}
	if p.rare != nil && p.rare.history != nil {
		p.rare.history.checked = c.begun.UnixNano()
	}
	if baseline, _ := p.hostKnows(); c.epoch != w.epoch || baseline != c.baseline {
		m.schedule(w) // something has happened since the check began
		return
	}
	var d settle.Decision
	m.countWriting(w, func() { d = m.decide(c) })
	if d == settle.Removed && p.found != nil {
		defer m.vanished(p)
	}
	switch s := &w.machine; {
	case s.Settling():
		m.schedule(w)
	case (d == settle.Deliver || d == settle.Unchanged && w.examined.Kind == fsys.Regular) && p.safe == nil && !s.HasRejected():
		m.end(w) // the host knows, or is about to, what was examined
	default:
		m.rest(w)
	}
}

// decide acts on what the machine makes of a check.
func (m *Engine) decide(c *check) settle.Decision {
	w, p, state := c.work, c.work.p, &c.work.machine
	w.examined = c.info
	m.linkedTo(p, &c.info)
	if c.err != nil && !isMissing(c.err) {
		return m.cannotRead(c)
	}
	first := state.FirstCheck()
	d := state.Observe(c.observation(), c.begun)
	probed := d == settle.Probe
	if probed {
		r := settle.ProbeResult{Writer: c.writer, After: versionOf(&c.after), Incomplete: c.image != nil,
			Identical: c.sum != nil && c.hash != nil && *c.sum == *c.hash && c.baseline.Exists(), Content: c.content}
		if first && r.Writer == fsys.HasWriter && c.baseline.Is(versionOf(&c.info)) {
			p.distrust() // the host may have loaded a half-written version
		}
		d = state.Probed(r, time.Now())
		if r.Writer == fsys.WriterUnknown && c.after.Kind == fsys.Regular { // it was asked
			m.needWrites(p)
		}
	}
	m.noteHeld(c, d, probed)
	if probed || d != settle.Wait {
		m.canRead(w)
	}
	m.doubt(c, d)
	switch d {
	case settle.Reject:
		m.rejectImage(p, c.image)
	case settle.Deliver:
		if p.safe != nil {
			m.validate(w, c)
		} else {
			m.enqueueChange(&pendingChange{p: p, info: c.info, hash: c.sum, first: state.FirstNotified(), complete: c.opened, decided: c.decided()})
		}
	case settle.Removed:
		if !p.isSucceeded() {
			m.deliverRemoval(p, c.info.Kind)
		}
		m.intake.set.WalkAgain(p.Folder()) // its directory may have been removed below a mount
	case settle.Unchanged:
		h := c.sum
		if probed && p.safe != nil {
			h = c.hash
		}
		// Identical content, the baseline's hash, or another change time.
		another := probed && (h != nil || c.baseline != versionOf(&c.info))
		if another || !first {
			m.nothingToDeliver(p, another, &c.info, h)
		}
		m.stats.Unchanged++
	}
	m.noteDecision(c, d, first, probed)
	return d
}

// needWrites has writes notified where a plugin's files are: nothing else says that somebody
// writes them.
func (m *Engine) needWrites(p *plugin) {
	m.intake.set.NeedsWrites(&p.Leaf)
	if p.safe != nil {
		for _, l := range p.safe.companions {
			m.intake.set.NeedsWrites(l)
		}
	}
}

// noteDecision notes what a check has led to.
func (m *Engine) noteDecision(c *check, d settle.Decision, first, probed bool) {
	p := c.work.p
	switch d {
	case settle.Wait:
		m.note(p, LogDebug, DecisionWaiting, waitReason(c, probed))
	case settle.Reject:
		m.note(p, 0, DecisionRejected, message("not a complete image: %v", c.image))
	case settle.StillRejected:
		m.note(p, LogDebug, DecisionRejected, "it is the version that was rejected")
	case settle.Removed:
		m.note(p, LogInfo, DecisionRemoved, goneText(c.info.Kind))
	case settle.Unchanged:
		if !first { // a plugin of which nothing happens has no history
			m.note(p, LogDebug, DecisionUnchanged, "it is the version that the host knows")
		}
	case settle.Deliver:
		if p.safe != nil {
			m.note(p, LogInfo, DecisionComplete, "a new version is complete; it is copied and validated")
		} else {
			m.note(p, LogInfo, DecisionComplete, "a new version is complete")
		}
	}
}

func waitReason(c *check, probed bool) string {
	switch {
	case c.info.Kind == fsys.Missing:
		return "the file is missing; another one may be on its way"
	case c.work.machine.Writing() && c.work.machine.IsUnknown():
		return "it was written and, as far as notifications say, not closed"
	case c.work.machine.Writing():
		return "it is held open for writing"
	case probed:
		return "it changed, or was closed by its writer, during the check"
	}
	return "it has not been quiet for the quiet period"
}

// cannotRead notes that a plugin's file cannot be read: not by its host either, so
// that there is nothing to deliver yet.
func (m *Engine) cannotRead(c *check) settle.Decision {
	m.note(c.work.p, 0, DecisionUnreadable, message("%v", c.err))
	m.fileUnreadable(c.work.p, c.err)
	return c.work.machine.Unreadable(m.opts.PollInterval, c.begun)
}

// canRead ends what cannotRead began.
func (m *Engine) canRead(w *work) {
	if w.machine.Readable() {
		m.fileReadable(w.p)
	}
}

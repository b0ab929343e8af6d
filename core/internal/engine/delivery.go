// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/qtforge/hotreload/core/internal/deliver"
	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/settle"
)

// This file is what the engine puts into the gate, and what it withdraws. All of it is
// called with Engine.mu held.

// pendingChange is a change, or removal, that waits to be delivered. It owns its
// snapshot.
type pendingChange struct {
	deliver.Place
	p        *plugin
	info     fsys.Info // the version
	hash     *fsys.Hash
	removal  bool
	instead  fsys.Kind // of a removal: what stands there now
	decided  decided
	first    time.Time // first notification of the change
	complete time.Time // when it was found complete
	seen     time.Time // when that was found last
	foreseen bool      // seen is of a check that was made together with that of another change
	snap     *snapshot // with safe reload: what the host will load
	loadable fsys.Info
}

// decided is how a version was found complete.
type decided struct {
	isOpen  bool // although a writer holds the file open
	unknown bool // although the system does not say whether there is a writer
}

func (c *check) decided() decided {
	return decided{isOpen: c.work.machine.PassedOver(), unknown: c.writer == fsys.WriterUnknown}
}

// Disabled reports whether the change's plugin is not enabled any more.
func (c *pendingChange) Disabled() bool { return c.p.disabled() }

// Paused reports whether the change's plugin is paused, by itself or by its pause marker.
func (c *pendingChange) Paused() bool { return c.p.paused() || c.p.marked() != nil }

// enqueueChange has a change delivered, unless its plugin is disabled by now. The
// change owns the snapshot from then on.
func (m *Engine) enqueueChange(c *pendingChange) {
	if !m.gate.Admits(c) {
		m.discardLocked(c.snap)
		return
	}
	m.forgetIncomplete(c.p)
	m.stats.supersede(c.p, &c.info)
	c.p.state().pending = c
	if k := c.p.marked(); k != nil {
		m.note(c.p, 0, DecisionPaused, k.heldText())
	}
	c.seen = c.complete
	m.gate.PutChange(c)
}

// take removes the change in front from the queue, to deliver it.
func (m *Engine) take(c *pendingChange) {
	m.gate.TakeChange()
	c.p.state().pending = nil
	c.p.tidy()
}

// withdraw takes back a plugin's change, if one waits.
func (m *Engine) withdraw(p *plugin) *pendingChange {
	if p.rare == nil || p.rare.pending == nil {
		return nil
	}
	c := p.rare.pending
	p.rare.pending = nil
	p.tidy()
	m.gate.Withdraw(c)
	return c
}

// takeBack withdraws a change because its file may have changed. It returns when the
// change was first noticed.
func (m *Engine) takeBack(p *plugin) (first time.Time) {
	if c := m.withdraw(p); c != nil {
		first = c.first
		m.discardLocked(c.snap)
		p.withdrawn(&c.info)
		m.note(p, LogDebug, DecisionSuperseded, "taken back before its delivery: the file may have changed")
		m.afterChange()
	}
	return first
}

// withdrawn remembers a complete version that is not delivered because its file may
// have changed.
func (p *plugin) withdrawn(in *fsys.Info) {
	if in.Fingerprint.Exists {
		p.state().withdrawn = versionOf(in)
	}
}

// supersede counts the version that was withdrawn if the file has settled as
// another one. The same one, after a chmod say, is not superseded.
func (s *Stats) supersede(p *plugin, now *fsys.Info) {
	if p.rare == nil || !p.rare.withdrawn.Exists() {
		return
	}
	if !p.rare.withdrawn.Is(versionOf(now)) {
		s.Superseded++
	}
	p.rare.withdrawn = settle.Version{}
	p.tidy()
}

// deliverRemoval queues that the file is gone, if a callback for that is set. instead is
// what stands in its place.
func (m *Engine) deliverRemoval(p *plugin, instead fsys.Kind) {
	m.forgetIncomplete(p)
	if m.gate.Event == nil || (p.rare != nil && p.rare.removalDelivered) || !p.baseline.Exists() {
		return
	}
	t := time.Now()
	m.enqueueChange(&pendingChange{p: p, removal: true, instead: instead, first: t, complete: t})
}

// nothingToDeliver notes that a file has settled without anything new. If another,
// its version is another one, whose content is what the host knows, or the hash of
// the host's version has become known.
func (m *Engine) nothingToDeliver(p *plugin, another bool, in *fsys.Info, h *fsys.Hash) {
	m.forgetIncomplete(p)
	m.stats.supersede(p, in)
	if another {
		p.setBaseline(versionOf(in), h)
	}
}

// rejectImage reports, once for each version, that its image is not complete.
func (m *Engine) rejectImage(p *plugin, why error) {
	if r := p.state(); !r.incomplete {
		r.incomplete = true
		m.stats.IncompleteImages++
	}
	m.counters.imagesRejected++
	m.tallyOf(p).rejected++
	m.healthLocked(HealthImageIncomplete, p.id, p.registeredPath(), fmt.Sprintf("not delivered, waiting for the next version: %v", why))
}

func (m *Engine) forgetIncomplete(p *plugin) {
	if p.rare != nil && p.rare.incomplete {
		p.rare.incomplete = false
		p.tidy()
		m.stats.IncompleteImages--
	}
}

// fileUnreadable says, once, that a plugin's file cannot be read.
func (m *Engine) fileUnreadable(p *plugin, why error) {
	if p.state().unreadable {
		return
	}
	p.state().unreadable = true
	m.stats.Unreadable++
	if pe, ok := errors.AsType[*fs.PathError](why); ok {
		why = pe.Err
	}
	m.healthLocked(HealthUnreadable, p.id, p.registeredPath(), fmt.Sprintf("the file cannot be read, waiting until it can be: %v", why))
}

// fileReadable says that it can be again.
func (m *Engine) fileReadable(p *plugin) {
	if m.forgetUnreadable(p) {
		m.healthLocked(HealthReadable, p.id, p.registeredPath(), "the file can be read again")
	}
}

func (m *Engine) forgetUnreadable(p *plugin) bool {
	if p.rare == nil || !p.rare.unreadable {
		return false
	}
	p.rare.unreadable = false
	p.tidy()
	m.stats.Unreadable--
	return true
}

func (m *Engine) healthLocked(code HealthCode, id, path, message string) {
	m.enqueueEvent(Event{Kind: Health, ID: id, Path: path, Health: code, Message: message})
}

// enqueueEvent has an event that is no change delivered.
func (m *Engine) enqueueEvent(ev Event) {
	if ev.Kind == Health {
		m.counters.health[ev.Health]++
	}
	ev.Message = Printable(ev.Message, maxMessage)
	ev.Time = time.Now()
	ev.FirstSeen = ev.Time
	if p := m.plugins.lookup(ev.ID); p != nil && ev.FolderID == "" {
		ev.FolderID = p.folderID()
	}
	m.logEvent(&ev)
	m.gate.PutEvent(ev)
}

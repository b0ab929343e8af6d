// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// This file is what the engine passes on to the queue, and what it takes back. All
// of it is called with Engine.mu held.

// takeBack withdraws a change that was not delivered yet and returns when it was
// first noticed.
func (m *Engine) takeBack(p *plugin) (first time.Time) {
	if c := m.queue.takeBack(p); c != nil {
		first = c.first
		m.discardLocked(c.snap)
		p.withdraw(&c.info)
		m.afterChange()
	}
	return first
}

// deliver queues a change, unless its plugin is disabled by now. It owns the snapshot
// from then on.
func (m *Engine) deliver(c *pendingChange) {
	if c.p.disabled() || m.closed {
		m.discardLocked(c.snap)
		return
	}
	m.forgetIncomplete(c.p)
	m.stats.supersede(c.p, &c.info)
	m.queue.addChange(c)
	m.afterChange()
}

// deliverRemoval queues that the file is gone, if a callback for that is set.
func (m *Engine) deliverRemoval(p *plugin) {
	m.forgetIncomplete(p)
	if m.event == nil || (p.rare != nil && p.rare.removalDelivered) || !p.baseline.Exists() {
		return
	}
	t := time.Now()
	m.deliver(&pendingChange{p: p, removal: true, first: t, complete: t})
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

// rejectImage says, once per version, that it is no whole image.
func (m *Engine) rejectImage(p *plugin, why error) {
	if r := p.state(); !r.incomplete {
		r.incomplete = true
		m.stats.IncompleteImages++
	}
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
	m.noteLocked(Event{Kind: Health, ID: id, Path: path, Health: code, Message: message})
}

// noteLocked queues an event that is no change. Without a listener there is
// nobody to keep it for.
func (m *Engine) noteLocked(ev Event) {
	if m.event == nil || m.closed {
		return
	}
	ev.Message = Printable(ev.Message, maxMessage)
	ev.Time = time.Now()
	ev.FirstSeen = ev.Time
	m.queue.addNote(ev)
	m.afterChange()
	m.wakeLocked()
}

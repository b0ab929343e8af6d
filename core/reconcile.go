package core

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/qtforge/hotreload/core/internal/settle"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// This file is where the loop meets the state that callers see: it compares
// what the disk holds with what was last told, and fills the queue.

// takeCommands hands what callers asked for to the loop. If it expects more
// plugins after those that it is given, it comes for them by itself.
func (m *Manager) takeCommands(expecting bool) (added, removed, hinted []*entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expected = expecting && len(m.added) > 0
	added, removed, hinted = m.added, m.removed, m.hinted
	m.added, m.removed, m.hinted = nil, nil, nil
	return
}

// dropDisabled puts nil in place of the entries that were disabled.
func (m *Manager) dropDisabled(entries []*entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, e := range entries {
		if e.disabled() {
			entries[i] = nil
		}
	}
}

// toldOf is what the host knows of a plugin's file.
func (m *Manager) toldOf(e *entry) (told settle.Version, h *fsys.Hash) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return e.knows()
}

// knownOf is the version that the host knows, or is about to be told.
func (m *Manager) knownOf(e *entry) settle.Version {
	m.mu.Lock()
	defer m.mu.Unlock()
	return e.known()
}

// pendingOf is the version of a plugin that waits for the host, if one does.
func (m *Manager) pendingOf(e *entry) (in fsys.Info) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.more != nil && e.more.pending != nil {
		in = e.more.pending.info
	}
	return in
}

// distrust makes the next complete version count as new, whatever it is.
func (m *Manager) distrust(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.distrust()
}

// takeBack withdraws a change that was not told yet and returns when its first
// sign was noticed.
func (m *Manager) takeBack(e *entry) (first time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.queue.takeBack(e); c != nil {
		first = c.first
		m.discardLocked(c.snap)
		e.withdraw(&c.info)
		m.afterChange()
	}
	return first
}

// enqueueChanges takes what is to be told. In a storm these are many at a time,
// so that the dispatching thread is woken for all of them once.
func (m *Manager) enqueueChanges(changes []*pendingChange) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range changes {
		m.addChangeLocked(c)
	}
	m.afterChange()
}

// addChangeLocked queues a change, unless its plugin is disabled by now. It owns
// the snapshot from then on.
func (m *Manager) addChangeLocked(c *pendingChange) {
	if c.e.disabled() || m.closed {
		m.discardLocked(c.snap)
		return
	}
	m.forgetRefusal(c.e)
	m.stats.supersede(c.e, &c.info)
	m.queue.addChange(c)
}

// enqueueRemoval tells that the file is gone, if anybody listens for that.
func (m *Manager) enqueueRemoval(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetRefusal(e)
	if e.disabled() || m.closed || m.event == nil || (e.more != nil && e.more.removalTold) || !e.told.Exists() {
		return
	}
	t := time.Now()
	m.addChangeLocked(&pendingChange{e: e, removal: true, first: t, whole: t})
	m.afterChange()
}

// nothingToTell notes that a file has settled without anything new. If same, the
// version is another, whose content is what the host knows, or it is the first
// one, with its hash.
func (m *Manager) nothingToTell(e *entry, same bool, in *fsys.Info, h *fsys.Hash) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetRefusal(e)
	m.stats.supersede(e, in)
	if same {
		e.setTold(versionOf(in), h)
	}
}

// imageRefused says, once per version, that it is no whole image.
func (m *Manager) imageRefused(e *entry, why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.disabled() {
		return
	}
	if a := e.aside(); !a.refused {
		a.refused = true
		m.stats.IncompleteImages++
	}
	m.healthLocked(HealthImageIncomplete, e.id(), e.path(), fmt.Sprintf("not delivered, waiting for the next version: %v", why))
}

func (m *Manager) forgetRefusal(e *entry) {
	if e.more != nil && e.more.refused {
		e.more.refused = false
		e.tidy()
		m.stats.IncompleteImages--
	}
}

// fileUnreadable says, once, that a plugin's file cannot be read.
func (m *Manager) fileUnreadable(e *entry, why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.disabled() || e.aside().unreadable {
		return
	}
	e.aside().unreadable = true
	m.stats.Unreadable++
	if pe, ok := errors.AsType[*fs.PathError](why); ok {
		why = pe.Err
	}
	m.healthLocked(HealthUnreadable, e.id(), e.path(), fmt.Sprintf("the file cannot be read, waiting until it can be: %v", why))
}

// fileReadable says that it can be again.
func (m *Manager) fileReadable(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forgetUnreadable(e) {
		m.healthLocked(HealthReadable, e.id(), e.path(), "the file can be read again")
	}
}

func (m *Manager) forgetUnreadable(e *entry) bool {
	if e.more == nil || !e.more.unreadable {
		return false
	}
	e.more.unreadable = false
	e.tidy()
	m.stats.Unreadable--
	return true
}

func (m *Manager) overflowed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Overflows++
	m.healthLocked(HealthOverflow, "", "", "the system dropped notifications; comparing every plugin with the disk")
}

func (m *Manager) health(code HealthCode, id, path, message string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.healthLocked(code, id, path, message)
}

func (m *Manager) healthLocked(code HealthCode, id, path, message string) {
	m.noteLocked(Event{Kind: Health, ID: id, Path: path, Health: code, Message: message})
}

// noteLocked queues an event that is no change. Without a listener there is
// nobody to keep it for.
func (m *Manager) noteLocked(ev Event) {
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

func (m *Manager) publish(watched, polled, settling, writing int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.WatchedDirectories, m.stats.PolledDirectories = watched, polled
	m.stats.Settling, m.stats.BeingWritten = settling, writing
	m.stats.Notifications = m.notifications.Load()
}

package core

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// This file is where the loop meets the state that callers see: it compares
// what the disk holds with what was last told, and fills the queue.

// takeCommands hands what callers asked for to the loop.
func (m *Manager) takeCommands() (added, removed, hinted []*entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	added, removed, hinted = m.added, m.removed, m.hinted
	m.added, m.removed, m.hinted = nil, nil, nil
	return
}

func (m *Manager) enabled(e *entry) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !e.disabled
}

// toldOf is what the host knows of a plugin's file.
func (m *Manager) toldOf(e *entry) (fileInfo, *hash) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.removalTold {
		return fileInfo{}, nil
	}
	return e.told, e.toldHash
}

// distrust makes the next complete version count as new, whatever it is.
func (m *Manager) distrust(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.told, e.toldHash = fileInfo{}, nil
}

// adopt takes in for what the host knows: its content is identical.
func (m *Manager) adopt(e *entry, in fileInfo, h *hash) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.told, e.toldHash = in, h
}

// takeBack withdraws a change that was not told yet and returns when its first
// sign was noticed.
func (m *Manager) takeBack(e *entry) (first time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.queue.takeBack(e); c != nil {
		first = c.first
		m.discardLocked(c.snap)
		m.stats.Superseded++
		m.afterChange()
	}
	return first
}

func (m *Manager) enqueueChange(e *entry, in fileInfo, h *hash, first time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.disabled || m.closed {
		return
	}
	m.forgetRefusal(e)
	m.queue.addChange(&pendingChange{e: e, info: in, hash: h, first: first, whole: time.Now()})
	m.afterChange()
}

// enqueueRemoval tells that the file is gone, if anybody listens for that.
func (m *Manager) enqueueRemoval(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetRefusal(e)
	if e.disabled || m.closed || m.event == nil || e.removalTold || !e.told.fp.exists {
		return
	}
	t := time.Now()
	m.queue.addChange(&pendingChange{e: e, removal: true, first: t, whole: t})
	m.afterChange()
}

func (m *Manager) nothingToTell(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetRefusal(e)
	m.stats.Unchanged++
}

// imageRefused says, once per version, that it is no whole image.
func (m *Manager) imageRefused(e *entry, why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.disabled {
		return
	}
	if !e.refused {
		e.refused = true
		m.stats.IncompleteImages++
	}
	m.healthLocked(HealthImageIncomplete, e.id, e.path, fmt.Sprintf("not delivered, waiting for the next version: %v", why))
}

func (m *Manager) forgetRefusal(e *entry) {
	if e.refused {
		e.refused = false
		m.stats.IncompleteImages--
	}
}

// fileUnreadable says, once, that a plugin's file cannot be read.
func (m *Manager) fileUnreadable(e *entry, why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.disabled || e.unreadable {
		return
	}
	e.unreadable = true
	m.stats.Unreadable++
	var pe *fs.PathError
	if errors.As(why, &pe) {
		why = pe.Err
	}
	m.healthLocked(HealthUnreadable, e.id, e.path, fmt.Sprintf("the file cannot be read, waiting until it can be: %v", why))
}

// fileReadable says that it can be again.
func (m *Manager) fileReadable(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forgetUnreadable(e) {
		m.healthLocked(HealthReadable, e.id, e.path, "the file can be read again")
	}
}

func (m *Manager) forgetUnreadable(e *entry) bool {
	if !e.unreadable {
		return false
	}
	e.unreadable = false
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
	ev.Time = time.Now()
	ev.FirstSeen = ev.Time
	m.queue.addNote(ev)
	m.afterChange()
}

func (m *Manager) publish(watched, polled, settling, writing int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.WatchedDirectories, m.stats.PolledDirectories = watched, polled
	m.stats.Settling, m.stats.BeingWritten = settling, writing
	m.stats.Notifications = m.notifications.Load()
}

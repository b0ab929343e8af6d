// SPDX-License-Identifier: MIT

package engine

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/watch"
)

// CheckNow has a plugin compared with the disk at once, as polling does, whatever its
// directory is watched by. It does not wait for the comparison. What is found changed
// settles as after a notification.
func (m *Engine) CheckNow(id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.enabled(id)
	if err != nil {
		return err
	}
	m.note(p, LogDebug, DecisionNoticed, "the host asks for a check")
	m.compareNow(p.Folder())
	if p.safe != nil {
		for _, l := range p.safe.companions {
			m.compareNow(l.Folder())
		}
	}
	if p.rare != nil && p.rare.marker != nil {
		m.checkMarker(p.rare.marker)
	}
	if w := m.intake.settling[p]; w != nil {
		m.hasten(w)
	}
	m.turn()
	return nil
}

// CheckAllNow is CheckNow for every plugin.
func (m *Engine) CheckAllNow() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return err
	}
	m.intake.set.Folders(m.compareNow)
	var waiting []*work
	for _, w := range m.intake.settling {
		waiting = append(waiting, w)
	}
	for _, w := range waiting {
		m.hasten(w)
	}
	m.turn()
	return nil
}

// compareNow compares a folder with the disk. While that is under way, one more comparison
// follows it, however often this is called.
func (m *Engine) compareNow(f *watch.Folder) {
	if _, underWay := m.intake.polls[f]; underWay {
		m.intake.polls[f] = true
		return
	}
	m.compareWithDisk(f, watch.Differs)
}

// hasten has a file that settles checked from now on, and tried again at once what would be
// tried again later: a file that cannot be read, a version that could not be copied, or that
// lacked a companion file.
func (m *Engine) hasten(w *work) {
	p, s := w.p, w.p.safe
	if w.checking {
		w.epoch++ // it may have read the disk before
		w.signs |= watch.Differs
	}
	switch {
	case w.machine.Settling() && w.machine.IsUnreadable():
		m.notify(p, 0, time.Now())
	case s != nil && s.again > 0 && w.candidate == nil && (p.rare == nil || p.rare.pending == nil):
		m.checkAgain(p, 0)
	}
}

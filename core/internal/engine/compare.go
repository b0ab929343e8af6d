// SPDX-License-Identifier: MIT

package engine

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// compareFolder finds out without notifications what of a folder's plugins has
// changed, and notes signs for them. walk, if it is not nil, finds out first whether the
// folder is another one. It runs on the worker.
func (m *Engine) compareFolder(f *watch.Folder, signs watch.Signs, walk func(at func(string))) {
	type compared struct {
		p     *plugin
		files pluginFiles
		info  fsys.Info
	}
	var all []compared
	var latest *plugin
	turnover := m.intake.set.Turnover()
	f.Leaves(func(l *watch.Leaf) {
		p := m.plugins.of(l)
		if p == nil {
			m.compareMarker(l)
			return
		}
		if p == latest || l != &p.Leaf && p.Folder() == f { // one comparison is for all files of a plugin
			return
		}
		latest = p
		if w := m.intake.settling[p]; w != nil && w.machine.Settling() {
			return
		}
		if files := m.filesOf(p); files.areTogether() {
			all = append(all, compared{p: p, files: files})
		} else {
			m.compareApart(p, signs)
		}
	})
	if len(all) == 0 && walk == nil {
		return
	}
	m.workers.do(m.intake.set.WhereaboutsOf(f), func(at func(string)) {
		if walk != nil {
			walk(at)
		}
		for i := range all {
			all[i].info, _ = m.statFiles(&all[i].files, at) // out of reach differs from any version
		}
		m.step(func() {
			for i := range all {
				m.compared(all[i].p, &all[i].info, signs, turnover)
			}
		})
	})
}

// compareRestored compares a folder whose writes were not notified for a while.
func (m *Engine) compareRestored(f *watch.Folder) {
	e := &m.intake
	f.Leaves(func(l *watch.Leaf) {
		p := m.plugins.of(l)
		if p == nil {
			return
		}
		if w := e.settling[p]; w != nil && w.machine.Settling() {
			w.epoch++ // a check that is under way may have missed what happened before
			w.signs |= watch.Differs
		}
		if id, linked := e.links[p]; linked {
			for _, other := range e.linked[id] {
				if other != p {
					m.compareApart(other, watch.Differs)
				}
			}
		}
	})
	m.compareFolder(f, watch.Differs, nil)
}

// compareApart is compareFolder for one plugin. There is one comparison of it at a
// time, and one that is asked for meanwhile follows.
func (m *Engine) compareApart(p *plugin, signs watch.Signs) {
	if again, underWay := m.intake.apart[p]; underWay {
		m.intake.apart[p] = again | signs
		return
	}
	m.intake.apart[p] = 0
	files, turnover := m.filesOf(p), m.intake.set.Turnover()
	m.workers.do(files.fileAt, func(at func(string)) {
		in, _ := m.statFiles(&files, at)
		m.step(func() {
			again := m.intake.apart[p]
			delete(m.intake.apart, p)
			m.compared(p, &in, signs, turnover)
			if again != 0 && !p.disabled() {
				m.compareApart(p, again)
			}
		})
	})
}

// compared notes signs for a plugin if a comparison has found another file. turnover was
// the set's when the comparison began.
func (m *Engine) compared(p *plugin, in *fsys.Info, signs watch.Signs, turnover uint64) {
	if p.disabled() {
		return
	}
	if m.intake.set.Turnover() != turnover || !m.isOverdue(p, p.hostWillKnow(), in) {
		signs &^= watch.Overdue
	}
	m.noteStaleMount(p, in)
	if m.differs(p, in) || m.isMountedAnew(p, in) {
		m.intake.set.Touch(&p.Leaf, signs)
	}
}

// differs reports whether a file has changed since the last check of it.
func (m *Engine) differs(p *plugin, in *fsys.Info) bool {
	contents := m.opts.IgnoreUnchangedContent
	if w := m.intake.settling[p]; w != nil {
		was := &w.examined
		return !sameVersion(was, in) || ((contents || w.machine.HasRejected()) && in.Changed != was.Changed)
	}
	was, is := p.hostWillKnow(), versionOf(in)
	same := was.Is(is) || in.Remote && was.IsApartFromIdentity(is)
	return !same || (contents && in.Changed != was.Changed)
}

// compareAttributes is for a plugin with safe reload of which nothing was reported
// but that attributes changed, while a version of it is validated or waits for the
// host. If it is still that version, nothing is to be done.
func (m *Engine) compareAttributes(p *plugin) {
	files := m.filesOf(p)
	m.workers.do(m.whereabouts(p), func(at func(string)) {
		in, err := m.statFiles(&files, at)
		m.step(func() {
			if version := m.versionInHand(p); !p.disabled() && (err != nil || !sameVersion(&in, &version)) {
				m.notify(p, watch.Attributes, time.Now())
			}
		})
	})
}

// checkSoon is checkAgain for a file of which a check has found, by itself, that is
// stands where was stood: the notification about that is on its way, and may say that it is
// being written.
func (m *Engine) checkSoon(p *plugin, was, is *fsys.Info) {
	var signs watch.Signs
	if m.isOverdue(p, versionOf(was), is) {
		signs = watch.Overdue
	}
	if p.quiet != noQuiet {
		m.checkAgain(p, signs)
		return
	}
	time.AfterFunc(notificationsWithin, m.timerStep(func() { m.checkAgain(p, signs) }))
}

// checkAgain has a plugin's file checked, unless it is about to be.
func (m *Engine) checkAgain(p *plugin, signs watch.Signs) {
	if w := m.intake.settling[p]; !p.disabled() && (w == nil || !w.machine.Settling()) {
		m.notify(p, signs, time.Now())
	}
}

// notificationsWithin is how long a notification may be on its way.
const notificationsWithin = 10 * time.Millisecond

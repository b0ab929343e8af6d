// SPDX-License-Identifier: MIT

package engine

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/watch"
)

// periodic is a timer for what is done again and again while there is reason to. Idle, it
// does not run.
type periodic struct {
	do    func()
	timer *time.Timer
	runs  bool
}

// want has do called after the interval, or not any more.
func (p *periodic) want(is bool, interval time.Duration) {
	if is == p.runs {
		return
	}
	p.runs = is
	switch {
	case !is:
		p.timer.Stop()
	case p.timer == nil:
		p.timer = time.AfterFunc(interval, p.do)
	default:
		p.timer.Reset(interval)
	}
}

func (p *periodic) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// pollAll compares what sends no notifications.
func (m *Engine) pollAll() {
	e := &m.intake
	e.poll.runs = false
	if s, ok := e.src.Source.(watch.None); ok && s.Err != nil {
		if src, err := m.opts.newSource(); err == nil { // there is room again
			m.dropSource(e.src)
			e.set.NewSource()
			m.useSource(src)
		}
	}
	e.set.PolledFiles(m.pollLeaf)
	for _, f := range e.set.Polled() {
		m.pollFolder(f)
	}
}

// checkSafety compares what notifications may not tell of. It goes on while something can
// change without them.
func (m *Engine) checkSafety() {
	m.intake.safety.runs = false
	m.stats.SafetyChecks++
	m.intake.set.Unreliable(m.pollFolder, m.pollLeaf)
}

// pollFolder compares a folder and what is in it, unless that is being done.
func (m *Engine) pollFolder(f *watch.Folder) {
	if _, underWay := m.intake.polls[f]; !underWay { // otherwise the poll before has not come back
		m.compareWithDisk(f, watch.Differs|watch.Overdue)
	}
}

// compareWithDisk compares a folder, and the files in it, with the disk, and notes signs.
func (m *Engine) compareWithDisk(f *watch.Folder, signs watch.Signs) {
	e := &m.intake
	e.polls[f] = false
	m.listFolder(f)
	m.compareFolder(f, signs, func(at func(string)) {
		w := m.walkTo(f.Dir(), at)
		m.step(func() {
			again := e.polls[f]
			delete(e.polls, f)
			e.set.Compare(f, &w)
			if again {
				m.compareWithDisk(f, watch.Differs)
			}
		})
	})
}

func (m *Engine) pollLeaf(l *watch.Leaf) {
	p := m.plugins.of(l)
	if p == nil {
		m.compareMarker(l)
		return
	}
	if w := m.intake.settling[p]; w == nil || !w.machine.Settling() {
		m.compareApart(p, watch.Differs|watch.Overdue)
	}
}

// SPDX-License-Identifier: MIT

package engine

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/settle"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// A comparison may find a change that a notification ought to have said: the watch may be
// deaf, or the notification may still be on its way. So there is doubt for a while, which
// any notification about the file ends, and anything else that explains the change.

// doubt is that a change of a plugin's file was found, but not notified.
type doubt struct {
	ticks int
}

const (
	// doubtTick and doubtTicks: a notification may be late by all ticks together. There
	// are several, because a process that was stopped finds one timer expired before it
	// reads its notifications.
	doubtTick  = 500 * time.Millisecond
	doubtTicks = 4
)

// explained are the signs by which a change is known otherwise than from a comparison.
const explained = watch.Replaced | watch.Written | watch.Closed | watch.Attributes | watch.Lost | watch.Remounted

// explain ends the doubt about a plugin's file, if signs explain a change of it.
func (m *Engine) explain(w *work, signs watch.Signs) {
	switch {
	case signs&explained != 0 || signs&(watch.Differs|watch.Overdue) == watch.Differs:
		w.explained = true
		delete(m.intake.doubts, w.p)
	case signs&watch.Overdue != 0:
		w.overdue = true
	}
}

// isOverdue reports whether it ought to have been notified that in stands where was stood.
// A write need not be, on most file systems: that of a program that maps the file is not.
func (m *Engine) isOverdue(p *plugin, was settle.Version, in *fsys.Info) bool {
	set := m.intake.set
	another := was.Fingerprint[0] != versionOf(in).Fingerprint[0]
	return set.IsNotified(&p.Leaf) && (another || set.IsUnreliable(&p.Leaf))
}

// doubt begins the doubt about a plugin's watch if the change that was decided on ought
// to have been notified. A writer that writes under another name of the file is not.
func (m *Engine) doubt(c *check, d settle.Decision) {
	w, p := c.work, c.work.p
	if !w.overdue || w.explained || c.info.Linked || d != settle.Deliver && d != settle.Removed {
		return
	}
	if m.intake.doubts == nil {
		m.intake.doubts = map[*plugin]*doubt{}
	}
	b := &doubt{}
	m.intake.doubts[p] = b
	m.pursue(p, b)
}

// pursue lets time pass, and then distrusts the plugin's watch if nothing has explained the
// change.
func (m *Engine) pursue(p *plugin, b *doubt) {
	time.AfterFunc(doubtTick, m.timerStep(func() {
		e := &m.intake
		if e.doubts[p] != b {
			return
		}
		if b.ticks++; b.ticks < doubtTicks || len(e.src.Events()) > 0 {
			m.pursue(p, b)
			return
		}
		delete(e.doubts, p)
		if p.disabled() || !e.set.IsNotified(&p.Leaf) {
			return
		}
		m.stats.Missed++
		if path, polling := e.set.Distrust(&p.Leaf); !polling {
			m.healthLocked(HealthMissed, p.id, path, "a change was found that no notification reported; its watch is asked for anew")
		}
	}))
}

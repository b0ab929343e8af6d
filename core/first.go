package core

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// This file is how the loop takes up plugins that were enabled. First it watches
// their directories, so that no later change goes unheard. Then it looks at each
// file once: it may have changed between what Enable saw and the watching, and
// somebody may hold it open for writing. While many are being enabled that look
// waits for a pause, or it would slow down who enables them. A plugin that is
// heard of meanwhile is looked at like any other.

const (
	// pause is how long none must have been enabled for looks to begin.
	pause = time.Millisecond
	// patience is how long looks wait for a pause.
	patience = 250 * time.Millisecond
)

// newcomers are plugins before their first look.
type newcomers struct {
	waiting []*entry  // in the order of enabling; nil where one was disabled
	placed  int       // how many of these, from the first, are watched
	owed    int       // how many have their look without waiting for a pause
	latest  time.Time // when the last of them came
	since   time.Time // when those that wait for a pause began to
	coming  bool      // more are expected, and asked for without being woken
}

// expecting reports whether those that come now are likely to be followed by more.
func (n *newcomers) expecting(now time.Time) bool {
	return len(n.waiting) > 0 || now.Sub(n.latest) < pause
}

// arrive takes over those that came.
func (n *newcomers) arrive(added []*entry, now time.Time) {
	n.coming = len(added) > 0 && n.expecting(now)
	if len(added) == 0 {
		return
	}
	n.latest = now
	if !n.coming {
		n.owed = len(added)
	}
	if len(n.waiting) > 0 {
		n.waiting = append(n.waiting, added...)
	} else {
		n.waiting, n.since = added, now
	}
}

// ready is how many have their look now.
func (n *newcomers) ready(now time.Time) int {
	if n.owed == 0 {
		if now.Sub(n.latest) >= pause {
			return n.placed
		}
		if now.Sub(n.since) >= patience {
			n.owed = n.placed
		}
	}
	return min(n.owed, n.placed)
}

// looked notes that so many have had it.
func (n *newcomers) looked(count int) {
	if n.owed > 0 {
		if n.owed -= count; n.owed == 0 {
			n.since = time.Now()
		}
	}
	n.placed -= count
	if n.waiting = n.waiting[count:]; len(n.waiting) == 0 {
		n.waiting = nil
	}
}

// due is when they need the loop again; zero if they do not.
func (n *newcomers) due() time.Time {
	switch {
	case n.placed < len(n.waiting) || n.owed > 0:
		return n.latest // at once
	case n.placed > 0 || n.coming:
		return n.latest.Add(pause)
	}
	return time.Time{}
}

// first takes up some of the plugins that were enabled.
func (l *loop) first() {
	for range 8 {
		if simple := l.place(); !simple {
			break
		}
	}
	n := min(l.ready(time.Now()), slice)
	for _, e := range l.waiting[:n] {
		if e != nil && e.state&unseen != 0 && !l.asEnabled(e) {
			l.firstLook(e)
		}
	}
	l.looked(n)
	l.turnover += n
	l.deliver()
}

// place watches the directories of some newcomers. It reports whether there are
// more, and these took next to no time.
func (l *loop) place() (simple bool) {
	some := l.waiting[l.placed:min(l.placed+slice, len(l.waiting))]
	if len(some) == 0 {
		return false
	}
	l.m.dropDisabled(some)
	simple = true
	for _, e := range some {
		switch {
		case e == nil:
		case e.safe() != nil || e.state&untold != 0:
			l.firstLook(e)
			simple = false
		default:
			simple = !l.ws.place(e) && simple
			e.state |= watching | unseen
		}
	}
	l.placed += len(some)
	return simple
}

// asEnabled is the first look at what most are: a plain file that nobody writes
// and that is what Enable saw.
func (l *loop) asEnabled(e *entry) bool {
	if l.contents() || l.ws.remote(e) {
		return false
	}
	at := l.at(e)
	if in, err := l.disk.Lstat(at); err != nil || in.Kind != fsys.Regular {
		return false
	}
	writer, in, err := l.m.opts.writerOf(at)
	// Before its first look nobody else changes what is told.
	if err != nil || in.Kind != fsys.Regular || in.Linked || writer == fsys.HasWriter || versionOf(&in) != e.told {
		return false
	}
	e.state &^= unseen
	l.m.unchanged.Add(1)
	return true
}

// firstLook compares with what Enable saw: a change since then, or a file that
// was being written, is told.
func (l *loop) firstLook(e *entry) {
	w := l.begin(e)
	w.examined, w.seen = l.watch(e)
	now := time.Now()
	w.machine.Enable(e.state&untold != 0, now)
	e.state &^= untold | unseen
	l.look(w, now)
}

// SPDX-License-Identifier: MIT

package engine

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/settle"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// queue holds what waits to be delivered: notes in the order in which they were
// made, of those about one subject only the latest, and at most one change per
// plugin. However long a host does not ask, it stays bounded. Both lines carry a
// common number, so that a plugin's Enabled comes before its changes and its
// Disabled after.
type queue struct {
	number  uint64
	notes   line[*note]
	latest  map[topic]*note // of the notes that wait
	most    int             // topics that latest has held since it was made
	unheard []*note         // Disabled, whose Enabled waits as well, oldest first
	changes line[*pendingChange]
}

// manyTopics is how many a map of topics may hold without being made anew once it is
// empty: a map does not shrink.
const manyTopics = 64

// maxUnheard is how many plugins may wait that were enabled and disabled again
// without the host having heard of either. Beyond that the oldest is forgotten:
// nothing is left of it.
const maxUnheard = 256

// note is an event other than a change.
type note struct {
	number    uint64
	event     Event
	enabled   *note // of a Disabled that is unheard
	withdrawn bool
	delivered bool
}

func (n *note) gone() bool { return n.withdrawn }

func (n *note) waits() bool { return n != nil && !n.withdrawn && !n.delivered }

// topic is what a note is about: a later note about the same one supersedes it.
type topic struct {
	kind     Kind
	code     HealthCode
	id, path string
}

func topicOf(ev *Event) topic {
	s := topic{kind: ev.Kind, id: ev.ID}
	if ev.Kind == Health {
		s.code, s.path = ev.Health, ev.Path
		switch ev.Health {
		case HealthWatching:
			s.code = HealthPolling
		case HealthReadable:
			s.code = HealthUnreadable
		}
	}
	return s
}

// pendingChange is a change, or removal, that waits to be delivered. It owns its
// snapshot.
type pendingChange struct {
	number   uint64
	p        *plugin   // nil once it was taken back
	info     fsys.Info // the version
	hash     *fsys.Hash
	removal  bool
	first    time.Time // first notification of the change
	complete time.Time // when it was found complete
	checking bool      // its file is being checked once more
	late     bool      // that check has not come back in time
	snap     *snapshot // with safe reload: what the host will load
	payload  fsys.Info
}

func (c *pendingChange) gone() bool { return c.p == nil }

func (q *queue) pending() int { return q.notes.live + q.changes.live }

func (q *queue) addNote(ev Event) {
	q.number++
	n := &note{number: q.number, event: ev}
	about := topicOf(&ev)
	switch ev.Kind {
	case Enabled:
		// Enabled once more, without the host having heard of the time before.
		if d := q.latest[topic{kind: Disabled, id: ev.ID}]; d != nil && d.enabled.waits() {
			q.withdraw(d.enabled)
			q.withdraw(d)
		}
	case Disabled:
		q.dropNotes(&ev)
		if e := q.latest[topic{kind: Enabled, id: ev.ID}]; e != nil {
			n.enabled = e
			q.unheard = append(q.unheard, n)
			q.boundUnheard()
		}
	default:
		q.withdraw(q.latest[about])
	}
	if q.latest == nil {
		q.latest = map[topic]*note{}
	}
	q.latest[about] = n
	q.most = max(q.most, len(q.latest))
	q.notes.push(n)
}

// withdraw takes back a note that waits; n may be nil.
func (q *queue) withdraw(n *note) {
	if !n.waits() {
		return
	}
	n.withdrawn = true
	q.forget(n)
	q.notes.withdraw()
}

func (q *queue) forget(n *note) {
	if about := topicOf(&n.event); q.latest[about] == n {
		delete(q.latest, about)
	}
	if len(q.latest) == 0 && q.most > manyTopics {
		q.latest, q.most = nil, 0 // a map does not shrink
	}
}

// boundUnheard forgets the oldest plugin that came and went unheard, if these are
// too many.
func (q *queue) boundUnheard() {
	if len(q.unheard) <= maxUnheard {
		return
	}
	d := q.unheard[0]
	q.unheard[0] = nil
	q.unheard = q.unheard[1:]
	if d.waits() && d.enabled.waits() {
		q.withdraw(d.enabled)
		q.withdraw(d)
	}
}

// dropNotes takes back what waits to be said of a plugin that is disabled.
func (q *queue) dropNotes(disabled *Event) {
	for _, kind := range []Kind{Rejected, Rollback} {
		q.withdraw(q.latest[topic{kind: kind, id: disabled.ID}])
	}
	for _, code := range []HealthCode{HealthImageIncomplete, HealthUnreadable, HealthSnapshotFailed, HealthNoReport} {
		q.withdraw(q.latest[topic{Health, code, disabled.ID, disabled.Path}])
	}
}

func (q *queue) clearNotes() { q.notes, q.latest, q.most, q.unheard = line[*note]{}, nil, 0, nil }

func (q *queue) addChange(c *pendingChange) {
	q.number++
	c.number = q.number
	c.p.state().pending = c
	q.changes.push(c)
}

// takeBack removes an entry's change, if one waits.
func (q *queue) takeBack(p *plugin) *pendingChange {
	if p.rare == nil || p.rare.pending == nil {
		return nil
	}
	c := p.rare.pending
	p.rare.pending, c.p = nil, nil
	p.tidy()
	q.changes.withdraw()
	return c
}

// front is what is to be delivered next, from the lines that are open: a note, a
// change, or neither.
func (q *queue) front(notes, changes bool) (*note, *pendingChange) {
	notes, changes = notes && q.notes.live > 0, changes && q.changes.live > 0
	if notes && changes {
		notes = q.notes.front().number < q.changes.front().number
	}
	switch {
	case notes:
		return q.notes.front(), nil
	case changes:
		return nil, q.changes.front()
	}
	return nil, nil
}

// popNote removes the note in front.
func (q *queue) popNote() Event {
	n := q.notes.pop()
	n.delivered = true
	q.forget(n)
	return n.event
}

// popChange removes the change in front.
func (q *queue) popChange() {
	c := q.changes.pop()
	c.p.rare.pending = nil
	c.p.tidy()
}

// withdraw remembers a complete version that is not delivered because its file
// may have changed.
func (p *plugin) withdraw(in *fsys.Info) {
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

func (q *queue) clear() { *q = queue{number: q.number} }

// line is a first-in, first-out queue whose items may be withdrawn. In front is
// always one that was not.
type line[T interface{ gone() bool }] struct {
	items []T
	head  int
	live  int // not withdrawn
}

func (l *line[T]) front() T { return l.items[l.head] }

func (l *line[T]) push(x T) {
	l.items = append(l.items, x)
	l.live++
}

func (l *line[T]) pop() T {
	x := l.items[l.head]
	l.live--
	l.advance()
	l.tidy()
	return x
}

// withdraw notes that an item is gone.
func (l *line[T]) withdraw() {
	l.live--
	l.tidy()
}

func (l *line[T]) advance() {
	var zero T
	l.items[l.head] = zero
	l.head++
}

// tidy drops what is gone: in front at once, the rest when it is the most.
func (l *line[T]) tidy() {
	for l.head < len(l.items) && l.items[l.head].gone() {
		l.advance()
	}
	if len(l.items) < 64 && l.live > 0 || len(l.items) <= 2*l.live {
		return
	}
	kept := l.items[:0]
	for _, x := range l.items[l.head:] {
		if !x.gone() {
			kept = append(kept, x)
		}
	}
	clear(l.items[len(kept):])
	if len(kept) == 0 && cap(kept) > manyTopics {
		kept = nil
	}
	l.items, l.head = kept, 0
}

// SPDX-License-Identifier: MIT

package deliver

// Change is a change of a plugin's file that waits to be delivered. Its type embeds
// [Place].
type Change interface {
	comparable
	place() *Place
	Disabled() bool // its plugin is not enabled any more
	Paused() bool   // its plugin is paused
}

// Place is where something stands in a queue.
type Place struct {
	number    uint64
	withdrawn bool
	taken     bool
	held      bool // apart from the queue: its plugin is paused
}

func (p *Place) place() *Place { return p }

// Withdrawn reports whether this must not be delivered any more.
func (p *Place) Withdrawn() bool { return p.withdrawn }

// queue holds what waits to be delivered: notes in the order in which they were
// made, and of those about one subject only the latest; changes, of which its user
// adds at most one for each plugin. However long a host does not ask, it stays
// bounded. Both lines share one numbering, so that a plugin's Enabled comes before its
// changes and its Disabled after.
type queue[C Change] struct {
	number  uint64
	notes   line[*note]
	latest  map[topic]*note // of the notes that wait
	most    int             // topics that latest has held since it was made
	unheard []*note         // Disabled, whose Enabled waits as well, oldest first
	changes line[C]
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
	Place
	event   Event
	enabled *note // of a Disabled that is unheard
}

func (n *note) waits() bool { return n != nil && !n.withdrawn && !n.taken }

// topic is what a note is about: a later note about the same one supersedes it.
type topic struct {
	kind     Kind
	code     HealthCode
	id, path string
}

func topicOf(ev *Event) topic {
	s := topic{kind: ev.Kind, id: ev.ID}
	switch ev.Kind {
	case Discovered: // as Enabled, of a plugin that a folder has found
		s.kind = Enabled
	case Health:
		s.code, s.path = ev.Health, ev.Path
		switch ev.Health {
		case HealthWatching:
			s.code = HealthPolling
		case HealthReadable:
			s.code = HealthUnreadable
		case HealthFolderReadable:
			s.code = HealthFolderUnreadable
		}
	}
	return s
}

func (q *queue[C]) pending() int { return q.notes.live + q.changes.live }

func (q *queue[C]) addNote(ev Event) {
	q.number++
	n := &note{Place: Place{number: q.number}, event: ev}
	about := topicOf(&ev)
	switch ev.Kind {
	case Enabled, Discovered:
		// Enabled once more, without the host having heard of the time before.
		if d := q.latest[topic{kind: Disabled, id: ev.ID}]; d != nil && d.enabled.waits() {
			q.withdrawNote(d.enabled)
			q.withdrawNote(d)
		}
	case Disabled:
		q.dropNotes(&ev)
		if e := q.latest[topic{kind: Enabled, id: ev.ID}]; e != nil {
			n.enabled = e
			q.unheard = append(q.unheard, n)
			q.boundUnheard()
		}
	default:
		if old := q.latest[about]; old.waits() {
			n.event.Failed = max(n.event.Failed, old.event.Failed)
		}
		q.withdrawNote(q.latest[about])
	}
	if q.latest == nil {
		q.latest = map[topic]*note{}
	}
	q.latest[about] = n
	q.most = max(q.most, len(q.latest))
	q.notes.push(n)
}

// withdrawNote withdraws a note, if it waits; n may be nil.
func (q *queue[C]) withdrawNote(n *note) {
	if !n.waits() {
		return
	}
	q.forget(n)
	q.notes.withdraw(n)
}

func (q *queue[C]) forget(n *note) {
	if about := topicOf(&n.event); q.latest[about] == n {
		delete(q.latest, about)
	}
	if len(q.latest) == 0 && q.most > manyTopics {
		q.latest, q.most = nil, 0 // a map does not shrink
	}
}

// boundUnheard forgets the oldest plugin that came and went unheard, if these are
// too many.
func (q *queue[C]) boundUnheard() {
	if len(q.unheard) <= maxUnheard {
		return
	}
	d := q.unheard[0]
	q.unheard[0] = nil
	q.unheard = q.unheard[1:]
	if d.waits() && d.enabled.waits() {
		q.withdrawNote(d.enabled)
		q.withdrawNote(d)
	}
}

// dropNotes withdraws the notes about a plugin that is disabled.
func (q *queue[C]) dropNotes(disabled *Event) {
	for _, kind := range []Kind{Rejected, Rollback} {
		q.withdrawNote(q.latest[topic{kind: kind, id: disabled.ID}])
	}
	for _, code := range []HealthCode{HealthImageIncomplete, HealthUnreadable, HealthSnapshotFailed, HealthNoReport} {
		q.withdrawNote(q.latest[topic{Health, code, disabled.ID, disabled.Path}])
	}
}

func (q *queue[C]) clearNotes() { q.notes, q.latest, q.most, q.unheard = line[*note]{}, nil, 0, nil }

func (q *queue[C]) addChange(c C) {
	q.number++
	*c.place() = Place{number: q.number}
	q.changes.push(c)
}

// noteFirst reports whether a note is the next of the lines that are open, one of
// which has something.
func (q *queue[C]) noteFirst(notes, changes bool) bool {
	notes, changes = notes && q.notes.live > 0, changes && q.changes.live > 0
	return notes && (!changes || q.notes.front().number < q.changes.front().place().number)
}

func (q *queue[C]) takeNote() Event {
	n := q.notes.pop()
	q.forget(n)
	return n.event
}

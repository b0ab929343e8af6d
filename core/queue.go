package core

import "time"

// queue holds what waits to be delivered: notes in the order in which they were
// made, of those about one state of health only the latest, and at most one
// change per plugin. However long a host does not ask, it stays bounded. Both
// lines carry a common number, so that a plugin's Enabled comes before its
// changes and its Disabled after.
type queue struct {
	number  uint64
	notes   line[*note]
	health  map[condition]*note
	changes line[*pendingChange]
}

// note is an event other than a change.
type note struct {
	number uint64
	event  Event
	stale  bool // a later one says how it is now
}

func (n *note) gone() bool { return n.stale }

// condition is what health events are about: those about the same one supersede
// each other.
type condition struct {
	code     HealthCode
	id, path string
}

func conditionOf(ev Event) condition {
	c := condition{ev.Health, ev.ID, ev.Path}
	switch ev.Health {
	case HealthWatching:
		c.code = HealthPolling
	case HealthReadable:
		c.code = HealthUnreadable
	}
	return c
}

// pendingChange is a change, or removal, that waits to be told.
type pendingChange struct {
	number  uint64
	e       *entry   // nil once it was taken back
	info    fileInfo // the version
	hash    *hash
	removal bool
	first   time.Time // first sign of the change
	whole   time.Time // when it was found complete
	snap    *snapshot // with safe reload: what the host will load
	payload fileInfo
}

func (c *pendingChange) gone() bool { return c.e == nil }

func (q *queue) pending() int { return q.notes.live + q.changes.live }

func (q *queue) addNote(ev Event) {
	q.number++
	n := &note{number: q.number, event: ev}
	if ev.Kind == Health {
		c := conditionOf(ev)
		if old := q.health[c]; old != nil {
			old.stale = true
			q.notes.withdraw()
		}
		if q.health == nil {
			q.health = map[condition]*note{}
		}
		q.health[c] = n
	}
	q.notes.push(n)
}

func (q *queue) clearNotes() { q.notes, q.health = line[*note]{}, nil }

func (q *queue) addChange(c *pendingChange) {
	q.number++
	c.number = q.number
	c.e.aside().pending = c
	q.changes.push(c)
}

// takeBack removes an entry's change, if one waits.
func (q *queue) takeBack(e *entry) *pendingChange {
	if e.more == nil || e.more.pending == nil {
		return nil
	}
	c := e.more.pending
	e.more.pending, c.e = nil, nil
	e.tidy()
	q.changes.withdraw()
	return c
}

// next removes what is to be delivered next, from the lines that are open.
func (q *queue) next(notes, changes bool) (ev Event, c *pendingChange, ok bool) {
	notes, changes = notes && q.notes.live > 0, changes && q.changes.live > 0
	if notes && changes {
		notes = q.notes.front().number < q.changes.front().number
	}
	switch {
	case notes:
		n := q.notes.pop()
		if n.event.Kind == Health {
			delete(q.health, conditionOf(n.event))
		}
		return n.event, nil, true
	case changes:
		c = q.changes.pop()
		c.e.more.pending = nil
		c.e.tidy()
		return Event{}, c, true
	}
	return Event{}, nil, false
}

// withdraw remembers a complete version that is not delivered because its file
// may have changed.
func (e *entry) withdraw(in *fileInfo) {
	if in.fp.exists {
		e.aside().withdrawn = versionOf(in)
	}
}

// supersede counts the version that was withdrawn if the file has settled as
// another one. The same one, after a chmod say, is not superseded.
func (s *Stats) supersede(e *entry, now *fileInfo) {
	if e.more == nil || !e.more.withdrawn.exists() {
		return
	}
	if !e.more.withdrawn.is(now) {
		s.Superseded++
	}
	e.more.withdrawn = version{}
	e.tidy()
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
	l.items, l.head = kept, 0
}

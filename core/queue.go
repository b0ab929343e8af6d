package core

import "time"

// queue holds what waits to be delivered: notes in the order in which they were
// made, and at most one change per plugin. Both lines carry a common number, so
// that a plugin's Enabled comes before its changes and its Disabled after.
type queue struct {
	number  uint64
	notes   line[note]
	changes line[*pendingChange]
	live    int // changes not taken back
}

// note is an event other than a change.
type note struct {
	number uint64
	event  Event
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

func (q *queue) pending() int { return q.notes.len() + q.live }

func (q *queue) addNote(ev Event) {
	q.number++
	q.notes.push(note{q.number, ev})
}

func (q *queue) addChange(c *pendingChange) {
	q.number++
	c.number = q.number
	c.e.pending = c
	q.changes.push(c)
	q.live++
}

// takeBack removes an entry's change, if one waits.
func (q *queue) takeBack(e *entry) *pendingChange {
	c := e.pending
	if c == nil {
		return nil
	}
	e.pending, c.e = nil, nil
	q.live--
	q.skipTakenBack()
	return c
}

// next removes what is to be delivered next, from the lines that are open.
func (q *queue) next(notes, changes bool) (ev Event, c *pendingChange, ok bool) {
	notes, changes = notes && q.notes.len() > 0, changes && q.live > 0
	if notes && changes {
		notes = q.notes.front().number < q.changes.front().number
	}
	switch {
	case notes:
		return q.notes.pop().event, nil, true
	case changes:
		c = q.changes.pop()
		q.live--
		c.e.pending = nil
		q.skipTakenBack()
		return Event{}, c, true
	}
	return Event{}, nil, false
}

// skipTakenBack keeps a live change in front, and the line as short as it can.
func (q *queue) skipTakenBack() {
	for q.changes.len() > 0 && q.changes.front().e == nil {
		q.changes.pop()
	}
}

func (q *queue) clear() { *q = queue{number: q.number} }

// line is a first-in, first-out queue.
type line[T any] struct {
	items []T
	head  int
}

func (l *line[T]) len() int { return len(l.items) - l.head }
func (l *line[T]) front() T { return l.items[l.head] }
func (l *line[T]) push(x T) { l.items = append(l.items, x) }
func (l *line[T]) pop() T {
	var zero T
	x := l.items[l.head]
	l.items[l.head] = zero
	l.head++
	switch {
	case l.head == len(l.items):
		l.items, l.head = l.items[:0], 0
	case l.head >= 64 && l.head*2 >= len(l.items):
		n := copy(l.items, l.items[l.head:])
		clear(l.items[n:])
		l.items, l.head = l.items[:n], 0
	}
	return x
}

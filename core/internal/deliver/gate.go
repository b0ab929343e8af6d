// SPDX-License-Identifier: MIT

package deliver

// Gate is what everything passes that is delivered. It takes nothing once it is
// closed, no change of a disabled plugin, and no event that nobody listens to. While
// it is paused, or no callback is set, changes wait. Those of a plugin that is itself
// paused wait apart, so that they are in no other one's way.
//
// Its user holds one lock over every call.
type Gate[C Change] struct {
	Event  *Slot[func(Event)]
	Reload *Slot[func(id string)]
	Wakeup *Slot[func()]

	// Announce, if set, is called whenever something new may have to be delivered. It
	// has waiting deliveries go on, and wakes the host if the gate says so (MustWake).
	Announce func()

	queue  queue[C]
	jobs   []func()       // of the host, run where it is delivered to
	held   map[C]struct{} // changes of paused plugins; nil if there are none
	closed bool
	paused bool
	failed bool // the engine's state is in doubt
	woken  bool // the host knows that something waits
}

// Admits reports whether a change may be delivered, now or when the gate opens.
func (g *Gate[C]) Admits(c C) bool { return !g.closed && !c.Disabled() }

// PutChange has a change delivered. If it reports false, the gate did not take it.
func (g *Gate[C]) PutChange(c C) bool {
	if !g.Admits(c) {
		return false
	}
	if c.Paused() {
		g.hold(c)
		return true
	}
	g.queue.addChange(c)
	g.announce()
	return true
}

// hold keeps a change of a paused plugin. When the plugin is resumed, its user withdraws
// the change and puts a new one.
func (g *Gate[C]) hold(c C) {
	*c.place() = Place{held: true}
	if g.held == nil {
		g.held = map[C]struct{}{}
	}
	g.held[c] = struct{}{}
}

// PutEvent has an event that is no change delivered. It supersedes what waits about
// the same subject.
func (g *Gate[C]) PutEvent(ev Event) {
	if g.Event == nil || g.closed {
		return
	}
	g.queue.addNote(ev)
	g.announce()
}

// PutJob has a function of the host run where the host is delivered to. If it
// reports false, the gate did not take it. A job waits for nothing but its turn.
func (g *Gate[C]) PutJob(f func()) bool {
	if g.closed {
		return false
	}
	g.jobs = append(g.jobs, f)
	g.announce()
	return true
}

// TakeJob removes the next job; nil if there is none.
func (g *Gate[C]) TakeJob() (f func()) {
	if len(g.jobs) > 0 {
		f = g.jobs[0]
		g.jobs[0] = nil
		g.jobs = g.jobs[1:]
	}
	return f
}

// Jobs is how many jobs wait.
func (g *Gate[C]) Jobs() int { return len(g.jobs) }

// Withdraw takes back a change that waits.
func (g *Gate[C]) Withdraw(c C) {
	if !c.place().held {
		g.queue.changes.withdraw(c)
		return
	}
	*c.place() = Place{withdrawn: true}
	if delete(g.held, c); len(g.held) == 0 {
		g.held = nil // a map does not shrink
	}
}

// Changes calls f with each change that waits. f must not change the gate.
func (g *Gate[C]) Changes(f func(C)) {
	g.queue.changes.all(f)
	for c := range g.held {
		f(c)
	}
}

// Pending is how many changes and events wait.
func (g *Gate[C]) Pending() int { return g.queue.pending() + len(g.held) }

// Ready reports whether something waits that may be delivered now.
func (g *Gate[C]) Ready() bool {
	return len(g.jobs) > 0 || g.eventsOpen() && g.queue.notes.live > 0 || g.ChangesOpen() && g.queue.changes.live > 0
}

func (g *Gate[C]) eventsOpen() bool { return !g.closed && g.Event != nil }

// ChangesOpen reports whether changes may be delivered now.
func (g *Gate[C]) ChangesOpen() bool {
	return !g.closed && !g.paused && !g.failed && (g.Event != nil || g.Reload != nil)
}

// Next returns the change that is delivered next, which stays in the queue until
// [Gate.TakeChange]; false if it is an event. The gate is ready.
func (g *Gate[C]) Next() (c C, isChange bool) {
	if g.queue.noteFirst(g.eventsOpen(), g.ChangesOpen()) {
		return c, false
	}
	return g.queue.changes.front(), true
}

// Behind visits up to n changes that wait behind the first one.
func (g *Gate[C]) Behind(first C, n int, visit func(C)) {
	g.queue.changes.next(n+1, func(c C) {
		if c != first {
			visit(c)
		}
	})
}

// TakeEvent removes the event that Next said is delivered next.
func (g *Gate[C]) TakeEvent() Event { return g.queue.takeNote() }

// TakeChange removes the change that Next returned.
func (g *Gate[C]) TakeChange() { g.queue.changes.pop() }

// Pause holds changes back, or lets them go on. Events pass all the same.
func (g *Gate[C]) Pause(on bool) {
	g.paused = on
	g.announce()
}

// Paused reports whether changes are held back.
func (g *Gate[C]) Paused() bool { return g.paused }

// Fail ends the delivery of changes after a fault. Events pass all the same.
func (g *Gate[C]) Fail() {
	g.failed = true
	g.announce()
}

// CallbacksChanged follows every change of the gate's slots.
func (g *Gate[C]) CallbacksChanged() {
	if g.Event == nil {
		g.queue.clearNotes() // nobody listens
	}
	g.woken = false
	g.announce()
}

// Close drops what waits and takes nothing any more. The slots are the caller's.
func (g *Gate[C]) Close() {
	g.closed = true
	g.queue, g.jobs, g.held = queue[C]{}, nil, nil
	g.announce()
}

// MustWake reports whether something waits that the host has not been woken for.
func (g *Gate[C]) MustWake() bool { return g.Wakeup != nil && !g.woken && g.Ready() }

// Wake returns the wakeup callback, held, if the host must be woken, else nil.
// From then on the host knows.
func (g *Gate[C]) Wake() *Slot[func()] {
	if !g.MustWake() {
		return nil
	}
	g.woken = true
	return g.Wakeup.Hold()
}

// Asked notes that the host asks for what waits: it is woken for what is left.
func (g *Gate[C]) Asked() { g.woken = false }

func (g *Gate[C]) announce() {
	if g.Announce != nil {
		g.Announce()
	}
}

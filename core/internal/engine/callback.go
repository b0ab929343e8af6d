// SPDX-License-Identifier: MIT

package engine

import "runtime"

// slot holds a registered callback until the last call that could see it has
// returned, and then runs its release function, once.
type slot[F any] struct {
	fn F
	life
}

// life is what slots of all kinds of functions have in common.
type life struct {
	release  func()
	refs     int // behind Engine.mu: the registration, and each call under way
	released bool
}

// hold keeps the slot alive over a call; the caller holds Engine.mu.
func (s *slot[F]) hold() *slot[F] {
	if s != nil {
		s.refs++
	}
	return s
}

// done is life's, of a slot that may be nil.
func (s *slot[F]) done(m *Engine) {
	if s != nil {
		s.life.done(m)
	}
}

// done gives one reference back; the caller does not hold Engine.mu.
func (s *life) done(m *Engine) {
	m.mu.Lock()
	s.refs--
	last := s.refs == 0
	m.mu.Unlock()
	if !last {
		return
	}
	if s.release != nil {
		m.guard("a release function", s.release)
	}
	m.mu.Lock()
	s.released = true
	m.changed.Broadcast()
	m.mu.Unlock()
}

// SetReloadCallback sets the function that is called when a plugin needs
// reloading; nil removes it. While neither this nor an event callback is set,
// changes stay pending. release, if not nil, runs exactly once: after the last
// call of fn, also if this fails. The former function is not running any more
// when this returns, except if it is the caller.
func (m *Engine) SetReloadCallback(fn func(id string), release func()) error {
	return setSlot(m, &m.reload, fn, fn == nil, release, nil)
}

// SetEventCallback sets the function that receives every event, a change just
// before the reload callback does; otherwise as SetReloadCallback.
func (m *Engine) SetEventCallback(fn func(Event), release func()) error {
	return setSlot(m, &m.event, fn, fn == nil, release, nil)
}

// SetWakeup sets a function that is called when Dispatch has something to
// deliver: once, until Dispatch has been called. It runs on a goroutine of the
// manager and should only signal; Dispatch returns 0 inside it. Otherwise as SetReloadCallback.
func (m *Engine) SetWakeup(fn func(), release func()) error {
	var err error
	if m.opts.Dispatch != DispatchManual {
		err = fail(ErrNotSupported, "this manager delivers on its own thread and wakes nobody; create it with manual dispatch")
	}
	return setSlot(m, &m.wakeup, fn, fn == nil, release, err)
}

func setSlot[F any](m *Engine, at **slot[F], fn F, none bool, release func(), err error) error {
	s := &slot[F]{fn, life{release: release, refs: 1}}
	return m.exchange(&s.life, none, err, func() (old *life) {
		if *at != nil {
			old = &(*at).life
		}
		*at = s
		if none {
			*at = nil
		}
		return old
	})
}

// exchange puts a slot where another may be, unless err says why not.
func (m *Engine) exchange(s *life, none bool, err error, put func() (old *life)) error {
	m.mu.Lock()
	if err == nil {
		err = m.usable()
	}
	if err != nil {
		m.mu.Unlock()
		s.done(m)
		return err
	}
	old := put()
	if m.event == nil {
		m.queue.clearNotes()
	}
	m.poked = false
	m.afterChange()
	m.finish()
	m.mu.Unlock()
	if none {
		s.done(m)
	}
	if old != nil {
		old.done(m)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.awaitLocked(func() bool { return old.released })
	}
	return nil
}

// wakeHost calls the wakeup callback if the host does not know yet that
// something waits. Calls do not overlap; each is inside a callback.
func (m *Engine) wakeHost() {
	m.wakeups.Lock()
	defer m.wakeups.Unlock()
	m.mu.Lock()
	if !m.mustWakeLocked() {
		m.mu.Unlock()
		return
	}
	m.poked = true
	s := m.wakeup.hold()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m.waking = &run{thread: threadID()}
	m.mu.Unlock()
	m.guard("the wakeup callback", s.fn)
	s.done(m)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waking = nil
}

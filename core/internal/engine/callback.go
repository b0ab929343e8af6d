// SPDX-License-Identifier: MIT

package engine

import "github.com/qtforge/hotreload/core/internal/deliver"

// SetReloadCallback sets the function that is called when a plugin needs
// reloading; nil removes it. While neither this nor an event callback is set,
// changes stay pending. release, if not nil, runs exactly once: after the last
// call of fn, also if this fails. The former function is not running any more
// when this returns, except if it is the caller.
func (m *Engine) SetReloadCallback(fn func(id string), release func()) error {
	return setSlot(m, &m.gate.Reload, fn, fn == nil, release, nil, nil)
}

// SetEventCallback sets the function that receives every event, a change just
// before the reload callback does; otherwise as SetReloadCallback.
func (m *Engine) SetEventCallback(fn func(Event), release func()) error {
	return setSlot(m, &m.gate.Event, fn, fn == nil, release, nil, nil)
}

// SetWakeup sets a function that is called when Dispatch has something to
// deliver: once, until Dispatch has been called. It runs on a goroutine of the
// manager and should only signal: calls do not overlap, and Close waits. Dispatch
// returns 0 inside it. Otherwise as SetReloadCallback.
func (m *Engine) SetWakeup(fn func(), release func()) error {
	var err error
	if m.opts.Dispatch != DispatchManual {
		err = fail(ErrNotSupported, "this manager delivers on its own thread and wakes nobody; create it with manual dispatch")
	}
	return setSlot(m, &m.gate.Wakeup, fn, fn == nil, release, err, nil)
}

// setSlot puts a callback into a slot where another may be, unless err says why not.
func setSlot[F any](m *Engine, at **deliver.Slot[F], fn F, none bool, release func(), err error, exchanged func()) error {
	s := deliver.NewSlot(&m.callbacks, fn, release)
	m.mu.Lock()
	if err == nil {
		err = m.usable()
	}
	if err != nil {
		m.mu.Unlock()
		s.Done()
		return err
	}
	old := *at
	*at = s
	if none {
		*at = nil
	}
	m.gate.CallbacksChanged()
	if exchanged != nil {
		exchanged()
	}
	m.mu.Unlock()
	if none {
		s.Done()
	}
	if old != nil {
		old.Done()
		m.mu.Lock()
		defer m.mu.Unlock()
		m.awaitLocked(old.Released)
	}
	return nil
}

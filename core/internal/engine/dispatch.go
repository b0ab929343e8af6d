// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"runtime"
	"time"

	"github.com/qtforge/hotreload/core/internal/deliver"
	"github.com/qtforge/hotreload/core/internal/fsys"
)

// run is a call of the host's code under way: a delivery, a validator, a wakeup.
type run struct {
	p      *plugin // nil if it is about no plugin
	change bool    // not a note
	thread uint64
	ends   func() // what is to be done when it has returned, with the lock held; nil if nothing
}

// Dispatch delivers up to max pending events (0: all) on the calling goroutine
// and returns how many. If none is pending it waits for the first one as long
// as timeout says (negative: for ever). From inside a callback it returns 0,
// because callbacks do not nest.
func (m *Engine) Dispatch(limit int, timeout time.Duration) (n int, err error) {
	if m.opts.Dispatch != DispatchManual {
		return 0, fail(ErrNotSupported, "this manager delivers on its own thread; create it with manual dispatch")
	}
	if limit < 0 {
		return 0, fail(ErrInvalidArgument, "max %d is negative; 0 means all that is pending", limit)
	}
	// Which thread this is must not change between here and a callback.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, errClosed()
	}
	if m.insideLocked() {
		return 0, nil
	}
	m.gate.Asked()
	if !m.waitLocked(timeout) {
		if m.failed != "" {
			return 0, m.usable()
		}
		return 0, nil
	}
	// "All that are pending" is what is so now, or an event that its own
	// callback causes anew would keep the caller here for ever.
	for todo := m.gate.Pending() + m.gate.Jobs(); todo > 0 && (limit == 0 || n < limit) && !m.closed && m.gate.Ready(); todo-- {
		if m.deliverLocked() {
			n++
		}
		if m.running != nil {
			break // another thread delivers what is left
		}
	}
	m.afterChange()
	m.wakeLocked()
	if n == 0 && m.failed != "" {
		return 0, m.usable() // while it confirmed a change
	}
	return n, nil
}

// EventFD returns a descriptor that polls readable while Dispatch has something
// to deliver and is not running. The manager reads, writes and closes it.
func (m *Engine) EventFD() (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return -1, err
	}
	fd := -1
	if m.ready != nil {
		var err error
		if fd, err = m.ready.Descriptor(); err != nil {
			return -1, &Error{Kind: ErrNoMemory, Msg: "cannot make the event descriptor: no file descriptors left", Err: err}
		}
	}
	if fd < 0 {
		return -1, fail(ErrNotSupported, "no event descriptor: the manager delivers on its own thread, or the system has none")
	}
	return fd, nil
}

// dispatchThread delivers on one thread of its own.
func (m *Engine) dispatchThread() {
	// Never unlocked: the thread ends with the goroutine.
	runtime.LockOSThread()
	if m.opts.ThreadStart != nil {
		m.opts.ThreadStart()
	}
	for more := true; more; {
		m.guard("delivery", func() { // after a panic the fault is delivered too
			m.mu.Lock()
			defer m.mu.Unlock()
			if more = m.waitLocked(-1); more {
				m.deliverLocked()
			}
		})
	}
}

// waitLocked waits until something can be delivered and nothing is being
// delivered; false when time is up, or the manager is closed or failed empty.
func (m *Engine) waitLocked(timeout time.Duration) bool {
	expired := timeout == 0
	if timeout > 0 {
		t := time.AfterFunc(timeout, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			expired = true
			m.changed.Broadcast()
		})
		defer t.Stop()
	}
	for !m.closed && !expired && (m.running != nil || !m.gate.Ready()) {
		if m.failed != "" && m.running == nil {
			return false
		}
		m.changed.Wait()
	}
	return !m.closed && m.running == nil && m.gate.Ready()
}

// announce says that something new may have to be delivered: to what waits for it, by
// the descriptor, and by the wakeup callback.
func (m *Engine) announce() {
	m.afterChange()
	m.wakeLocked()
}

// afterChange wakes what waits for a change of the engine's state, and sets the
// descriptor.
func (m *Engine) afterChange() {
	m.changed.Broadcast()
	if m.ready != nil && m.ready.Set(m.running == nil && m.gate.Ready()) {
		m.descriptorsLost()
	}
}

// wakeLocked has the wakeup callback called if the host must be woken.
func (m *Engine) wakeLocked() {
	if m.running != nil || m.closed {
		return // Dispatch does this at its end
	}
	if s := m.gate.Wake(); s != nil {
		m.spawn(func() { m.wakeHost(s) })
	}
}

// wakeHost calls the wakeup callback, unless nothing waits any more. Calls do not
// overlap; each is inside a callback.
func (m *Engine) wakeHost(s *deliver.Slot[func()]) {
	m.wakeups.Lock()
	defer m.wakeups.Unlock()
	// Which thread this is must not change between here and the callback.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m.mu.Lock()
	m.waking = &run{thread: deliver.ThreadID()}
	wanted := m.running == nil && m.gate.Ready()
	if !wanted {
		m.gate.Asked()
	}
	m.mu.Unlock()
	if wanted {
		m.guard("the wakeup callback", s.Fn)
	}
	s.Done() // inside the callback still: the release function may close the manager
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waking = nil
}

// Post has a function run by Dispatch, as a callback: none other of this engine runs
// at the same time. It does not wait for it.
func (m *Engine) Post(f func()) error {
	if m.opts.Dispatch != DispatchManual {
		return fail(ErrNotSupported, "this manager delivers on its own thread; create it with manual dispatch")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || !m.gate.PutJob(f) {
		return errClosed()
	}
	return nil
}

// runJobLocked runs a function that was posted.
func (m *Engine) runJobLocked(f func()) {
	m.running = &run{thread: deliver.ThreadID()}
	defer func() {
		m.running = nil
		m.afterChange()
	}()
	m.afterChange()
	m.unlocked(func() { m.guard("a function of the host", f) })
}

// deliverLocked delivers the next event. It reports whether a callback ran.
func (m *Engine) deliverLocked() bool {
	if f := m.gate.TakeJob(); f != nil {
		m.runJobLocked(f)
		return true
	}
	c, isChange := m.gate.Next()
	m.running = &run{change: isChange, thread: deliver.ThreadID()}
	defer func() {
		ends := m.running.ends
		m.running = nil
		if ends != nil {
			ends()
		}
		m.afterChange()
	}()
	var ev Event
	var found *Event
	var reload *deliver.Slot[func(string)]
	if isChange {
		m.running.p = c.p
		m.afterChange() // not ready while running: a nested event loop must not spin
		if !m.confirm(c) {
			return false
		}
		m.take(c)
		if c.removal && m.gate.Event == nil {
			if c.p.found != nil {
				m.dropGone(c.p)
			}
			return false
		}
		if found = m.discovery(c.p, c.complete); found != nil {
			m.sequence++
			found.Sequence = m.sequence
		}
		ev = m.changeEvent(c)
		if !c.removal {
			reload = m.gate.Reload.Hold()
		}
	} else {
		ev = m.gate.TakeEvent()
		m.running.p = m.plugins.lookup(ev.ID)
		m.afterChange()
		if ev.Kind == Rollback && !m.nameLastGood(m.running.p, &ev) {
			return false
		}
	}
	event := m.gate.Event.Hold()
	m.sequence++
	ev.Sequence = m.sequence
	m.unlocked(func() {
		m.guard("a callback", func() {
			if event != nil && found != nil {
				event.Fn(*found)
			}
			if event != nil && (found == nil || m.stillAdmits(c)) {
				event.Fn(ev)
			}
			if reload != nil && m.stillAdmits(c) {
				reload.Fn(c.p.id)
			}
		})
		event.Done()
		reload.Done()
	})
	switch {
	case isChange && c.removal:
		m.removed(c.p)
	case isChange && c.snap == nil:
		m.recheck(c)
	}
	return event != nil || reload != nil
}

// nameLastGood makes a Rollback name the version that is the last good one at its
// delivery: reports on others may have come in since. It reports whether the
// plugin is still there.
func (m *Engine) nameLastGood(p *plugin, ev *Event) bool {
	if p == nil || p.safe == nil {
		return false
	}
	last := p.safe.lastGood()
	if last == nil {
		ev.Message += "; there is no earlier version to go back to"
		return true
	}
	ev.Message += fmt.Sprintf("; generation %d is the last good one", last.generation)
	last.nameIn(ev)
	return true
}

// unlocked lets the lock go for f; a panic in f finds it held again, as the
// deferred functions on its way expect.
func (m *Engine) unlocked(f func()) {
	m.mu.Unlock()
	defer m.mu.Lock()
	f()
}

// stillAdmits reports whether the reload callback may run after the event callback,
// which may have disabled the plugin or closed the manager.
func (m *Engine) stillAdmits(c *pendingChange) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gate.Admits(c)
}

// instead says what stands in a removed file's place.
func instead(k fsys.Kind) string {
	if k == fsys.Missing {
		return ""
	}
	return "the file was removed; " + k.String() + " is at its path"
}

// goneText says that a file was removed, and what is at its path now, for the history.
func goneText(instead fsys.Kind) string {
	if instead == fsys.Missing {
		return "the file is gone"
	}
	return "the file is gone; " + instead.String() + " is at its path"
}

// changeEvent makes the version of c the baseline, or notes the removal, and returns its event.
func (m *Engine) changeEvent(c *pendingChange) Event {
	p := c.p
	ev := Event{Kind: FileChanged, Time: c.complete, FirstSeen: c.first, ID: p.id, Path: p.registeredPath()}
	if c.removal {
		p.state().removalDelivered = true
		ev.Kind, ev.Message = FileRemoved, instead(c.instead)
		m.stats.Removals++
		m.note(p, LogInfo, DecisionDelivered, "that "+goneText(c.instead))
	} else {
		p.setBaseline(versionOf(&c.info), c.hash)
		p.generation++
		m.stats.Deliveries++
		if c.decided.unknown {
			m.stats.WritersUnknown++
		}
		m.stats.LastDelivery = time.Now()
		m.note(p, LogInfo, DecisionDelivered, fmt.Sprintf("generation %d", p.generation))
		m.countDelivery(c, m.stats.LastDelivery)
	}
	ev.Generation, ev.FolderID = uint64(p.generation), p.folderID()
	if c.snap != nil {
		m.keepDelivered(p, c, &ev)
	}
	return ev
}

// SPDX-License-Identifier: MIT

package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/qtforge/hotreload/core/internal/deliver"
	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// Engine watches plugins. All methods may be called from any goroutine and
// from inside a callback, Close included. Errors are of type [*Error].
type Engine struct {
	opts Options
	done chan struct{} // closed when the manager is

	goroutines sync.WaitGroup // those that Close waits for
	workers    workers
	plugins    plugins     // plugins.byID is read without the lock
	namings    sync.Mutex  // held while a folder's function runs; taken before mu
	unusable   atomic.Bool // closed or failed

	wakeups sync.Mutex // held while the wakeup callback runs; taken before mu

	mu      sync.Mutex
	changed sync.Cond // any change of what waiters wait for
	closed  bool
	failed  string // the contained fault, "" if none
	intake  intake

	gate       deliver.Gate[*pendingChange]
	callbacks  deliver.Owner
	running    *run // the delivery under way
	sequence   uint64
	ahead      int                           // how many changes are checked ahead of their delivery
	delivered  map[*watch.Folder][]delivered // and not compared yet; a key: that is under way
	waking     *run                          // the call of the wakeup callback under way
	ready      *deliver.Readiness            // DispatchManual only
	validator  *deliver.Slot[Validator]
	validation validation
	stats      Stats
	counters   counters
	histories  histories
	logging    logging
	folders    map[string]*folderState
	asked      *naming // the call of a folder's function under way

	markers       map[string]*marker // by their paths; nil until there is one
	markersByLeaf map[*watch.Leaf]*marker
}

// New returns a manager that watches nothing yet. Close it.
func New(opts Options) (*Engine, error) {
	if err := opts.normalize(); err != nil {
		return nil, err
	}
	if err := startPoller(); err != nil {
		return nil, err
	}
	m := &Engine{opts: opts, done: make(chan struct{})}
	m.changed.L = &m.mu
	m.callbacks = deliver.Owner{Lock: &m.mu, Contain: m.guard, Changed: m.changed.Broadcast}
	m.gate.Announce = m.announce
	if opts.Dispatch == DispatchManual {
		r, err := deliver.NewReadiness()
		if err != nil {
			return nil, &Error{Kind: ErrNoMemory, Msg: "cannot make the event descriptor: no file descriptors left", Err: err}
		}
		m.ready = r
	}
	var src watch.Source = watch.None{}
	if !opts.ForcePolling {
		s, err := opts.newSource()
		if err != nil {
			s = watch.None{Err: err}
		}
		src = s
	}
	m.startEngine(src)
	if opts.Dispatch == DispatchThread {
		m.spawn(m.dispatchThread)
	}
	return m, nil
}

var pollerStarted atomic.Bool

// startPoller has Go's runtime open the descriptors of its poller, which it does for
// the first timer or file. If it gets none then, it ends the process.
func startPoller() error {
	if pollerStarted.Load() {
		return nil
	}
	const poller, first = 4, 2 // its own (in the C library), and what a manager needs at least
	if err := fsys.HaveDescriptors(poller + first); err != nil {
		return &Error{Kind: ErrNoMemory, Msg: "no file descriptors are left", Err: err}
	}
	time.AfterFunc(time.Hour, func() {}).Stop()
	pollerStarted.Store(true)
	return nil
}

// IsEnabled reports whether id is enabled.
func (m *Engine) IsEnabled(id string) (bool, error) {
	if m.unusable.Load() {
		m.mu.Lock()
		defer m.mu.Unlock()
		return false, m.usable()
	}
	return m.plugins.lookup(id) != nil, nil
}

// Plugins returns the enabled ids in the order of enabling.
func (m *Engine) Plugins() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return nil, err
	}
	ids := make([]string, 0, m.plugins.byID.Len())
	for _, p := range m.plugins.inOrder() {
		ids = append(ids, p.id)
	}
	return ids, nil
}

// PluginsSize is what Plugins would return: how many ids, and their length together.
func (m *Engine) PluginsSize() (s struct{ Count, Bytes int }, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Count, s.Bytes = m.plugins.byID.Len(), m.plugins.idBytes
	return s, m.usable()
}

// Close stops everything, ends a waiting Dispatch, waits for a running callback
// (unless called from inside it; then the rest follows when it has returned)
// and runs the release functions of the callbacks. Closing again does nothing.
func (m *Engine) Close() {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return
	}
	m.closed = true
	m.unusable.Store(true)
	close(m.done)
	m.gate.Close()
	reload, event, wakeup, validator, reader := m.gate.Reload, m.gate.Event, m.gate.Wakeup, m.validator, m.logging.slot
	m.gate.Reload, m.gate.Event, m.gate.Wakeup, m.validator, m.logging.slot = nil, nil, nil, nil, nil
	folders := m.closeFolders()
	ended := m.workers.close() // first: a running callback may be loading a snapshot that is dropped here
	m.plugins.byID.All(func(p *plugin) {
		if p.safe != nil {
			m.dropSafe(p.safe)
		}
	})
	for _, t := range []*time.Timer{m.intake.timer, m.intake.bulk.timer} {
		if t != nil {
			t.Stop()
		}
	}
	m.intake.poll.stop()
	m.intake.safety.stop()
	for _, k := range m.markers {
		k.stop()
	}
	m.setBulk(false)
	inside := m.insideLocked()
	if !inside {
		m.awaitLocked(func() bool { return m.running == nil })
	}
	m.mu.Unlock()
	reload.Done()
	event.Done()
	wakeup.Done()
	validator.Done()
	reader.Done()
	for _, f := range folders {
		f.naming.Done()
	}
	finish := func() {
		m.goroutines.Wait()
		waited := time.NewTimer(closesWithin)
		defer waited.Stop()
		select {
		case <-ended:
		case <-waited.C: // a task is slow
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		for m.running != nil {
			m.changed.Wait() // it may be loading a snapshot
		}
		m.unlocked(m.closeStore)
		m.dropSource(m.intake.src)
		if m.ready != nil {
			m.ready.Close()
			m.ready = nil
		}
	}
	if inside {
		m.contained(finish)
	} else {
		finish()
	}
}

// closesWithin is how long Close waits for what is under way with the disk.
const closesWithin = 800 * time.Millisecond

// usable is nil unless the manager is closed or has had a fault.
func (m *Engine) usable() error {
	switch {
	case m.closed:
		return errClosed()
	case m.failed != "":
		return fail(ErrPanic, "the manager is unusable after a contained fault (%s); destroy it", m.failed)
	}
	return nil
}

func errClosed() error { return fail(ErrClosed, "the manager is closed") }

// insideLocked reports whether the caller is inside a callback of this manager,
// or in its release function.
func (m *Engine) insideLocked() bool {
	if m.running == nil && m.validation.asking == nil && m.waking == nil && m.logging.calling == nil && m.asked == nil {
		return false
	}
	id := deliver.ThreadID()
	if m.asked != nil && m.asked.thread == id {
		return true
	}
	for _, r := range []*run{m.running, m.validation.asking, m.waking, m.logging.calling} {
		if r != nil && r.thread == id {
			return true
		}
	}
	return false
}

// busyWith reports whether a callback about such an entry is running.
func (m *Engine) busyWith(about func(*plugin) bool) bool {
	r, a := m.running, m.validation.asking
	return r != nil && r.p != nil && about(r.p) || a != nil && about(a.p)
}

// awaitLocked waits until ok, unless called from inside a callback.
func (m *Engine) awaitLocked(ok func() bool) {
	if m.insideLocked() {
		return
	}
	for !ok() {
		m.changed.Wait()
	}
}

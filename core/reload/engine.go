// SPDX-License-Identifier: MIT

package reload

import (
	"context"
	"sync"
	"time"
)

// Engine exchanges versions of plugins. Its methods may be called from any goroutine.
type Engine struct {
	config Config
	heard  func(Outcome) // receives each outcome before the host does; must not wait
	// hold keeps the files of a version until release is called; nil if nobody removes them
	hold  func(plugin string, generation uint64) (release func())
	done  chan struct{}
	fault chan struct{} // closed when the machine panics

	mu       sync.Mutex
	m        *machine
	broken   error // the machine panicked
	queue    []effect
	running  bool // the queue is being worked off
	outcomes []Outcome
	telling  bool
	ended    bool
	timer    *time.Timer
	due      time.Time
	cancels  map[uint64]context.CancelFunc
	sources  map[sourceKey]*source
	counted  map[uint64]bool // instances that count in sources
	waiters  []waiter
}

type sourceKey struct {
	plugin     string
	generation uint64
}

// source is what was offered as a version, while that may be loaded (again).
type source struct {
	value any
	uses  int // candidates and instances
	// files ends the hold of the version's files; nil if there is none
	files func()
}

// New returns an engine without plugins.
func New(config Config) *Engine {
	return &Engine{config: config, done: make(chan struct{}), fault: make(chan struct{}), m: newMachine(), cancels: map[uint64]context.CancelFunc{},
		sources: map[sourceKey]*source{}, counted: map[uint64]bool{}}
}

// Add adds plugins, and sets that plugins are to be in. It adds all or none: a plugin
// that exists, or that needs one that does not, and plugins that need each other are
// errors.
func (e *Engine) Add(plugins []Plugin, sets ...Set) error {
	for _, s := range sets {
		if s.Check && e.config.Check == nil {
			return errorOf(ErrInvalid, "set %q is to be checked, but Config.Check is nil", s.ID)
		}
	}
	return e.input(addPlugins{Sets: sets, Plugins: plugins})
}

// Remove ends plugins: an exchange of them is given up, callers get no version any
// more, and the active versions exit and are unloaded after their last call. It does
// not wait for any of that. Plugins that others need are removed with them or after
// them.
func (e *Engine) Remove(ids ...string) error { return e.input(removePlugins{ids}) }

// Offer gives the engine a version that was delivered. source is given to
// [Steps].Load.
func (e *Engine) Offer(plugin string, generation uint64, source any) error {
	return e.offer(offer{Plugin: plugin, Generation: generation}, source)
}

// GoBack takes an older version, because the active one turned out bad. That the
// active one cannot save its state, or that the older one cannot restore it, is no
// reason to stay.
func (e *Engine) GoBack(plugin string, generation uint64, source any) error {
	return e.offer(offer{Plugin: plugin, Generation: generation, Back: true}, source)
}

func (e *Engine) offer(in offer, value any) error {
	key := sourceKey{in.Plugin, in.Generation}
	e.mu.Lock()
	s := e.sources[key]
	if s == nil {
		s = &source{}
		if e.hold != nil {
			s.files = e.hold(in.Plugin, in.Generation)
		}
		e.sources[key] = s
	}
	before := s.value
	s.value = value
	s.uses++
	e.mu.Unlock()
	err := e.input(in)
	if err != nil {
		e.mu.Lock()
		s.value = before
		e.mu.Unlock()
		e.release(key)
	}
	return err
}

// FileRemoved says that the plugin's file is gone: a version that waits is dropped,
// the active one goes on.
func (e *Engine) FileRemoved(plugin string) error { return e.input(fileRemoved{plugin}) }

// TakeWithoutState exchanges the version that waits, without the state of the active
// one.
func (e *Engine) TakeWithoutState(plugin string) error { return e.input(withoutState{plugin}) }

// Status says how a plugin is doing.
func (e *Engine) Status(plugin string) (Status, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.m.status(plugin)
}

// Close begins to end everything; see the package's documentation. It does not wait.
func (e *Engine) Close() { _ = e.input(closeMachine{}) }

// input gives the machine an input and has its effects run.
func (e *Engine) input(in any) error {
	e.mu.Lock()
	err := e.step(in)
	run := !e.running && len(e.queue) > 0
	e.running = e.running || run
	e.mu.Unlock()
	if run {
		e.runQueue()
	}
	return err
}

// step is the machine's. A panic in it leaves the engine unusable, and the host alive.
func (e *Engine) step(in any) (err error) {
	if e.broken != nil {
		return e.broken
	}
	defer func() {
		if r := recover(); r != nil {
			e.broken = errorOf(ErrBroken, "the engine is unusable: panic: %v", r)
			err = e.broken
			close(e.fault)
		}
	}()
	effects, err := e.m.step(in, time.Now())
	e.queue = append(e.queue, effects...)
	e.setTimer()
	return err
}

func (e *Engine) setTimer() {
	due := e.m.due()
	if due.Equal(e.due) {
		return
	}
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
	if e.due = due; !due.IsZero() {
		e.timer = time.AfterFunc(time.Until(due), func() {
			e.mu.Lock()
			if e.due.Equal(due) {
				e.due = time.Time{}
			}
			e.mu.Unlock()
			_ = e.input(tick{})
		})
	}
}

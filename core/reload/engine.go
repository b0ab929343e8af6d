// SPDX-License-Identifier: MIT

package reload

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Steps is what a language supplies. Each method may be called from any goroutine,
// but for the same version never two of Load to Unload at the same time. Load to
// Unload run where [Config].Run puts them; they may block. A step that returns an
// error which wraps [ErrNotNow] has done nothing, and is tried again. ctx ends when
// nobody waits for the step any more.
type Steps interface {
	// Load loads a version from what was given to [Engine.Offer], and finds its
	// hooks. After an error nothing of it is loaded.
	Load(ctx context.Context, v Version, source any) (Hooks, error)
	// Init initialises a loaded version. needs are the versions of the plugins that
	// it needs, sorted by ID: it is to use these, also if others still answer. After
	// an error it is loaded but not initialised.
	Init(ctx context.Context, v Version, needs []Version) error
	// Save returns the state of a version. No call of it is under way.
	Save(ctx context.Context, v Version) (state any, err error)
	// Restore gives a version the state that another one has saved, or itself.
	Restore(ctx context.Context, v Version, state any) error
	// Prepare makes what the host needs of a version before it answers, an instance of
	// an audio plugin for example. No caller has to wait for that. It comes after Init
	// and Restore, only if [Hooks].Prepare is set.
	Prepare(ctx context.Context, v Version) error
	// Exit ends what Init and Prepare began. After an error the version counts as exited, too.
	Exit(ctx context.Context, v Version) error
	// Unload unloads a version that is not initialised. kept says why it stays in
	// memory, if it does.
	Unload(ctx context.Context, v Version) (kept string, err error)

	// Activate makes versions answer, one of each plugin, and lets callers go on that
	// wait. It must not wait for calls. After an error nothing has changed.
	Activate(ctx context.Context, versions []Version) error
	// Quiesce has new callers of the version's plugin wait, until Activate or Shut,
	// and returns when no call is under way in the version. When ctx ends before, it
	// returns, and callers go on waiting; if ctx has ended already, nobody must wait.
	Quiesce(ctx context.Context, v Version) error
	// AwaitIdle returns when no call is under way in a version that does not answer. A wait
	// whose ctx has ended, of Quiesce too, may still be returning when the next one of the
	// same version begins, or after Forget.
	AwaitIdle(ctx context.Context, v Version) error
	// Shut has callers of a plugin get no version, those that wait included. It must
	// return at once.
	Shut(plugin, reason string)
	// Forget says that a version has ended: what stands for it may go. It must return
	// at once.
	Forget(v Version)
}

// ErrNotNow is wrapped by the error of a step that was not possible at the moment,
// and that has done nothing.
var ErrNotNow = errors.New("not possible at the moment")

// Config configures an [Engine].
type Config struct {
	Steps Steps
	// Outcome receives what became of each version, one call at a time; nil if nobody
	// wants to know. It may call every method but [Engine.Wait].
	Outcome func(Outcome)
	// Check says whether versions of a [Set] with Check fit together; an error says
	// why not. It runs on a goroutine of its own.
	Check func(set string, candidates []Candidate) error
	// Run runs a function on the thread where the language has its steps Load to
	// Unload run; nil means a goroutine for each. It must return at once, and the
	// function be called later, once. If it returns an error, the function is never
	// called, and the step was not possible.
	Run func(step Step, v Version, f func()) error
	// RunRetired is Run for the end of versions that were replaced or whose plugin was
	// closed; nil means Run.
	RunRetired func(step Step, v Version, f func()) error
	// RunQuiesce has Quiesce run where Run puts it, too: for a language whose steps run on
	// a thread that also calls the plugins. It must not go back to these calls before
	// Activate or Shut ends the hold.
	RunQuiesce bool
}

// Candidate is a version and what was given to [Engine.Offer] for it.
type Candidate struct {
	Version Version
	Source  any
}

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

// waiter waits until plugins and all of their versions have ended.
type waiter struct {
	ids   []string
	ended chan struct{}
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

// Done is closed when everything has ended after [Engine.Close], and the last outcome
// was delivered.
func (e *Engine) Done() <-chan struct{} { return e.done }

// Wait waits until everything has ended after [Engine.Close]. If ctx ends before, the
// error names what is left.
func (e *Engine) Wait(ctx context.Context) error {
	select {
	case <-e.done:
		return nil
	case <-e.fault:
		return e.broken
	case <-ctx.Done():
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return &Error{Kind: ctx.Err(), Msg: "not everything has ended: " + strings.Join(e.m.remaining(), ", ")}
}

// WaitFor waits until plugins that were removed, and all of their versions, have ended.
// If ctx ends before, the error names what is left.
func (e *Engine) WaitFor(ctx context.Context, ids ...string) error {
	w := waiter{ids, make(chan struct{})}
	e.mu.Lock()
	e.waiters = append(e.waiters, w)
	e.wake()
	e.mu.Unlock()
	select {
	case <-w.ended:
		return nil
	case <-e.fault:
		return e.broken
	case <-ctx.Done():
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiters = slices.DeleteFunc(e.waiters, func(x waiter) bool { return x.ended == w.ended })
	return &Error{Kind: ctx.Err(), Msg: "not everything has ended: " + strings.Join(e.m.remaining(ids...), ", ")}
}

// wake tells those who wait for the end of plugins. The lock is held.
func (e *Engine) wake() {
	if e.running || len(e.queue) > 0 {
		return // what is left to do may be about them
	}
	e.waiters = slices.DeleteFunc(e.waiters, func(w waiter) bool {
		over := !slices.ContainsFunc(w.ids, e.m.lives)
		if over {
			close(w.ended)
		}
		return over
	})
}

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

// runQueue runs effects in their order: a plugin is shut before the end of its calls
// is awaited.
func (e *Engine) runQueue() {
	for {
		e.mu.Lock()
		if len(e.queue) == 0 {
			e.queue, e.running = nil, false
			e.wake()
			e.mu.Unlock()
			return
		}
		next := e.queue[0]
		e.queue = e.queue[1:]
		e.mu.Unlock()
		e.do(next)
	}
}

func (e *Engine) do(f effect) {
	switch f := f.(type) {
	case begin:
		e.begin(f.task)
	case cancel:
		e.mu.Lock()
		end := e.cancels[f.task]
		e.mu.Unlock()
		if end != nil {
			end()
		}
	case shut:
		e.contain(func() { e.config.Steps.Shut(f.plugin, f.reason) })
	case forget:
		e.mu.Lock()
		counted := e.counted[f.version.Instance]
		delete(e.counted, f.version.Instance)
		e.mu.Unlock()
		if counted {
			e.release(sourceKey{f.version.Plugin, f.version.Generation})
			e.contain(func() { e.config.Steps.Forget(f.version) })
		}
	case drop:
		e.release(sourceKey{f.plugin, f.generation})
	case check:
		go e.check(f)
	case say:
		if e.heard != nil {
			e.heard(f.outcome)
		}
		e.tell(f.outcome)
	case closed:
		e.mu.Lock()
		e.ended = true
		tells := e.telling
		e.mu.Unlock()
		if !tells {
			close(e.done)
		}
	}
}

// contain runs a function of the language; a panic in it is nobody's concern but its
// own.
func (e *Engine) contain(f func()) {
	defer func() { _ = recover() }()
	f()
}

func (e *Engine) release(key sourceKey) {
	var files func()
	e.mu.Lock()
	if s := e.sources[key]; s != nil {
		if s.uses--; s.uses == 0 {
			delete(e.sources, key)
			files = s.files
		}
	}
	e.mu.Unlock()
	if files != nil {
		files()
	}
}

// begin has a step run.
func (e *Engine) begin(t *task) {
	ctx, end := context.WithCancel(context.Background())
	v := t.version.Version
	e.mu.Lock()
	e.cancels[t.id] = end
	var value any
	if t.step == Load {
		s := e.sources[sourceKey{v.Plugin, v.Generation}]
		value = s.value
		if !e.counted[v.Instance] {
			e.counted[v.Instance] = true
			s.uses++
		}
	}
	hooks, retired := t.version.hooks, t.plan == nil
	e.mu.Unlock()

	f := func() {
		_ = e.input(started{t.id})
		r := e.perform(ctx, t, value)
		e.answer(t, r)
	}
	hook, isHook := map[Step]bool{Init: hooks.Init, Exit: hooks.Exit}[t.step]
	run := e.config.Run
	if retired && e.config.RunRetired != nil {
		run = e.config.RunRetired
	}
	switch {
	case isHook && !hook:
		go e.answer(t, Result{})
	case run == nil || t.step == AwaitIdle || t.step == Activate || (t.step == Quiesce && !e.config.RunQuiesce):
		go f()
	default:
		if err := run(t.step, v, f); err != nil {
			go e.answer(t, Result{Failure: err.Error(), Fault: OfNobody})
		}
	}
}

// answer gives the machine the answer of a task.
func (e *Engine) answer(t *task, r Result) {
	e.mu.Lock()
	end := e.cancels[t.id]
	delete(e.cancels, t.id)
	e.mu.Unlock()
	end()
	_ = e.input(returned{t.id, r})
}

// perform calls the language. A panic is a failure of the step.
func (e *Engine) perform(ctx context.Context, t *task, source any) (r Result) {
	var err error
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			r.Failure = err.Error()
			if r.Failure == "" {
				r.Failure = "an error without a text"
			}
			if t.step == Load {
				r.Failure = advised(r.Failure)
			}
			if errors.Is(err, ErrNotNow) {
				r.Fault = OfNobody
			}
		}
	}()
	s, v := e.config.Steps, t.version.Version
	switch t.step {
	case Load:
		r.Hooks, err = s.Load(ctx, v, source)
	case Init:
		err = s.Init(ctx, v, versionsOf(t.needs))
	case Save:
		r.State, err = s.Save(ctx, v)
	case Restore:
		err = s.Restore(ctx, v, t.state)
	case Prepare:
		err = s.Prepare(ctx, v)
	case Exit:
		err = s.Exit(ctx, v)
	case Unload:
		r.Kept, err = s.Unload(ctx, v)
	case Activate:
		err = s.Activate(ctx, versionsOf(t.all))
	case Quiesce:
		err = s.Quiesce(ctx, v)
	case AwaitIdle:
		err = s.AwaitIdle(ctx, v)
	}
	return r
}

func versionsOf(list []*version) (out []Version) {
	for _, v := range list {
		out = append(out, v.Version)
	}
	return out
}

// check asks the host whether versions fit together.
func (e *Engine) check(f check) {
	var candidates []Candidate
	e.mu.Lock()
	for _, v := range f.versions {
		c := Candidate{Version: v}
		if s := e.sources[sourceKey{v.Plugin, v.Generation}]; s != nil {
			c.Source = s.value
		}
		candidates = append(candidates, c)
	}
	e.mu.Unlock()
	reason := "the check panicked"
	e.contain(func() {
		err := e.config.Check(f.set, candidates)
		reason = ""
		if err != nil {
			reason = err.Error()
		}
	})
	_ = e.input(checked{f.id, reason})
}

// tell gives the host an outcome, after those before it.
func (e *Engine) tell(o Outcome) {
	if e.config.Outcome == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.outcomes = append(e.outcomes, o)
	if !e.telling {
		e.telling = true
		go e.tellAll()
	}
}

func (e *Engine) tellAll() {
	for {
		e.mu.Lock()
		if len(e.outcomes) == 0 {
			e.outcomes, e.telling = nil, false
			over := e.ended
			e.mu.Unlock()
			if over {
				close(e.done)
			}
			return
		}
		o := e.outcomes[0]
		e.outcomes = e.outcomes[1:]
		e.mu.Unlock()
		e.contain(func() { e.config.Outcome(o) })
	}
}

// remaining names what has not ended of these plugins, or of all.
func (m *machine) remaining(ids ...string) (left []string) {
	concerns := func(p *plugin) bool { return len(ids) == 0 || slices.Contains(ids, p.ID) }
	for _, v := range m.retiring {
		switch {
		case !concerns(v.p):
		case v.task != nil:
			left = append(left, fmt.Sprintf("the %s of %s has not returned", v.task.step, v.Version))
		case v.idle != nil:
			left = append(left, fmt.Sprintf("%s is in use", v.Version))
		default:
			left = append(left, fmt.Sprintf("%s is used by other versions", v.Version))
		}
	}
	for _, p := range sorted(slices.Collect(maps.Values(m.plugins))) {
		if !concerns(p) {
			continue
		}
		what := "is open"
		if p.plan != nil {
			what = "is being exchanged"
			if p.plan.task != nil {
				what += fmt.Sprintf(" (the %s of %s has not returned)", p.plan.task.step, p.plan.task.version.Version)
			}
		}
		left = append(left, p.ID+" "+what)
	}
	return left
}

// lives reports whether there is a plugin, or a version of it.
func (m *machine) lives(id string) bool {
	return m.plugins[id] != nil || slices.ContainsFunc(m.retiring, func(v *version) bool { return v.p.ID == id })
}

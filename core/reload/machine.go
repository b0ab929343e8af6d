// SPDX-License-Identifier: MIT

package reload

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The inputs of a machine.
type (
	addPlugins struct {
		Sets    []Set
		Plugins []Plugin
	}
	removePlugins struct{ IDs []string }
	// offer is a version that was delivered. With Back it is one to go back to.
	offer struct {
		Plugin     string
		Generation uint64
		Back       bool
	}
	// fileRemoved says that the plugin's file is gone.
	fileRemoved struct{ Plugin string }
	// rejected says that validation rejected a version.
	rejected struct{ Plugin, Reason string }
	// withoutState takes a version that waits because the state cannot be saved.
	withoutState struct{ Plugin string }
	// started says that a task has begun to run; its limit counts from now.
	started struct{ Task uint64 }
	// returned says that a task has ended.
	returned struct {
		Task   uint64
		Result Result
	}
	// checked answers a check: "" means that the versions fit together.
	checked struct {
		Check  uint64
		Reason string
	}
	tick         struct{}
	closeMachine struct{}
)

// Fault says who is to blame for a step that failed.
type Fault uint8

const (
	// OfVersion blames the version: it is not tried again.
	OfVersion Fault = iota
	// OfNobody means that the step was not possible just now, and did nothing. The
	// version is tried again.
	OfNobody
)

// Result is how a step ended.
type Result struct {
	Failure string // why it failed; "" if it did not
	Fault   Fault
	Hooks   Hooks  // of Load
	State   any    // of Save
	Kept    string // of Unload: why it stays in memory; "" if it does not
}

// notDone reports whether the step was not possible, and so did nothing.
func (r Result) notDone() bool { return r.Failure != "" && r.Fault == OfNobody }

// task is a step that was begun.
type task struct {
	id      uint64
	step    Step
	version *version
	needs   []*version // of Init
	state   any        // of Restore
	all     []*version // of Activate
	limit   time.Duration

	plan     *plan // that waits for it; nil if none does
	deadline time.Time
	notice   time.Time // when to say that it takes long
	overdue  bool      // given up
}

// The effects of a machine.
type (
	// begin starts a task. The answers are started and returned.
	begin struct{ task *task }
	// cancel says that nobody waits for a task any more.
	cancel struct{ task uint64 }
	// shut says that callers of a plugin get no version, and why.
	shut struct{ plugin, reason string }
	// forget says that a version is unloaded, or stays in memory for ever: what
	// stands for it may go.
	forget struct{ version Version }
	// check asks the host whether versions fit together.
	check struct {
		id       uint64
		set      string
		versions []Version
	}
	// say tells the host an outcome.
	say struct{ outcome Outcome }
	// drop says that a generation of a plugin will not be loaded (again).
	drop struct {
		plugin     string
		generation uint64
	}
	// closed says that everything has ended.
	closed struct{}
)

// effect is one of the types above.
type effect any

// versionState is how far a version has come.
type versionState uint8

const (
	absent versionState = iota // not loaded, or unloaded
	loaded
	initialised
)

// version is a version that is loaded, was, or is to be.
type version struct {
	Version
	p         *plugin
	state     versionState
	hooks     Hooks
	task      *task // that runs in it: plugin code
	idle      *task // that waits for the end of its calls
	isIdle    bool  // no call is under way, and none can begin
	needs     []*version
	users     int // versions that were initialised with it
	activated bool
	prepared  bool
	retiring  bool
	retryAt   time.Time // of its end
	pause     time.Duration
}

// candidate is a version that waits to be exchanged.
type candidate struct {
	generation   uint64
	back         bool
	withoutState bool
	attempt      int
	pause        time.Duration
	notBefore    time.Time
	blocked      string    // why it waits; "" if it does not
	until        []*plugin // a version offered for one of these ends that
}

// plugin is the state of one plugin.
type plugin struct {
	Plugin
	order      uint64 // of its addition
	dependents []*plugin
	set        *set
	active     *version // that answers; a plan may be holding its callers
	pending    *candidate
	plan       *plan
	leaving    bool

	outcome     Outcome // the last one that was no note
	outcomeTime time.Time

	// When nothing answers that should:
	down      string
	last      *version // that is to answer again
	saved     *savedState
	notes     []string // for when a version answers again
	recoverAt time.Time
	pause     time.Duration
}

// savedState is the state of a version that has stopped.
type savedState struct {
	state any
	lost  bool // the version has exited since: it needs its state again
}

// set is the state of one set.
type set struct {
	Set
	members []*plugin
	since   time.Time // when the first version came that waits
	key     string    // the versions that were last checked
	reason  string    // what the check said of them
	running uint64    // the check that has not answered
	asked   string    // the versions that it is about
	said    bool      // that they do not fit
	agreed  bool      // to be exchanged now
}

// machine decides what is done with all plugins of an engine. It is pure: all that
// it knows comes by step.
type machine struct {
	plugins  map[string]*plugin
	open     []*plugin // those with a candidate or stopped, and perhaps others
	sets     []*set
	plans    []*plan
	retiring []*version
	tasks    map[uint64]*task
	last     uint64 // number of the last task, check or instance
	closing  bool
	ended    bool
	progress bool
	now      time.Time // of the last step
	out      []effect
}

func newMachine() *machine { return &machine{plugins: map[string]*plugin{}, tasks: map[uint64]*task{}} }

// step takes an input at a time and returns what is to be done. An input that is
// not possible changes nothing and returns an error.
func (m *machine) step(input any, now time.Time) ([]effect, error) {
	m.now = now
	err := m.take(input, now)
	m.expire(now)
	for m.progress = true; m.progress; {
		m.progress = false
		for _, pl := range slices.Clone(m.plans) {
			m.advance(pl, now)
		}
		for _, v := range slices.Clone(m.retiring) {
			m.retireFurther(v, now)
		}
		m.startPlans(now)
	}
	if m.closing && !m.ended && len(m.plans) == 0 && len(m.plugins) == 0 && len(m.retiring) == 0 {
		m.ended = true
		m.emit(closed{})
	}
	out := m.out
	m.out = nil
	return out, err
}

func (m *machine) emit(e effect) { m.out = append(m.out, e) }

func (m *machine) number() uint64 {
	m.last++
	return m.last
}

func (m *machine) take(input any, now time.Time) error {
	switch in := input.(type) {
	case addPlugins:
		return m.add(in)
	case removePlugins:
		return m.remove(in.IDs, now)
	case offer:
		return m.offer(in, now)
	case fileRemoved:
		return m.fileRemoved(in.Plugin)
	case rejected:
		return m.rejected(in)
	case withoutState:
		return m.takeWithoutState(in.Plugin)
	case started:
		if t := m.tasks[in.Task]; t != nil && t.limit > 0 && !t.overdue && t.deadline.IsZero() {
			t.deadline = now.Add(t.limit)
		}
	case returned:
		m.returned(in, now)
	case checked:
		m.checked(in)
	case closeMachine:
		m.close(now)
	case tick:
	default:
		panic(fmt.Sprintf("unknown input %T", input))
	}
	return nil
}

// ---------------------------------------------------------------- plugins

func (m *machine) find(id string) *plugin { return m.plugins[id] }

// sorted returns plugins in the order of their addition, each once.
func sorted(plugins []*plugin) []*plugin {
	slices.SortFunc(plugins, func(a, b *plugin) int { return cmp.Compare(a.order, b.order) })
	return slices.Compact(plugins)
}

func (m *machine) findSet(id string) *set {
	i := slices.IndexFunc(m.sets, func(s *set) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return m.sets[i]
}

func (m *machine) add(in addPlugins) error {
	if m.closing {
		return errorOf(ErrClosed, "the engine is closed: no plugin can be added")
	}
	needs := map[string][]string{}
	var ids, sets []string
	for _, s := range in.Sets {
		if s.ID == "" {
			return errorOf(ErrInvalid, "a set has no ID")
		}
		if m.findSet(s.ID) != nil || slices.Contains(sets, s.ID) {
			return errorOf(ErrExists, "there is a set %q already", s.ID)
		}
		sets = append(sets, s.ID)
	}
	for _, p := range in.Plugins {
		switch {
		case p.ID == "":
			return errorOf(ErrInvalid, "a plugin has no ID")
		case m.find(p.ID) != nil || slices.Contains(ids, p.ID):
			return errorOf(ErrExists, "there is a plugin %q already; remove it first", p.ID)
		case p.Mode > UnloadFirst:
			return errorOf(ErrInvalid, "plugin %q: mode %d does not exist", p.ID, p.Mode)
		case p.Together != "" && m.findSet(p.Together) == nil && !slices.Contains(sets, p.Together):
			return errorOf(ErrUnknown, "plugin %q: there is no set %q; add it first or with the plugin", p.ID, p.Together)
		}
		ids = append(ids, p.ID)
		needs[p.ID] = p.Needs
	}
	for _, p := range in.Plugins {
		for _, n := range p.Needs {
			old := m.find(n)
			if (old == nil || old.leaving) && !slices.Contains(ids, n) {
				return errorOf(ErrUnknown, "plugin %q needs %q, which does not exist; add that first or with it", p.ID, n)
			}
		}
	}
	if _, cycle := sortByNeeds(ids, func(id string) []string { return needs[id] }); cycle != nil {
		return errorOf(ErrCycle, "plugins need each other: %s; remove one of these needs", strings.Join(cycle, " needs "))
	}
	for _, s := range in.Sets {
		m.sets = append(m.sets, &set{Set: s})
	}
	for _, spec := range in.Plugins {
		spec.Needs = slices.Compact(slices.Sorted(slices.Values(spec.Needs)))
		p := &plugin{Plugin: spec, order: m.number(), set: m.findSet(spec.Together)}
		if p.set != nil {
			p.set.members = append(p.set.members, p)
		}
		m.plugins[p.ID] = p
	}
	for _, id := range ids {
		for _, need := range m.plugins[id].Needs {
			m.plugins[need].dependents = append(m.plugins[need].dependents, m.plugins[id])
		}
	}
	return nil
}

// known returns a plugin that exists and is not being removed.
func (m *machine) known(id string) (*plugin, error) {
	p := m.find(id)
	if p == nil || p.leaving {
		if m.closing {
			return nil, errorOf(ErrClosed, "the engine is closed")
		}
		return nil, errorOf(ErrUnknown, "there is no plugin %q; add it first", id)
	}
	return p, nil
}

func (m *machine) remove(ids []string, now time.Time) error {
	var leaving []*plugin
	for _, id := range ids {
		p, err := m.known(id)
		if err != nil {
			return err
		}
		for _, d := range p.dependents {
			if !d.leaving && !slices.Contains(ids, d.ID) {
				return errorOf(ErrNeeded, "plugin %q is needed by %q; remove that first or with it", id, d.ID)
			}
		}
		leaving = append(leaving, p)
	}
	for _, p := range leaving {
		m.leave(p, fmt.Sprintf("%s was removed", p.ID), now)
	}
	return nil
}

// leave begins the end of a plugin. A plan that it is part of is given up first.
func (m *machine) leave(p *plugin, why string, now time.Time) {
	p.leaving = true
	m.withdraw(p, why)
	if p.plan != nil {
		m.abandon(p.plan, why, now)
		return
	}
	m.left(p, why)
}

// left ends a plugin that is part of no plan.
func (m *machine) left(p *plugin, why string) {
	m.emit(shut{p.ID, why})
	for _, v := range []*version{p.active, p.last} {
		if v != nil {
			m.retire(v)
		}
	}
	p.active, p.last, p.down, p.saved, p.notes = nil, nil, "", nil, nil
	delete(m.plugins, p.ID)
	for _, id := range p.Needs {
		if need := m.find(id); need != nil {
			need.dependents = without(need.dependents, p)
		}
	}
	if p.set != nil {
		p.set.members = without(p.set.members, p)
		if len(p.set.members) == 0 {
			m.sets = without(m.sets, p.set)
		}
	}
	m.progress = true
}

func without[T comparable](list []T, x T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(y T) bool { return y == x })
}

func (m *machine) close(now time.Time) {
	if m.closing {
		return
	}
	m.closing = true
	for _, p := range sorted(slices.Collect(maps.Values(m.plugins))) {
		if !p.leaving {
			m.leave(p, "the engine was closed", now)
		}
	}
}

// ------------------------------------------------------------- candidates

func (m *machine) offer(in offer, now time.Time) error {
	p, err := m.known(in.Plugin)
	switch {
	case err != nil:
		return err
	case in.Generation == 0:
		return errorOf(ErrInvalid, "plugin %q: generations count from 1", in.Plugin)
	case p.active != nil && p.active.Generation == in.Generation && p.plan == nil:
		return errorOf(ErrExists, "plugin %q: generation %d is the active one", in.Plugin, in.Generation)
	case p.last != nil && p.last.Generation == in.Generation:
		p.recoverAt = now
		return errorOf(ErrExists, "plugin %q: generation %d has stopped, and is being activated again", in.Plugin, in.Generation)
	}
	m.withdraw(p, fmt.Sprintf("superseded by generation %d", in.Generation))
	m.wait(p, &candidate{generation: in.Generation, back: in.Back})
	for _, other := range m.open {
		if c := other.pending; c != nil && c.blocked != "" && slices.Contains(c.until, p) {
			c.blocked, c.until = "", nil
		}
	}
	return nil
}

// wait has a candidate of a plugin wait until it can be exchanged.
func (m *machine) wait(p *plugin, c *candidate) {
	p.pending = c
	m.open = append(m.open, p)
}

// withdraw drops the version that waits.
func (m *machine) withdraw(p *plugin, why string) {
	if c := p.pending; c != nil {
		p.pending = nil
		m.say(p, Outcome{Verdict: Withdrawn, Generation: c.generation, Reason: why})
		m.emit(drop{p.ID, c.generation})
	}
}

func (m *machine) fileRemoved(id string) error {
	p, err := m.known(id)
	if err != nil {
		return err
	}
	m.withdraw(p, "its file was removed")
	if p.active != nil {
		m.say(p, Outcome{Verdict: Noted, Reason: fmt.Sprintf("its file was removed; generation %d goes on", p.active.Generation)})
	}
	return nil
}

func (m *machine) rejected(in rejected) error {
	p, err := m.known(in.Plugin)
	if err == nil {
		m.say(p, Outcome{Verdict: Rejected, Reason: in.Reason})
	}
	return err
}

func (m *machine) takeWithoutState(id string) error {
	p, err := m.known(id)
	if err != nil {
		return err
	}
	if p.pending == nil {
		return errorOf(ErrInvalid, "plugin %q: no version waits to be taken without the state", id)
	}
	p.pending.withoutState, p.pending.blocked, p.pending.until, p.pending.notBefore = true, "", nil, time.Time{}
	return nil
}

// say completes an outcome and gives it to the host.
func (m *machine) say(p *plugin, o Outcome) {
	o.Plugin = p.ID
	if p.active != nil && !p.leaving {
		o.Active = p.active.Generation
	} else if o.Down == "" {
		o.Down = p.down
	}
	if o.Verdict != Noted {
		p.outcome, p.outcomeTime = o, m.now
	}
	m.emit(say{o})
}

// ------------------------------------------------------------------- tasks

// begin starts a step of a version, for a plan or for the version's end.
func (m *machine) begin(t *task, now time.Time) *task {
	t.id = m.number()
	v := t.version
	switch t.step {
	case AwaitIdle:
		v.idle = t
		if d := v.p.Limits.inUse(); t.plan == nil && d > 0 {
			t.notice = now.Add(d)
		}
	case Quiesce:
		v.idle = t
	case Activate:
	default:
		v.task = t
		t.limit = v.p.Limits.limit(t.step)
	}
	if t.step == Init {
		v.needs = t.needs
		for _, n := range v.needs {
			n.users++
		}
	}
	m.tasks[t.id] = t
	m.emit(begin{t})
	m.progress = true
	return t
}

// giveUp stops waiting for a task. Waiting for calls ends at once; plugin code
// remains where it is until it returns.
func (m *machine) giveUp(t *task) {
	t.overdue, t.plan, t.deadline, t.notice = true, nil, time.Time{}, time.Time{}
	m.emit(cancel{t.id})
	if t.version.idle == t {
		t.version.idle = nil
		delete(m.tasks, t.id)
	}
}

// returned takes the answer of a task.
func (m *machine) returned(in returned, now time.Time) {
	t := m.tasks[in.Task]
	if t == nil {
		return // given up
	}
	delete(m.tasks, t.id)
	v, pl := t.version, t.plan
	m.apply(t, in.Result)
	m.progress = true
	switch {
	case pl != nil:
		pl.task = nil
		m.planStepEnded(pl, t, in.Result, now)
	case v.p.last == v && v.p.down != "":
		v.p.recoverAt, v.p.pause = now, 0
		switch saved := v.p.saved; {
		case saved == nil:
		case t.step == Restore && in.Result.Failure == "":
			saved.lost = false
		case t.step == Exit:
			saved.lost = v.state != initialised
		}
	case v.retiring:
		m.retireStepEnded(t, in.Result, now)
		if v.p.down != "" { // v may have held what the stopped version needs
			v.p.recoverAt, v.p.pause = now, 0
		}
	}
}

// apply notes what a task has done to its version.
func (m *machine) apply(t *task, r Result) {
	v := t.version
	if v.task == t {
		v.task = nil
	}
	if v.idle == t {
		v.idle = nil
		v.isIdle = r.Failure == ""
	}
	switch t.step {
	case Load:
		if r.Failure == "" {
			v.state, v.hooks = loaded, r.Hooks
		}
	case Init:
		if r.Failure == "" {
			v.state = initialised
		} else {
			v.release()
		}
	case Exit: // a version whose exit failed has nothing else to call
		if !r.notDone() {
			v.state, v.prepared = loaded, false
			v.release()
		}
	case Prepare:
		v.prepared = r.Failure == ""
	case Unload:
		if !r.notDone() {
			v.state = absent
		}
	}
}

// release says that a version does not use its needs any more.
func (v *version) release() {
	for _, n := range v.needs {
		n.users--
	}
	v.needs = nil
}

// expire gives up what has taken too long, and says what takes long.
func (m *machine) expire(now time.Time) {
	for _, id := range m.taskIDs() {
		t := m.tasks[id]
		if t == nil {
			continue
		}
		if !t.notice.IsZero() && !t.notice.After(now) {
			t.notice = time.Time{}
			m.say(t.version.p, Outcome{Verdict: Noted, Generation: t.version.Generation, At: t.version.Version, Step: t.step,
				Reason: fmt.Sprintf("is still in use after %s", t.version.p.Limits.inUse())})
		}
		if t.deadline.IsZero() || t.deadline.After(now) {
			continue
		}
		pl := t.plan
		r := Result{Failure: fmt.Sprintf("did not return within %s", t.limit)}
		if t.step == Quiesce || t.step == AwaitIdle {
			r = Result{Fault: OfNobody, Failure: fmt.Sprintf("calls under way did not end within %s", t.limit)}
		}
		m.giveUp(t)
		m.progress = true
		switch {
		case pl != nil:
			pl.task = nil
			m.planStepEnded(pl, t, r, now)
		case t.version.retiring:
			m.say(t.version.p, Outcome{Verdict: Noted, Generation: t.version.Generation, At: t.version.Version, Step: t.step,
				Reason: fmt.Sprintf("stays loaded: its %s %s", t.step, r.Failure)})
		}
	}
}

func (m *machine) taskIDs() []uint64 {
	ids := make([]uint64, 0, len(m.tasks))
	for id := range m.tasks {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// due is when the machine must hear of the time; zero if it need not.
func (m *machine) due() time.Time {
	var due time.Time
	add := func(t time.Time) { // what is due already waits for something else
		if t.After(m.now) && (due.IsZero() || t.Before(due)) {
			due = t
		}
	}
	for _, t := range m.tasks {
		add(t.deadline)
		add(t.notice)
	}
	for _, v := range m.retiring {
		add(v.retryAt)
	}
	for _, pl := range m.plans {
		if pl.waitsAlone {
			add(pl.quiesceEnd)
		}
	}
	for _, p := range m.open {
		if p.plan != nil {
			continue
		}
		if p.pending != nil && p.pending.blocked == "" {
			add(p.pending.notBefore)
		}
		add(p.recoverAt)
	}
	for _, s := range m.sets {
		if !s.since.IsZero() && !s.said {
			add(s.since.Add(s.wait()))
		}
	}
	return due
}

// -------------------------------------------------------------- retirement

// retire begins the end of a version: it exits after its last call and after all
// versions that use it, and is unloaded.
func (m *machine) retire(v *version) {
	if !v.retiring {
		v.retiring = true
		m.retiring = append(m.retiring, v)
		m.progress = true
	}
}

// retireFurther begins the next step of the end of a version.
func (m *machine) retireFurther(v *version, now time.Time) {
	switch {
	case v.task != nil || v.idle != nil || !v.retiring || v.retryAt.After(now):
	case v.state == absent:
		v.retiring = false
		m.retiring = without(m.retiring, v)
		m.emit(forget{v.Version})
		m.progress = true
	case !v.isIdle && v.activated:
		m.begin(&task{step: AwaitIdle, version: v}, now)
	case v.users > 0:
	case v.state == initialised:
		m.begin(&task{step: Exit, version: v}, now)
	default:
		m.begin(&task{step: Unload, version: v}, now)
	}
}

// retireStepEnded says what was not as it should be.
func (m *machine) retireStepEnded(t *task, r Result, now time.Time) {
	if v := t.version; r.notDone() {
		v.pause = nextPause(v.pause)
		v.retryAt = now.Add(v.pause)
		return
	}
	o := Outcome{Verdict: Noted, Generation: t.version.Generation, At: t.version.Version, Step: t.step}
	switch {
	case t.overdue:
		return // said already
	case r.Failure != "":
		o.Reason = fmt.Sprintf("could not %s: %s", t.step, r.Failure)
	case r.Kept != "":
		o.Reason = "stays in memory: " + r.Kept
	default:
		return
	}
	m.say(t.version.p, o)
}

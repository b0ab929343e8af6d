// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// world is a language with a clock of its own: it runs the steps that a machine asks
// for, and finds fault with every step that a language could not run.
type world struct {
	m       *machine
	start   time.Time
	now     time.Time
	hooks   map[string]Hooks
	scripts []*script
	fits    func([]Version) string // the host's check

	gates    map[string]*gate
	loaded   map[uint64]*fakeVersion // by instance
	running  []*run
	outcomes []Outcome
	dropped  []drop
	over     bool
	faults   []string
	out      strings.Builder
	steps    int // begun so far
	onStep   func(t *task) *script
}

// script says how a step of a version ends.
type script struct {
	plugin     string
	generation uint64 // 0: of any
	step       Step
	fail       string
	busy       bool
	kept       string
	takes      time.Duration
	hang       bool
	always     bool
}

type gate struct {
	version *fakeVersion // that answers; nil if none
	held    bool
	reason  string
}

type fakeVersion struct {
	Version
	state  versionState
	busy   *task // plugin code that runs in it
	calls  int
	needs  []*fakeVersion
	data   string // its state
	ready  bool   // prepared
	kept   bool
	forgot bool
}

// run is a step that has not returned.
type run struct {
	t      *task
	s      *script
	end    time.Time // zero: it hangs
	given  bool      // nobody waits for it
	result Result
}

func newWorld() *world {
	start := time.Unix(1_000_000, 0)
	return &world{m: newMachine(), start: start, now: start, hooks: map[string]Hooks{}, gates: map[string]*gate{},
		loaded: map[uint64]*fakeVersion{}, fits: func([]Version) string { return "" }}
}

func (w *world) faultf(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

func (w *world) printf(format string, args ...any) {
	fmt.Fprintf(&w.out, "%6s  %s\n", w.now.Sub(w.start), fmt.Sprintf(format, args...))
}

// input gives the machine an input and does what it asks for.
func (w *world) input(in any) error {
	effects, err := w.m.step(in, w.now)
	for _, e := range effects {
		w.do(e)
	}
	return err
}

func (w *world) do(e any) {
	switch e := e.(type) {
	case begin:
		w.begin(e.task)
	case cancel:
		for _, r := range w.running {
			if r.t.id == e.task {
				r.given = true
				w.printf("give up %s of %s", r.t.step, shortName(r.t.version.Version))
			}
		}
	case shut:
		w.printf("shut %s: %s", e.plugin, e.reason)
		w.gates[e.plugin] = &gate{reason: e.reason}
	case forget:
		w.forget(e.version)
	case check:
		reason := w.fits(e.versions)
		w.printf("check %s: %s", e.set, map[bool]string{true: "fits", false: reason}[reason == ""])
		w.input(checked{e.id, reason})
	case say:
		w.printf("> %s", e.outcome)
		w.outcomes = append(w.outcomes, e.outcome)
	case drop:
		w.dropped = append(w.dropped, e)
	case closed:
		w.printf("closed")
		w.over = true
	default:
		w.faultf("unknown effect %T", e)
	}
}

func shortName(v Version) string { return fmt.Sprintf("%s %d", v.Plugin, v.Generation) }

func (w *world) names(all []*version) string {
	var names []string
	for _, v := range all {
		names = append(names, shortName(v.Version))
	}
	return strings.Join(names, ", ")
}

// fake returns what stands for a version, which must be loaded.
func (w *world) fake(v *version) *fakeVersion {
	f := w.loaded[v.Instance]
	if f == nil {
		w.faultf("%s is not loaded", v.Version)
		f = &fakeVersion{Version: v.Version}
		w.loaded[v.Instance] = f
	}
	return f
}

func (w *world) gate(id string) *gate {
	if w.gates[id] == nil {
		w.gates[id] = &gate{}
	}
	return w.gates[id]
}

// begin begins a step, and says so if a language could not.
func (w *world) begin(t *task) {
	v := t.version
	if t.step == Load && w.loaded[v.Instance] == nil {
		w.loaded[v.Instance] = &fakeVersion{Version: v.Version}
	}
	f := w.fake(v)
	if f.forgot {
		w.faultf("%s of %s, which was forgotten", t.step, v.Version)
	}
	w.mustBePossible(t, f)
	switch t.step {
	case Activate:
		w.printf("activate %s", w.names(t.all))
	case Init:
		more := ""
		if len(t.needs) > 0 {
			more = " with " + w.names(t.needs)
		}
		w.printf("init %s%s", shortName(v.Version), more)
	default:
		w.printf("%s %s", t.step, shortName(v.Version))
	}
	r := &run{t: t, s: w.scriptFor(t), end: w.now}
	w.steps++
	w.running = append(w.running, r)
	w.input(started{t.id})
	switch t.step {
	case Quiesce, AwaitIdle:
		r.end = time.Time{} // calls decide
	case Activate:
	default:
		f.busy = t
	}
	if t.step == Init {
		for _, n := range t.needs {
			f.needs = append(f.needs, w.fake(n))
		}
	}
	if s := r.s; s != nil {
		r.end = r.end.Add(s.takes)
		if s.hang {
			r.end = time.Time{}
		}
		r.result = Result{Failure: s.fail, Kept: s.kept}
		if s.busy {
			r.result.Fault = OfNobody
		}
	}
}

func (w *world) scriptFor(t *task) *script {
	if w.onStep != nil {
		return w.onStep(t)
	}
	for i, s := range w.scripts {
		if s.plugin == t.version.Plugin && s.step == t.step && (s.generation == 0 || s.generation == t.version.Generation) {
			if !s.always {
				w.scripts = slices.Delete(w.scripts, i, i+1)
			}
			return s
		}
	}
	return nil
}

func (w *world) mustBePossible(t *task, f *fakeVersion) {
	g := w.gate(f.Plugin)
	answers := g.version == f
	want := func(ok bool, why string) {
		if !ok {
			w.faultf("%s of %s: %s", t.step, f.Version, why)
		}
	}
	if t.step != Quiesce && t.step != AwaitIdle && t.step != Activate {
		want(f.busy == nil, "another step runs in it")
	}
	switch t.step {
	case Load:
		want(f.state == absent, "it is loaded")
	case Init:
		want(f.state == loaded, "it is not loaded, or initialised already")
		for _, n := range t.needs {
			want(w.fake(n).state == initialised, "it needs "+n.String()+", which is not initialised")
		}
		for _, id := range t.version.p.Needs {
			want(slices.ContainsFunc(t.needs, func(n *version) bool { return n.Plugin == id }), "it is not given "+id)
		}
	case Save:
		want(f.state == initialised, "it is not initialised")
		want(f.calls == 0 && (g.held || !answers), "calls are under way or can begin")
	case Prepare:
		want(f.state == initialised && !f.ready, "it is not initialised, or prepared already")
		want(!answers || g.held, "it answers")
	case Restore:
		want(f.state == initialised, "it is not initialised")
		want(f.calls == 0 && (g.held || !answers), "calls are under way or can begin")
	case Exit:
		want(f.state == initialised, "it is not initialised")
		want(f.calls == 0 && (g.held || !answers), "calls are under way or can begin")
		for _, other := range w.loaded {
			if slices.Contains(other.needs, f) {
				want(false, other.String()+" uses it")
			}
		}
	case Unload:
		want(f.state == loaded, "it is not loaded, or initialised")
		want(f.calls == 0 && (g.held || !answers), "calls are under way or can begin")
	case Quiesce:
		want(answers, "it does not answer")
	case Activate:
		for _, v := range t.all {
			want(w.fake(v).state == initialised, v.String()+" is not initialised")
			want(w.fake(v).ready || !w.hooks[v.Plugin].Prepare, v.String()+" is not prepared")
			busy := w.fake(v).busy
			want(busy == nil || busy.step == Save, v.String()+" has a step that runs")
			for _, n := range w.fake(v).needs {
				want(n.state == initialised, v.String()+" needs what is not initialised")
			}
		}
	}
}

// settle lets everything happen that happens now.
func (w *world) settle() {
	for range 10_000 {
		if !w.returnOne() {
			return
		}
	}
	w.faultf("the machine does not come to rest")
}

func (w *world) returnOne() bool {
	for _, r := range w.running {
		if r.t.step == Quiesce && !r.given {
			w.gate(r.t.version.Plugin).held = true
		}
		waitsForCalls := r.t.step == Quiesce || r.t.step == AwaitIdle
		over := !r.end.IsZero() && !r.end.After(w.now)
		if waitsForCalls && r.s == nil {
			over = r.given || w.fake(r.t.version).calls == 0
		}
		if over {
			w.ret(r)
			return true
		}
	}
	return false
}

// ret has a step return.
func (w *world) ret(r *run) {
	w.running = without(w.running, r)
	f, t := w.fake(r.t.version), r.t
	if f.busy == t {
		f.busy = nil
	}
	if r.result.Failure != "" {
		w.printf("  %s %s: %s", t.step, shortName(f.Version), r.result.Failure)
	}
	if t.step == Init && r.result.Failure != "" || t.step == Exit && !r.result.notDone() {
		f.needs = nil
	}
	if r.result.notDone() {
		w.input(returned{t.id, r.result})
		return
	}
	if t.step == Exit {
		f.state, f.ready = loaded, false
	}
	if t.step == Unload {
		f.state, f.kept = absent, r.result.Kept != ""
	}
	if r.result.Failure == "" {
		switch t.step {
		case Load:
			f.state = loaded
			r.result.Hooks = w.hooks[f.Plugin]
		case Init:
			f.state, f.data = initialised, fmt.Sprintf("new %d", f.Generation)
		case Prepare:
			f.ready = true
		case Save:
			r.result.State = f.data
		case Restore:
			f.data = t.state.(string)
		case Activate:
			for _, v := range t.all {
				w.gates[v.Plugin] = &gate{version: w.fake(v)}
			}
		}
	}
	w.input(returned{t.id, r.result})
}

func (w *world) forget(v Version) {
	f := w.loaded[v.Instance]
	if f == nil {
		return // its load was never begun
	}
	if f.state != absent || f.calls > 0 || f.busy != nil {
		w.faultf("%s is forgotten while it is in use", v)
	}
	f.forgot = true
	delete(w.loaded, v.Instance)
}

// advance lets time pass.
func (w *world) advance(d time.Duration) {
	end := w.now.Add(d)
	for range 10_000 {
		w.settle()
		next := w.m.due()
		for _, r := range w.running {
			if !r.end.IsZero() && (next.IsZero() || r.end.Before(next)) {
				next = r.end
			}
		}
		if next.IsZero() || next.After(end) {
			w.now = end
			return
		}
		if next.After(w.now) {
			w.now = next
		}
		w.settle()
		w.input(tick{})
	}
	w.faultf("the machine needs the time without pause")
}

// call begins a call, and reports whether it could.
func (w *world) call(id string) *fakeVersion {
	g := w.gate(id)
	if g.held || g.version == nil {
		return nil
	}
	g.version.calls++
	return g.version
}

func (w *world) live() (all []*fakeVersion) {
	for _, i := range slices.Sorted(maps.Keys(w.loaded)) {
		all = append(all, w.loaded[i])
	}
	return all
}

// SPDX-License-Identifier: MIT

package reload

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// effort multiplies what the tests of this file try: make soak.
var effort = flag.Uint64("effort", 1, "how many times more random plugins")

// model is a world with random plugins, which finds fault with what a host would
// notice. It knows nothing of plans.
type model struct {
	*world
	r       *rand.Rand
	specs   []Plugin
	newest  map[string]uint64
	first   map[string]string // state of the first version that answered
	offered map[offer]int     // how often
	added   map[string]bool

	shutForGood bool // closed, or an activation failed: plugins may stop answering
}

// newModel makes up to n plugins that need each other at random, and offers a first
// version of each.
func newModel(seed uint64, n int) *model {
	m := &model{world: newWorld(), r: rand.New(rand.NewPCG(seed, 7)), newest: map[string]uint64{}, first: map[string]string{}, offered: map[offer]int{}, added: map[string]bool{}}
	var in addPlugins
	for i := range 1 + m.r.IntN(n) {
		p := Plugin{ID: string(rune('a' + i)), Mode: Mode(m.r.IntN(3)), StateOptional: m.r.IntN(3) == 0}
		for _, other := range in.Plugins {
			if m.r.IntN(3) == 0 {
				p.Needs = append(p.Needs, other.ID)
			}
		}
		m.hooks[p.ID] = Hooks{Init: true, Exit: true, Save: m.r.IntN(2) == 0, Restore: m.r.IntN(3) > 0, Prepare: m.r.IntN(3) == 0}
		in.Plugins = append(in.Plugins, p)
	}
	if len(in.Plugins) > 1 && m.r.IntN(2) == 0 {
		in.Sets = []Set{{ID: "set", Check: m.r.IntN(2) == 0}}
		for _, i := range m.r.Perm(len(in.Plugins))[:2] {
			in.Plugins[i].Together = "set"
		}
	}
	// Whatever is in the set fits if the generations are the same.
	m.fits = func(versions []Version) string {
		for _, v := range versions {
			if v.Generation != versions[0].Generation {
				return "they differ"
			}
		}
		return ""
	}
	m.specs = in.Plugins
	if err := m.input(in); err != nil {
		m.faultf("%v", err)
	}
	for _, p := range in.Plugins {
		m.added[p.ID] = true
	}
	m.offerAll(1)
	m.rest()
	return m
}

func (m *model) offerAll(generation uint64) {
	for _, p := range m.specs {
		if m.added[p.ID] {
			m.offer(p.ID, generation)
		}
	}
}

func (m *model) offer(id string, generation uint64) {
	m.printf("* offer %s %d", id, generation)
	back := generation < m.newest[id]
	if err := m.input(offer{Plugin: id, Generation: generation, Back: back}); err != nil {
		if !errors.Is(err, ErrExists) || !back {
			m.faultf("%v", err)
		}
		m.printf("  %v", err)
		return
	}
	m.offered[offer{Plugin: id, Generation: generation}]++
	m.newest[id] = max(m.newest[id], generation)
}

// rest lets the model come to rest and looks at it after each step that returns.
func (m *model) rest() {
	for range 2000 {
		m.mustBeConsistent()
		if !m.returnOne() {
			return
		}
	}
	m.faultf("the machine does not come to rest")
}

func (m *model) pass(d time.Duration) {
	m.advance(d)
	m.mustBeConsistent()
}

// mustBeConsistent says what callers would notice at any time.
func (m *model) mustBeConsistent() {
	sets := map[string]map[uint64]bool{}
	for _, p := range m.specs {
		g := m.gate(p.ID)
		if g.version == nil {
			if m.first[p.ID] != "" && p.Mode == SideBySide && len(p.Needs) == 0 && m.added[p.ID] && !m.shutForGood {
				m.faultf("%s does not answer, although its old version needs not exit for the new one", p.ID)
			}
			continue
		}
		if m.first[p.ID] == "" {
			m.first[p.ID] = g.version.data
		}
		if !g.held && g.version.state != initialised {
			m.faultf("%s answers, but is not initialised", g.version.Version)
		}
		if p.Together != "" && m.m.findSet("set") != nil && m.m.findSet("set").Check && !g.held {
			if sets[p.Together] == nil {
				sets[p.Together] = map[uint64]bool{}
			}
			sets[p.Together][g.version.Generation] = true
		}
		if g.held {
			continue
		}
		for _, n := range g.version.needs {
			needed := m.gate(n.Plugin)
			if needed.version != nil && !needed.held && needed.version != n {
				m.faultf("%s answers with %s, but %s answers", g.version.Version, n.Version, needed.version.Version)
			}
		}
	}
	for id, generations := range sets {
		if len(generations) > 1 {
			m.faultf("the versions of the set %s do not fit: %v", id, generations)
		}
	}
}

// mustEndWell lets everything end that can, and finds every plugin answering, or an
// outcome that says why it does not.
func (m *model) mustEndWell(hangs bool) {
	m.endTroubles(hangs)
	m.rest()
	m.pass(3 * time.Hour)
	for _, p := range m.specs {
		if !m.added[p.ID] {
			continue
		}
		g, st := m.gate(p.ID), must(m.m.status(p.ID))
		said := m.lastOutcome(p.ID)
		switch {
		case g.held:
			m.faultf("callers of %s wait for ever", p.ID)
		case st.Exchanging != 0:
			m.faultf("the exchange of %s does not end: %+v", p.ID, st)
		case g.version != nil:
			if st.Active != g.version.Generation || st.Active != said.Active {
				m.faultf("%s: generation %d answers, the machine says %+v, the host was told %d", p.ID, g.version.Generation, st, said.Active)
			}
		case said.Down == "" && st.Down == "" && m.everAnswered(p.ID):
			m.faultf("nothing answers for %s, and the outcome does not say why: %s", p.ID, said)
		case st.Down != "" && !hangs:
			m.faultf("%s has stopped for ever: %s", p.ID, st.Down)
		}
		if !hangs && st.Old > 0 {
			m.faultf("%d old versions of %s are not unloaded", st.Old, p.ID)
		}
		m.mustHaveOneEnd(p.ID, st)
		m.mustHaveItsState(p.ID, g.version)
	}
	if hangs {
		return
	}
	m.mustClose()
}

// endTroubles has all calls end, and all steps work.
func (m *model) endTroubles(hangs bool) {
	m.onStep = func(*task) *script { return nil }
	for _, f := range m.live() {
		f.calls = 0
	}
	for _, r := range m.running {
		if r.end.IsZero() && r.s != nil && !hangs {
			r.end = m.now
		}
	}
}

// mustClose closes the machine, whatever it does, and finds nothing left.
func (m *model) mustClose() {
	m.printf("* close")
	m.shutForGood = true
	m.input(closeMachine{})
	m.rest()
	m.pass(time.Minute)
	m.endTroubles(false)
	m.rest()
	m.pass(time.Hour)
	if !m.over {
		m.faultf("the machine does not close")
	}
	for _, f := range m.live() {
		m.faultf("%s is left", f.Version)
	}
}

func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

func (m *model) lastOutcome(id string) Outcome {
	for _, o := range slices.Backward(m.outcomes) {
		if o.Plugin == id {
			return o
		}
	}
	return Outcome{}
}

func (m *model) everAnswered(id string) bool {
	return slices.ContainsFunc(m.outcomes, func(o Outcome) bool { return o.Plugin == id && o.Verdict == Done })
}

// mustHaveOneEnd finds that each version that was offered has either one end or
// still waits.
func (m *model) mustHaveOneEnd(id string, st Status) {
	for generation := uint64(1); generation <= m.newest[id]; generation++ {
		offers := m.offered[offer{Plugin: id, Generation: generation}]
		ends := 0
		for _, o := range m.outcomes {
			if o.Plugin == id && o.Generation == generation && (o.Verdict == Done || o.Verdict == Failed || o.Verdict == Withdrawn) {
				ends++
			}
		}
		if st.Pending == generation {
			ends++
		}
		dropped := 0
		for _, d := range m.dropped {
			if d.plugin == id && d.generation == generation {
				dropped++
			}
		}
		waits := map[bool]int{true: 1}[st.Pending == generation]
		if ends != offers || dropped+waits != offers {
			m.faultf("%s generation %d was offered %d times, has %d ends and was dropped %d times", id, generation, offers, ends, dropped)
		}
	}
}

// mustHaveItsState finds the state of the first version in the one that answers, or an
// outcome that says that it was lost.
func (m *model) mustHaveItsState(id string, v *fakeVersion) {
	if h := m.hooks[id]; !h.Save || !h.Restore || v == nil || v.data == m.first[id] {
		return
	}
	for _, o := range m.outcomes {
		if o.Plugin == id && strings.Contains(strings.Join(o.Notes, " "), "without") {
			return
		}
	}
	m.faultf("%s has lost its state: it is %q, not %q, and no outcome says so", id, v.data, m.first[id])
}

// failures are the ways in which a step goes wrong.
var failures = []script{
	{fail: "an error"},
	{fail: "not now", busy: true},
	{takes: 30 * time.Second},
	{takes: 30 * time.Second, fail: "a late error"},
	{hang: true},
}

// TestWhateverStepFailsTheOldVersionsAnswerOrTheOutcomeSaysWhyNot exchanges versions
// of random plugins again and again, and has another step fail each time, then each
// pair of steps.
func TestWhateverStepFailsTheOldVersionsAnswerOrTheOutcomeSaysWhyNot(t *testing.T) {
	plans := 0
	for seed := range 10 * *effort {
		for kind := range failures {
			for at := 0; ; at++ {
				reached := exchangeWithFailures(t, seed, map[int]int{at: kind})
				plans++
				if t.Failed() {
					return
				}
				if !reached {
					break
				}
				for second := at + 1; second < at+8; second++ {
					if !exchangeWithFailures(t, seed, map[int]int{at: kind, second: (kind + second) % len(failures)}) {
						break
					}
					plans++
				}
			}
		}
	}
	t.Logf("%d plans", plans)
}

// exchangeWithFailures exchanges all plugins; the steps with these numbers fail. It
// reports whether the last of them was begun.
func exchangeWithFailures(t *testing.T, seed uint64, fail map[int]int) bool {
	m := newModel(seed, 4)
	first, last, hangs := m.steps, 0, false
	for at := range fail {
		last = max(last, at)
	}
	m.onStep = func(tk *task) *script {
		kind, ok := fail[m.steps-first]
		if !ok || tk.step == Quiesce || tk.step == AwaitIdle {
			return nil
		}
		f := failures[kind]
		if tk.step == Activate { // must not wait
			f, m.shutForGood = failures[kind%2], true
		}
		hangs = hangs || f.hang
		m.printf("! %s goes wrong: %+v", tk.step, f)
		return &f
	}
	if m.r.IntN(2) == 0 || len(m.specs) == 1 {
		m.offerAll(2)
	} else {
		m.offer(m.specs[m.r.IntN(len(m.specs))].ID, 2)
	}
	m.rest()
	reached := m.steps-first > last
	m.pass(11 * time.Second)
	m.pass(time.Minute)
	m.mustEndWell(hangs)
	m.report(t, fmt.Sprintf("seed %d, failures %v", seed, fail))
	return reached
}

func (m *model) report(t *testing.T, what string) {
	t.Helper()
	if len(m.faults) > 0 {
		t.Errorf("%s: %s\n%+v %v\n%s", what, strings.Join(m.faults[:min(5, len(m.faults))], "\n"), m.specs, m.hooks, m.out.String())
	}
}

// TestRandomPluginsCallsAndFailures lets offers, calls, removals and failures of all
// kinds come at random.
func TestRandomPluginsCallsAndFailures(t *testing.T) {
	for seed := range 100 * *effort {
		m := newModel(seed, 5)
		m.onStep = func(tk *task) *script {
			if tk.step == Quiesce || tk.step == AwaitIdle || m.r.IntN(6) > 0 {
				return nil
			}
			f := failures[m.r.IntN(len(failures))]
			if tk.step == Activate {
				if seed%2 == 0 {
					return nil
				}
				f, m.shutForGood = failures[m.r.IntN(2)], true
			}
			m.printf("! %s goes wrong: %+v", tk.step, f)
			return &f
		}
		end := 50
		if seed%4 == 0 {
			end = m.r.IntN(50)
		}
		for i := range 50 {
			if i == end {
				m.mustClose()
				break
			}
			m.randomStep()
			m.rest()
			m.pass(time.Duration(m.r.IntN(4000)) * time.Millisecond)
		}
		if end == 50 {
			m.mustEndWell(false)
		}
		m.report(t, fmt.Sprintf("seed %d", seed))
		if t.Failed() {
			return
		}
	}
}

func (m *model) randomStep() {
	p := m.specs[m.r.IntN(len(m.specs))]
	if !m.added[p.ID] {
		return
	}
	switch m.r.IntN(15) {
	case 0, 1, 2:
		generation := m.newest[p.ID] + 1
		m.offer(p.ID, generation)
		if p.Together != "" {
			for _, other := range m.specs {
				if other.Together == p.Together && other.ID != p.ID && m.added[other.ID] {
					m.offer(other.ID, max(generation, m.newest[other.ID]+1))
				}
			}
		}
	case 3, 4, 5:
		if f := m.call(p.ID); f != nil {
			m.printf("* call of %s", f.Version)
		}
	case 6, 7, 8:
		for _, f := range m.live() {
			if f.calls > 0 {
				m.printf("* call of %s ends", f.Version)
				f.calls--
				break
			}
		}
	case 9:
		for _, r := range m.running {
			if r.s != nil && r.s.hang {
				r.end = m.now
				break
			}
		}
	case 10:
		m.printf("* without state %s", p.ID)
		if m.input(withoutState{p.ID}) == nil {
			m.hooks[p.ID] = Hooks{Init: true, Exit: true} // of later versions; the state is lost
		}
	case 11, 12:
		if n := m.newest[p.ID]; n > 1 {
			m.offer(p.ID, n-1)
		}
	case 13:
		m.printf("* file of %s removed", p.ID)
		m.input(fileRemoved{p.ID})
	case 14:
		if m.r.IntN(10) == 0 {
			m.remove(p.ID)
		}
	}
}

func (m *model) remove(id string) {
	m.printf("* remove %s", id)
	if m.input(removePlugins{[]string{id}}) == nil {
		m.added[id] = false
	}
}

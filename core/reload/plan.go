// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"slices"
	"time"
)

// plan exchanges the versions of its members, or puts everything back.
type plan struct {
	members  []*member // each after those that it needs
	ops      []op
	at       int
	journal  []op // what was done
	task     *task
	back     bool // undoing
	recovery bool // the only member had stopped
	ended    bool
	failure  failure
	given    string // why the plan is given up

	quiesceEnd time.Time // when calls under way must have ended
	waitsAlone bool
}

// member is a plugin in a plan.
type member struct {
	p    *plugin
	old  *version // nil if none answers
	new  *version // the old one, if the plugin is only restarted
	c    *candidate
	mode Mode

	held     bool // callers wait
	state    any
	hasState bool
	restored bool   // to the old version, on the way back
	exited   bool   // the old version
	lost     string // why the state could not be saved or restored
	ownState bool   // the version that is gone back to goes on with the state that it has
	down     string
	notes    []string
}

// noteLoss notes that a version answers without the state that it should have.
func (mem *member) noteLoss() {
	if mem.lost != "" {
		mem.notes = append(mem.notes, "without the saved state: "+mem.lost)
	}
}

// op is a step of a plan. Whether it is needed is decided when its turn comes.
type op struct {
	step Step
	m    *member
	v    *version
}

// failure says why a plan is undone.
type failure struct {
	m       *member
	at      Version
	step    Step
	reason  string
	verdict Verdict // for the candidates
}

func (mem *member) restarts() bool { return mem.old == mem.new }

// forward lists the steps of an exchange; see the package's documentation.
func (pl *plan) forward() (ops []op) {
	backward := slices.Clone(pl.members)
	slices.Reverse(backward)
	for _, mem := range pl.members {
		if !mem.restarts() && mem.mode != UnloadFirst {
			ops = append(ops, op{Load, mem, mem.new})
		}
		if last := mem.p.last; last != nil { // it has stopped, and is in nobody's way
			ops = append(ops, op{AwaitIdle, mem, last}, op{Save, mem, last})
			if mem.mode != SideBySide {
				ops = append(ops, op{Exit, mem, last})
			}
			if mem.mode == UnloadFirst {
				ops = append(ops, op{Unload, mem, last})
			}
		}
	}
	for _, mem := range pl.members {
		if mem.mode == SideBySide {
			ops = append(ops, op{Init, mem, mem.new})
		}
	}
	for _, mem := range backward {
		if mem.old == nil {
			continue
		}
		ops = append(ops, op{alone, mem, mem.old}, op{Quiesce, mem, mem.old})
		if !mem.restarts() {
			ops = append(ops, op{AwaitIdle, mem, mem.new})
		}
	}
	for _, mem := range backward {
		if mem.old == nil {
			continue
		}
		ops = append(ops, op{Save, mem, mem.old})
		if mem.mode != SideBySide {
			ops = append(ops, op{Exit, mem, mem.old})
		}
		if mem.mode == UnloadFirst && !mem.restarts() {
			ops = append(ops, op{Unload, mem, mem.old})
		}
	}
	for _, mem := range pl.members {
		if mem.mode == UnloadFirst && !mem.restarts() {
			ops = append(ops, op{Load, mem, mem.new})
		}
		if mem.mode != SideBySide {
			ops = append(ops, op{Init, mem, mem.new})
		}
		ops = append(ops, op{Restore, mem, mem.new}, op{Prepare, mem, mem.new})
	}
	return append(ops, op{step: Activate, m: pl.members[0], v: pl.members[0].new})
}

// backward lists the steps that undo what was done. What was loaded and initialised
// side by side is retired afterwards: nobody has to wait for that.
func (pl *plan) backward() (ops []op) {
	for _, o := range slices.Backward(pl.journal) {
		mem := o.m
		switch {
		case o.v == mem.p.last:
		case o.step == Load && mem.mode == UnloadFirst:
			ops = append(ops, op{Unload, mem, mem.new})
		case o.step == Init && mem.mode != SideBySide:
			ops = append(ops, op{Exit, mem, mem.new})
		case o.step == Unload:
			ops = append(ops, op{Load, mem, mem.old})
		case o.step == Exit:
			ops = append(ops, op{Init, mem, mem.old})
			if !mem.hasState {
				ops = append(ops, op{Prepare, mem, mem.old})
			}
		case o.step == Save:
			ops = append(ops, op{Restore, mem, mem.old}, op{Prepare, mem, mem.old})
		}
	}
	return append(ops, op{step: Activate, m: pl.members[0], v: pl.members[0].new})
}

// handsOver reports whether the old version's state goes to the new one.
func (mem *member) handsOver() bool {
	if mem.old == nil || !mem.old.hooks.Save || (mem.c != nil && mem.c.withoutState) || mem.ownState {
		return false
	}
	if mem.mode == SideBySide {
		return mem.new.hooks.Restore
	}
	// What exits needs its state again on the way back.
	return mem.old.hooks.Restore || mem.new.hooks.Restore || mem.new.state == absent
}

// needed reports whether a step has something to do.
func (m *machine) needed(pl *plan, o op) bool {
	mem, v := o.m, o.v
	if pl.back {
		return m.neededBack(pl, o)
	}
	if v == mem.p.last && !pl.recovery && (v.task != nil || (v.users > 0 && (o.step == Exit || o.step == Unload))) {
		return false
	}
	switch o.step {
	case Load:
		return v.state == absent
	case Init:
		return v.state == loaded
	case alone:
		return mem.mode != SideBySide && m.otherUsers(pl, v) > 0
	case Quiesce:
		return mem.mode != SideBySide || mem.handsOver()
	case AwaitIdle: // one that stopped or retires may still be in use
		ends := v == mem.p.last && (mem.mode != SideBySide || pl.recovery) && v.state == initialised
		return v.activated && !v.isIdle && (ends || mem.handsOver() || m.needed(pl, op{Save, mem, v}))
	case Save:
		if v == mem.p.last {
			return v.state == initialised && v.hooks.Save && mem.p.saved == nil && (mem.c == nil || !mem.c.withoutState)
		}
		return mem.handsOver()
	case Exit:
		return v.state == initialised
	case Unload:
		return v.state == loaded
	case Restore:
		return mem.hasState && v.hooks.Restore && (mem.c == nil || !mem.c.withoutState)
	case Prepare:
		return v.hooks.Prepare && !v.prepared
	}
	return true
}

// neededBack is needed on the way back. It notes what cannot be undone.
func (m *machine) neededBack(pl *plan, o op) bool {
	mem, v := o.m, o.v
	if o.step == Activate {
		return len(m.goOn(pl)) > 0
	}
	isOld := v == mem.old && o.step != Exit && o.step != Unload
	if isOld && (!mem.exited || mem.down != "" || m.gone(mem)) {
		return false
	}
	if v.task != nil {
		why := fmt.Sprintf("the %s of generation %d has not returned", v.task.step, v.Generation)
		if isOld || mem.restarts() {
			mem.down = why
		}
		return false
	}
	switch o.step {
	case Load:
		return v.state == absent
	case Init:
		for _, id := range mem.p.Needs {
			if i := pl.index(id); i >= 0 && pl.members[i].down != "" {
				mem.down = fmt.Sprintf("it needs %s, which has stopped", id)
				return false
			}
		}
		if v.state == initialised { // with the new versions: it has to exit again
			mem.down = fmt.Sprintf("the init of generation %d returned late", v.Generation)
		}
		return v.state == loaded
	case Restore:
		return v.state == initialised && mem.hasState && v.hooks.Restore
	case Prepare:
		return v.state == initialised && v.hooks.Prepare && !v.prepared
	case Exit:
		if v.users > 0 { // a step that was given up runs in a version that uses it
			why := fmt.Sprintf("generation %d has not exited: another plugin still uses it", v.Generation)
			if mem.restarts() {
				mem.down = why
			} else {
				mem.notes = append(mem.notes, why)
			}
			return false
		}
		return v.state == initialised
	case Unload:
		return v.state == loaded
	}
	return false
}

func (pl *plan) index(id string) int {
	return slices.IndexFunc(pl.members, func(mem *member) bool { return mem.p.ID == id })
}

// otherUsers counts the versions that were initialised with v and do not exit in
// this plan.
func (m *machine) otherUsers(pl *plan, v *version) int {
	n := v.users
	for _, mem := range pl.members {
		if mem.old != nil && mem.mode != SideBySide && slices.Contains(mem.old.needs, v) {
			n--
		}
	}
	return n
}

// needsOf returns the versions that a member is initialised with.
func (m *machine) needsOf(pl *plan, mem *member) (needs []*version) {
	for _, id := range mem.p.Needs {
		v := (*version)(nil)
		if i := pl.index(id); i >= 0 && pl.back {
			v = pl.members[i].old
		} else if i >= 0 {
			v = pl.members[i].new
		} else if need := m.find(id); need != nil {
			v = need.active
		}
		if v != nil {
			needs = append(needs, v)
		}
	}
	return needs
}

// goOn returns the old versions that answer again after the way back.
func (m *machine) goOn(pl *plan) (all []*version) {
	for _, mem := range pl.members {
		if mem.held && mem.down == "" && !m.gone(mem) {
			all = append(all, mem.old)
		}
	}
	return all
}

// advance begins the next step of a plan, if it waits for none.
func (m *machine) advance(pl *plan, now time.Time) {
	for pl.task == nil && !pl.ended {
		pl.waitsAlone = false
		if pl.at == len(pl.ops) {
			if pl.back {
				m.undone(pl, now)
			} else { // a stale version has exited
				m.end(pl)
				pl.members[0].noteLoss()
				pl.members[0].p.notes = pl.members[0].notes
				m.free(pl)
			}
			return
		}
		o := pl.ops[pl.at]
		if !m.needed(pl, o) {
			pl.at++
			continue
		}
		t := &task{step: o.step, version: o.v, plan: pl}
		switch o.step {
		case alone, Quiesce, AwaitIdle:
			if pl.quiesceEnd.IsZero() {
				pl.quiesceEnd = now.Add(pl.quiesceLimit())
			}
			t.limit = pl.quiesceEnd.Sub(now)
			if t.limit <= 0 {
				m.turnBack(pl, busy(o, pl.quiesceLimit()), now)
				continue
			}
			if o.step == alone {
				pl.waitsAlone = true
				return
			}
			o.m.held = o.m.held || o.step == Quiesce
		case Init:
			t.needs = m.needsOf(pl, o.m)
		case Restore:
			t.state = o.m.state
		case Activate:
			t.all = pl.newVersions()
			if pl.back {
				t.all = m.goOn(pl)
			}
			t.version = t.all[0]
		}
		pl.task = m.begin(t, now)
	}
}

func (pl *plan) newVersions() (all []*version) {
	for _, mem := range pl.members {
		all = append(all, mem.new)
	}
	return all
}

func (pl *plan) quiesceLimit() (d time.Duration) {
	for _, mem := range pl.members {
		d = max(d, mem.p.Limits.quiesce())
	}
	return d
}

func busy(o op, limit time.Duration) failure {
	reason := fmt.Sprintf("calls under way did not end within %s", limit)
	if o.step == alone {
		reason = fmt.Sprintf("older versions of other plugins still used it after %s", limit)
	}
	return failure{m: o.m, at: o.v.Version, reason: reason, verdict: Postponed}
}

// planStepEnded goes on after a step of a plan has returned, or was given up.
func (m *machine) planStepEnded(pl *plan, t *task, r Result, now time.Time) {
	o := pl.ops[pl.at]
	if pl.back {
		m.backStepEnded(pl, t, r)
		pl.at++
		return
	}
	mem := o.m
	if r.Failure != "" {
		if !m.tolerates(pl, t, r, mem) {
			m.failed(pl, t, r, mem, now)
			return
		}
	} else if o.step == Save {
		mem.state, mem.hasState = r.State, true
		if o.v == mem.p.last {
			mem.p.saved = &savedState{state: r.State}
		}
	}
	if o.step == Load {
		mem.notes = append(mem.notes, r.Hooks.Notes...)
	}
	if o.step == Unload && r.Kept != "" {
		mem.notes = append(mem.notes, fmt.Sprintf("generation %d stays in memory: %s", o.v.Generation, r.Kept))
	}
	if o.step == Exit && o.v == mem.old {
		mem.exited = true
	}
	if saved := mem.p.saved; saved != nil && o.v == mem.p.last {
		saved.lost = (saved.lost || o.step == Exit) && o.step != Restore
	}
	pl.journal = append(pl.journal, o)
	pl.at++
	switch {
	case o.step == Activate:
		m.exchanged(pl, now)
	case pl.given != "":
		m.turnBack(pl, failure{reason: pl.given, verdict: Withdrawn}, now)
	}
}

// tolerates reports whether a plan goes on although a step failed, and notes it.
func (m *machine) tolerates(pl *plan, t *task, r Result, mem *member) bool {
	what := fmt.Sprintf("generation %d, %s: %s", t.version.Generation, t.step, r.Failure)
	goesBack := mem.c != nil && mem.c.back
	switch {
	case (t.step == Quiesce || t.step == AwaitIdle) && t.overdue && goesBack && mem.mode == SideBySide && mem.new.activated && !m.gone(mem):
		mem.ownState = true
		mem.notes = append(mem.notes, fmt.Sprintf("with the state that it had: calls under way did not end within %s", pl.quiesceLimit()))
	case r.Fault == OfNobody || m.gone(mem):
		return false
	case t.step == Save && (goesBack || mem.p.StateOptional) && (!t.overdue || (mem.mode == SideBySide && !pl.recovery)),
		t.step == Save && pl.recovery && !t.overdue,
		t.step == Restore && (goesBack || pl.recovery) && !t.overdue:
		mem.lost = what
	case (t.step == Exit || t.step == Unload) && !t.overdue:
		mem.notes = append(mem.notes, what)
	default:
		return false
	}
	return true
}

// gone reports whether a member is to end anyway.
func (m *machine) gone(mem *member) bool { return m.closing || mem.p.leaving }

// failed turns a plan back after a step failed.
func (m *machine) failed(pl *plan, t *task, r Result, mem *member, now time.Time) {
	f := failure{m: mem, at: t.version.Version, step: t.step, reason: r.Failure, verdict: Waiting}
	if t.step == Quiesce || t.step == AwaitIdle {
		f = busy(op{t.step, mem, t.version}, pl.quiesceLimit())
		if !t.overdue {
			f.reason = r.Failure
		}
	}
	switch {
	case pl.given != "":
		f = failure{reason: pl.given, verdict: Withdrawn}
	case r.Fault == OfNobody || t.step == Quiesce || t.step == AwaitIdle || t.step == Activate:
		f.verdict = Postponed
	case mem.c != nil && t.version == mem.new:
		f.verdict = Failed
	}
	if t.overdue && t.version == mem.old && (t.step == Exit || t.step == Unload) {
		mem.down = fmt.Sprintf("the %s of generation %d %s", t.step, t.version.Generation, r.Failure)
	}
	if t.overdue && t.version == mem.new && t.version != mem.old && t.step != Activate && !pl.recovery {
		mem.notes = append(mem.notes, fmt.Sprintf("generation %d stays loaded until its %s returns", mem.new.Generation, t.step))
	}
	m.turnBack(pl, f, now)
}

// turnBack begins to undo a plan.
func (m *machine) turnBack(pl *plan, f failure, now time.Time) {
	pl.failure, pl.back, pl.at, pl.waitsAlone = f, true, 0, false
	pl.ops = nil
	if !pl.recovery {
		pl.ops = pl.backward()
	}
	m.progress = true
}

// abandon gives a plan up. Waiting for calls ends at once; a step that runs is
// awaited.
func (m *machine) abandon(pl *plan, why string, now time.Time) {
	if pl.given == "" {
		pl.given = why
	}
	if pl.back {
		return
	}
	if t := pl.task; t != nil {
		if t.step != Quiesce && t.step != AwaitIdle {
			return
		}
		m.giveUp(t)
		pl.task = nil
	}
	m.turnBack(pl, failure{reason: why, verdict: Withdrawn}, now)
}

// backStepEnded notes what could not be undone.
func (m *machine) backStepEnded(pl *plan, t *task, r Result) {
	mem, v := pl.ops[pl.at].m, t.version
	if r.Failure == "" {
		mem.restored = mem.restored || t.step == Restore
		return
	}
	what := fmt.Sprintf("generation %d, %s: %s", v.Generation, t.step, r.Failure)
	switch {
	case t.step == Activate:
		for _, other := range pl.members {
			if slices.Contains(t.all, other.old) {
				other.down = "activate: " + r.Failure
			}
		}
	case t.step == Load || t.step == Init || t.step == Prepare || (t.step == Restore && t.overdue):
		mem.down = what
	case t.step == Restore:
		mem.notes = append(mem.notes, "without its state: "+what)
	case mem.restarts() && (t.overdue || r.notDone()):
		mem.down = what
	default: // exit and unload of the new version
		mem.notes = append(mem.notes, what)
	}
}

// exchanged ends a plan whose new versions answer now.
func (m *machine) exchanged(pl *plan, now time.Time) {
	m.end(pl)
	for _, mem := range slices.Backward(pl.members) {
		p := mem.p
		for _, v := range []*version{mem.old, p.last} {
			if v != nil && v != mem.new {
				m.retire(v)
			}
		}
		p.active, p.last, p.down, p.saved = mem.new, nil, "", nil
		p.recoverAt, p.pause, p.notes = time.Time{}, 0, nil
		mem.new.activated, mem.new.isIdle = true, false
	}
	for _, mem := range pl.members {
		mem.noteLoss()
		o := Outcome{Verdict: Done, Generation: mem.new.Generation, Notes: mem.notes, With: pl.others(mem)}
		switch {
		case pl.recovery:
			o.Verdict = Recovered
		case mem.restarts():
			o.Verdict = Restarted
		default:
			m.emit(drop{mem.p.ID, mem.new.Generation})
		}
		m.say(mem.p, o)
	}
	m.free(pl)
}

// others returns the new versions of the other members.
func (pl *plan) others(mem *member) (with []Version) {
	for _, other := range pl.members {
		if other != mem && !other.restarts() {
			with = append(with, other.new.Version)
		}
	}
	return with
}

func (m *machine) end(pl *plan) {
	pl.ended = true
	m.plans = without(m.plans, pl)
	m.progress = true
	for _, mem := range pl.members {
		mem.p.plan = nil
	}
}

// free ends the members that were removed meanwhile.
func (m *machine) free(pl *plan) {
	for _, mem := range pl.members {
		if mem.p.leaving {
			m.left(mem.p, pl.given)
		}
	}
}

// undone ends a plan after its way back.
func (m *machine) undone(pl *plan, now time.Time) {
	m.end(pl)
	for _, mem := range pl.members {
		p := mem.p
		switch {
		case pl.recovery:
			mem.down = p.down
			if pl.failure.verdict != Withdrawn {
				mem.down = fmt.Sprintf("generation %d, %s: %s", mem.new.Generation, pl.failure.step, pl.failure.reason)
			}
			if mem.lost != "" {
				p.notes = append(p.notes, "without the saved state: "+mem.lost)
			}
			m.stopped(p, mem, mem.new, now)
		case mem.held && !m.gone(mem) && mem.down != "":
			if mem.hasState {
				p.saved = &savedState{mem.state, mem.exited && !mem.restored}
			} else if mem.old.hooks.Restore && (mem.exited || mem.lost != "") {
				p.notes = []string{"without its state"}
				if mem.lost != "" {
					p.notes[0] += ": " + mem.lost
				}
			}
			m.stopped(p, mem, mem.old, now)
		case mem.held && !m.gone(mem):
			mem.old.isIdle = false
			if mem.exited && !mem.hasState && mem.old.hooks.Restore {
				mem.noteLoss()
				mem.notes = append(mem.notes, fmt.Sprintf("generation %d goes on without its state", mem.old.Generation))
			}
		}
	}
	for _, mem := range slices.Backward(pl.members) {
		if !pl.recovery && !mem.restarts() {
			m.retire(mem.new)
		}
	}
	for _, mem := range pl.members {
		m.sayUndone(pl, mem, now)
	}
	m.free(pl)
}

// stopped notes that v should answer but does not.
func (m *machine) stopped(p *plugin, mem *member, v *version, now time.Time) {
	changed := p.down != mem.down
	p.active, p.last, p.down = nil, v, mem.down
	m.open = append(m.open, p)
	p.pause = nextPause(p.pause)
	p.recoverAt = now.Add(p.pause)
	if changed {
		m.emit(shut{p.ID, p.down})
		if mem.c == nil && !mem.p.leaving {
			m.say(p, Outcome{Verdict: Stopped, Generation: v.Generation, Notes: mem.notes})
			mem.notes = nil
		}
	}
}

func nextPause(last time.Duration) time.Duration {
	return min(max(2*last, minPause), maxPause)
}

// sayUndone says what becomes of a member's candidate, and keeps it if it is not at
// fault.
func (m *machine) sayUndone(pl *plan, mem *member, now time.Time) {
	p, c, f := mem.p, mem.c, pl.failure
	o := Outcome{Verdict: f.verdict, Generation: mem.new.Generation, Step: f.step, At: f.at, Reason: f.reason, Notes: mem.notes}
	if c == nil {
		if len(mem.notes) > 0 && !pl.recovery && !m.gone(mem) {
			m.say(p, Outcome{Verdict: Noted, Generation: mem.new.Generation, Notes: mem.notes, Reason: "is not restarted"})
		}
		return
	}
	o.With = pl.others(mem)
	switch {
	case m.gone(mem):
		o.Verdict = Withdrawn
	case f.verdict == Failed && mem == f.m:
	case p.pending != nil:
		o.Verdict, o.Step, o.At = Withdrawn, 0, Version{}
		o.Reason = fmt.Sprintf("superseded by generation %d", p.pending.generation)
	case f.verdict == Withdrawn: // another plugin was removed
		m.wait(p, c)
		return
	case f.verdict == Postponed:
		c.attempt++
		c.pause = nextPause(c.pause)
		c.notBefore = now.Add(c.pause)
		o.Attempt, o.Retry = c.attempt, c.pause
		m.wait(p, c)
	default:
		o.Verdict = Waiting
		m.wait(p, c)
		if f.verdict == Waiting || (p.set != nil && p.set == f.m.p.set) {
			c.blocked = f.reason
			for _, other := range pl.members {
				c.until = append(c.until, other.p)
			}
		}
	}
	if p.pending != c {
		m.emit(drop{p.ID, c.generation})
	}
	m.say(p, o)
}

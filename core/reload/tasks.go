// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"slices"
	"time"
)

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

// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"time"
)

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

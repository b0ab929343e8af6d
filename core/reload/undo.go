// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"slices"
	"time"
)

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

// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"slices"
	"time"
)

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

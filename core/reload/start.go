// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// startPlans begins the plans that are possible now.
func (m *machine) startPlans(now time.Time) {
	if m.closing {
		return
	}
	for _, s := range m.sets {
		m.gather(s, now)
	}
	m.open = slices.DeleteFunc(sorted(m.open), func(p *plugin) bool { return p.pending == nil && p.down == "" })
	for _, p := range slices.Clone(m.open) {
		switch {
		case p.plan != nil || p.leaving:
		case m.ready(p, now) && m.exchange(p, now):
		case p.down != "" && !p.recoverAt.After(now):
			m.recover(p)
		}
	}
}

// ready reports whether a plugin's candidate can be exchanged as far as the plugin
// itself and its set are concerned.
func (m *machine) ready(p *plugin, now time.Time) bool {
	return p.complete(now) && (p.set == nil || p.set.agreed)
}

// complete reports whether a plugin has a candidate that waits for nothing.
func (p *plugin) complete(now time.Time) bool {
	c := p.pending
	return c != nil && !p.leaving && c.blocked == "" && !c.notBefore.After(now)
}

// gather decides whether the new versions of a set are exchanged.
func (m *machine) gather(s *set, now time.Time) {
	s.agreed = false
	var waiting []*plugin
	for _, p := range s.members {
		if p.complete(now) {
			waiting = append(waiting, p)
		}
	}
	if len(waiting) == 0 {
		s.since, s.said = time.Time{}, false
		return
	}
	if s.since.IsZero() {
		s.since = now
	}
	late := !now.Before(s.since.Add(s.wait()))
	versions, missing := s.versions(now)
	switch {
	case missing != "":
		s.complain(m, waiting, late, missing+" has no version yet")
	case !s.Check:
		s.agreed = late || len(waiting) == len(s.members)
	default:
		key := fmt.Sprint(versions)
		if s.key == key && s.reason == "" {
			s.agreed = true
			return
		}
		if s.key != key && s.running == 0 {
			s.running, s.asked = m.number(), key
			m.emit(check{s.running, s.ID, versions})
		}
		reason := s.reason
		if s.key != key {
			reason = "the check has not returned"
		}
		s.complain(m, waiting, late, reason)
	}
}

// versions returns the versions that a set would have, and the first plugin that has
// none.
func (s *set) versions(now time.Time) (versions []Version, missing string) {
	for _, p := range s.members {
		switch {
		case p.complete(now):
			versions = append(versions, Version{Plugin: p.ID, Generation: p.pending.generation})
		case p.active != nil:
			versions = append(versions, p.active.Version)
		case p.last != nil:
			versions = append(versions, p.last.Version)
		default:
			return nil, p.ID
		}
	}
	return versions, ""
}

// complain says once that versions of a set wait for too long.
func (s *set) complain(m *machine, waiting []*plugin, late bool, reason string) {
	if !late || s.said {
		return
	}
	s.said = true
	for _, p := range waiting {
		m.say(p, Outcome{Verdict: Waiting, Generation: p.pending.generation,
			Reason: fmt.Sprintf("the set %s does not fit after %s: %s", s.ID, s.wait(), reason)})
	}
}

// checked takes the answer of the host's check.
func (m *machine) checked(in checked) {
	for _, s := range m.sets {
		if s.running == in.Check && in.Check != 0 {
			s.running, s.key, s.reason = 0, s.asked, in.Reason
		}
	}
}

// exchange begins a plan for a plugin with a candidate, and for all that belong to
// it. It reports whether that was possible.
func (m *machine) exchange(first *plugin, now time.Time) bool {
	for _, v := range []*version{first.active, first.last} { // since it was offered
		if v != nil && v.Generation == first.pending.generation {
			m.withdraw(first, map[bool]string{true: "it answers already", false: "it is being activated again already"}[v == first.active])
			m.progress = true
			return true
		}
	}
	part := []*plugin{first}
	join := func(p *plugin) {
		if !slices.Contains(part, p) {
			part = append(part, p)
		}
	}
	for i := 0; i < len(part); i++ {
		p := part[i]
		for _, id := range p.Needs {
			if need := m.find(id); m.ready(need, now) {
				join(need)
			}
		}
		for _, d := range p.dependents {
			if d.active != nil || d.plan != nil { // in a plan, it is to be waited for
				join(d)
			}
		}
		if p.set != nil && m.ready(p, now) {
			for _, other := range p.set.members {
				if m.ready(other, now) {
					join(other)
				}
			}
		}
	}
	for _, p := range part {
		if !m.canJoin(p, part, now) {
			return false
		}
	}
	m.start(&plan{members: m.membersOf(part, now)})
	return true
}

// canJoin reports whether a plugin can be part of a plan now.
func (m *machine) canJoin(p *plugin, part []*plugin, now time.Time) bool {
	if p.plan != nil || p.leaving {
		return false
	}
	isReady := m.ready(p, now)
	if v := p.active; v != nil && v.task != nil {
		// Its save hangs. Only if it need not exit in the plan, it can be left alone.
		changes := func(id string) bool { return slices.Contains(part, m.find(id)) }
		if !isReady || !p.pending.withoutState || p.Mode != SideBySide || slices.ContainsFunc(p.Needs, changes) {
			return false
		}
	}
	for _, id := range p.Needs {
		need := m.find(id)
		if !slices.Contains(part, need) && (need.active == nil || need.plan != nil) {
			return false
		}
	}
	for _, v := range m.retiring {
		if v.p == p && isReady && v.Generation == p.pending.generation && !v.canReturn(part) {
			return false
		}
	}
	return true
}

// canReturn reports whether a version that retires can be activated again as it is,
// with the plugins in part.
func (v *version) canReturn(part []*plugin) bool {
	changes := func(n *version) bool { return slices.Contains(part, n.p) }
	return v.state == initialised && v.task == nil && v.activated && !v.isStale() && !slices.ContainsFunc(v.needs, changes)
}

// membersOf makes the members of a plan, each after those that it needs.
func (m *machine) membersOf(part []*plugin, now time.Time) (members []*member) {
	var ids []string
	for _, p := range sorted(part) {
		ids = append(ids, p.ID)
	}
	ids, _ = sortByNeeds(ids, func(id string) []string { return m.find(id).Needs })
	for _, id := range ids {
		p := m.find(id)
		mem := &member{p: p, old: p.active, new: p.active, mode: p.Mode, notes: slices.Clone(p.notes)}
		if m.ready(p, now) {
			mem.c, p.pending = p.pending, nil
			mem.new = m.versionFor(p, mem.c, part)
		} else {
			mem.mode = max(mem.mode, ExitFirst)
		}
		for _, other := range members {
			if other.mode != SideBySide && slices.Contains(p.Needs, other.p.ID) {
				mem.mode = max(mem.mode, ExitFirst)
			}
		}
		if p.saved != nil {
			mem.state, mem.hasState = p.saved.state, true
		} else if last := p.last; last != nil && last.hooks.Save && last.state == initialised && last.task != nil {
			mem.notes = append(mem.notes, fmt.Sprintf("without the state of generation %d, whose %s has not returned", last.Generation, last.task.step))
		}
		members = append(members, mem)
	}
	return members
}

// versionFor returns the version of a candidate: one that retires, if it still can
// be activated again, or a new one.
func (m *machine) versionFor(p *plugin, c *candidate, part []*plugin) *version {
	for _, v := range m.retiring {
		if v.p == p && v.Generation == c.generation && v.canReturn(part) {
			v.retiring = false
			m.retiring = without(m.retiring, v)
			if v.idle != nil {
				m.giveUp(v.idle)
			}
			return v
		}
	}
	return &version{Version: Version{p.ID, c.generation, m.number()}, p: p}
}

// recover begins to activate the last version of a plugin that has stopped. One that
// uses versions which do not answer exits first: they may have to exit, too.
func (m *machine) recover(p *plugin) {
	last := p.last
	if last.task != nil {
		return
	}
	mem := &member{p: p, new: last, mode: p.Mode, notes: slices.Clone(p.notes)}
	if p.saved != nil && p.saved.lost {
		mem.state, mem.hasState = p.saved.state, true
	}
	if last.isStale() {
		if last.users == 0 {
			m.start(&plan{members: []*member{mem}, recovery: true, ops: []op{{AwaitIdle, mem, last}, {Save, mem, last}, {Exit, mem, last}}})
		}
		return
	}
	for _, id := range p.Needs {
		if need := m.find(id); need.active == nil || need.plan != nil {
			return
		}
	}
	m.start(&plan{members: []*member{mem}, recovery: true,
		ops: []op{{Load, mem, last}, {Init, mem, last}, {Restore, mem, last}, {Prepare, mem, last}, {Activate, mem, last}}})
}

// isStale reports whether a version was initialised with versions that do not answer
// any more.
func (v *version) isStale() bool {
	return v.state == initialised && slices.ContainsFunc(v.needs, func(n *version) bool { return n.p.active != n })
}

func (m *machine) start(pl *plan) {
	if !pl.recovery {
		pl.ops = pl.forward()
	}
	for _, mem := range pl.members {
		mem.p.plan = pl
	}
	m.plans = append(m.plans, pl)
	m.progress = true
}

// Status is how a plugin is doing.
type Status struct {
	Active     uint64 // generation that answers; 0 if none does
	Down       string // why none answers, if one should
	Pending    uint64 // generation that waits to be exchanged; 0 if none does
	WaitsFor   string // what it waits for
	Exchanging uint64 // generation that is being exchanged; 0 if none is
	Step       Step   // that runs for it
	Old        int    // older versions that are not unloaded yet
	// Last is the last outcome that was no note, and LastTime when it was; zero if
	// there was none.
	Last     Outcome
	LastTime time.Time
}

// status describes a plugin.
func (m *machine) status(id string) (Status, error) {
	p, err := m.known(id)
	if err != nil {
		return Status{}, err
	}
	s := Status{Down: p.down, Last: p.outcome, LastTime: p.outcomeTime}
	if p.active != nil {
		s.Active = p.active.Generation
	}
	if c := p.pending; c != nil {
		s.Pending, s.WaitsFor = c.generation, m.waitsFor(p, c)
	}
	if pl := p.plan; pl != nil {
		s.Exchanging = pl.members[pl.index(id)].new.Generation
		if pl.task != nil {
			s.Step = pl.task.step
		}
	}
	for _, v := range m.retiring {
		if v.p == p {
			s.Old++
		}
	}
	return s, nil
}

func (m *machine) waitsFor(p *plugin, c *candidate) string {
	switch {
	case c.blocked != "":
		return fmt.Sprintf("another version (%s)", c.blocked)
	case p.plan != nil:
		return "an exchange that is under way"
	case c.notBefore.After(m.now):
		return "the next attempt"
	case p.active != nil && p.active.task != nil:
		return fmt.Sprintf("the %s of generation %d to return", p.active.task.step, p.active.Generation)
	case p.set != nil && !p.set.agreed:
		return "the other versions of the set " + p.set.ID
	}
	var missing []string
	for _, id := range p.Needs {
		if m.find(id).active == nil {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		return strings.Join(missing, ", ") + ", which it needs"
	}
	return "another plugin's exchange, or the end of an old version"
}

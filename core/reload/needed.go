// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"slices"
)

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

// SPDX-License-Identifier: MIT

package reload

import (
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

func (pl *plan) index(id string) int {
	return slices.IndexFunc(pl.members, func(mem *member) bool { return mem.p.ID == id })
}

// gone reports whether a member is to end anyway.
func (m *machine) gone(mem *member) bool { return m.closing || mem.p.leaving }

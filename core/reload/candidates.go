// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"slices"
	"time"
)

func (m *machine) offer(in offer, now time.Time) error {
	p, err := m.known(in.Plugin)
	switch {
	case err != nil:
		return err
	case in.Generation == 0:
		return errorOf(ErrInvalid, "plugin %q: generations count from 1", in.Plugin)
	case p.active != nil && p.active.Generation == in.Generation && !p.isReplaced():
		return errorOf(ErrExists, "plugin %q: generation %d is the active one", in.Plugin, in.Generation)
	case p.last != nil && p.last.Generation == in.Generation:
		p.recoverAt = now
		return errorOf(ErrExists, "plugin %q: generation %d has stopped, and is being activated again", in.Plugin, in.Generation)
	}
	if newer := p.newest(); in.Back && newer > in.Generation {
		return errorOf(ErrExists, "plugin %q: generation %d is newer, and is tried first; if it fails, go back then", in.Plugin, newer)
	}
	if in.Back && in.Failed != 0 && p.active != nil && p.active.Generation > in.Failed {
		return errorOf(ErrExists, "plugin %q: generation %d failed, but generation %d answers now", in.Plugin, in.Failed, p.active.Generation)
	}
	m.withdraw(p, fmt.Sprintf("superseded by generation %d", in.Generation))
	m.wait(p, &candidate{generation: in.Generation, back: in.Back})
	for _, other := range m.open {
		if c := other.pending; c != nil && c.blocked != "" && slices.Contains(c.until, p) {
			c.blocked, c.until = "", nil
		}
	}
	return nil
}

// isReplaced reports whether a new version of the plugin is being exchanged. A plugin
// that is only restarted for another one keeps its generation.
func (p *plugin) isReplaced() bool {
	return p.plan != nil && slices.ContainsFunc(p.plan.members, func(mem *member) bool { return mem.p == p && !mem.restarts() })
}

// newest is the latest generation of those that wait or are being exchanged; 0 if none is.
func (p *plugin) newest() (generation uint64) {
	if p.pending != nil {
		generation = p.pending.generation
	}
	if p.plan != nil {
		for _, mem := range p.plan.members {
			if mem.p == p && mem.c != nil {
				generation = max(generation, mem.c.generation)
			}
		}
	}
	return generation
}

// wait has a candidate of a plugin wait until it can be exchanged.
func (m *machine) wait(p *plugin, c *candidate) {
	p.pending = c
	m.open = append(m.open, p)
}

// withdraw drops the version that waits.
func (m *machine) withdraw(p *plugin, why string) {
	if c := p.pending; c != nil {
		p.pending = nil
		m.say(p, Outcome{Verdict: Withdrawn, Generation: c.generation, Reason: why})
		m.emit(drop{p.ID, c.generation})
	}
}

func (m *machine) fileRemoved(id string) error {
	p, err := m.known(id)
	if err != nil {
		return err
	}
	m.withdraw(p, "its file was removed")
	if p.active != nil {
		m.say(p, Outcome{Verdict: Noted, Reason: fmt.Sprintf("its file was removed; generation %d goes on", p.active.Generation)})
	}
	return nil
}

func (m *machine) rejected(in rejected) error {
	p, err := m.known(in.Plugin)
	if err == nil {
		m.say(p, Outcome{Verdict: Rejected, Reason: in.Reason})
	}
	return err
}

func (m *machine) takeWithoutState(id string) error {
	p, err := m.known(id)
	if err != nil {
		return err
	}
	if p.pending == nil {
		return errorOf(ErrInvalid, "plugin %q: no version waits to be taken without the state", id)
	}
	p.pending.withoutState, p.pending.blocked, p.pending.until, p.pending.notBefore = true, "", nil, time.Time{}
	return nil
}

// SPDX-License-Identifier: MIT

package reload

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

func (m *machine) find(id string) *plugin { return m.plugins[id] }

// sorted returns plugins in the order of their addition, each once.
func sorted(plugins []*plugin) []*plugin {
	slices.SortFunc(plugins, func(a, b *plugin) int { return cmp.Compare(a.order, b.order) })
	return slices.Compact(plugins)
}

func (m *machine) findSet(id string) *set {
	i := slices.IndexFunc(m.sets, func(s *set) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return m.sets[i]
}

func (m *machine) add(in addPlugins) error {
	if m.closing {
		return errorOf(ErrClosed, "the engine is closed: no plugin can be added")
	}
	needs := map[string][]string{}
	var ids, sets []string
	for _, s := range in.Sets {
		if s.ID == "" {
			return errorOf(ErrInvalid, "a set has no ID")
		}
		if m.findSet(s.ID) != nil || slices.Contains(sets, s.ID) {
			return errorOf(ErrExists, "there is a set %q already", s.ID)
		}
		sets = append(sets, s.ID)
	}
	for _, p := range in.Plugins {
		switch {
		case p.ID == "":
			return errorOf(ErrInvalid, "a plugin has no ID")
		case m.find(p.ID) != nil || slices.Contains(ids, p.ID):
			return errorOf(ErrExists, "there is a plugin %q already; remove it first", p.ID)
		case p.Mode > UnloadFirst:
			return errorOf(ErrInvalid, "plugin %q: mode %d does not exist", p.ID, p.Mode)
		case p.Together != "" && m.findSet(p.Together) == nil && !slices.Contains(sets, p.Together):
			return errorOf(ErrUnknown, "plugin %q: there is no set %q; add it first or with the plugin", p.ID, p.Together)
		}
		ids = append(ids, p.ID)
		needs[p.ID] = p.Needs
	}
	for _, p := range in.Plugins {
		for _, n := range p.Needs {
			old := m.find(n)
			if (old == nil || old.leaving) && !slices.Contains(ids, n) {
				return errorOf(ErrUnknown, "plugin %q needs %q, which does not exist; add that first or with it", p.ID, n)
			}
		}
	}
	if _, cycle := sortByNeeds(ids, func(id string) []string { return needs[id] }); cycle != nil {
		return errorOf(ErrCycle, "plugins need each other: %s; remove one of these needs", strings.Join(cycle, " needs "))
	}
	for _, s := range in.Sets {
		m.sets = append(m.sets, &set{Set: s})
	}
	for _, spec := range in.Plugins {
		spec.Needs = slices.Compact(slices.Sorted(slices.Values(spec.Needs)))
		p := &plugin{Plugin: spec, order: m.number(), set: m.findSet(spec.Together)}
		if p.set != nil {
			p.set.members = append(p.set.members, p)
		}
		m.plugins[p.ID] = p
	}
	for _, id := range ids {
		for _, need := range m.plugins[id].Needs {
			m.plugins[need].dependents = append(m.plugins[need].dependents, m.plugins[id])
		}
	}
	return nil
}

// known returns a plugin that exists and is not being removed.
func (m *machine) known(id string) (*plugin, error) {
	p := m.find(id)
	if p == nil || p.leaving {
		if m.closing {
			return nil, errorOf(ErrClosed, "the engine is closed")
		}
		return nil, errorOf(ErrUnknown, "there is no plugin %q; add it first", id)
	}
	return p, nil
}

func (m *machine) remove(ids []string, now time.Time) error {
	var leaving []*plugin
	for _, id := range ids {
		p, err := m.known(id)
		if err != nil {
			return err
		}
		for _, d := range p.dependents {
			if !d.leaving && !slices.Contains(ids, d.ID) {
				return errorOf(ErrNeeded, "plugin %q is needed by %q; remove that first or with it", id, d.ID)
			}
		}
		leaving = append(leaving, p)
	}
	for _, p := range leaving {
		m.leave(p, fmt.Sprintf("%s was removed", p.ID), now)
	}
	return nil
}

// leave begins the end of a plugin. A plan that it is part of is given up first.
func (m *machine) leave(p *plugin, why string, now time.Time) {
	p.leaving = true
	m.withdraw(p, why)
	if p.plan != nil {
		m.abandon(p.plan, why, now)
		return
	}
	m.left(p, why)
}

// left ends a plugin that is part of no plan.
func (m *machine) left(p *plugin, why string) {
	m.emit(shut{p.ID, why})
	for _, v := range []*version{p.active, p.last} {
		if v != nil {
			m.retire(v)
		}
	}
	p.active, p.last, p.down, p.saved, p.notes = nil, nil, "", nil, nil
	delete(m.plugins, p.ID)
	for _, id := range p.Needs {
		if need := m.find(id); need != nil {
			need.dependents = without(need.dependents, p)
		}
	}
	if p.set != nil {
		p.set.members = without(p.set.members, p)
		if len(p.set.members) == 0 {
			m.sets = without(m.sets, p.set)
		}
	}
	m.progress = true
}

func without[T comparable](list []T, x T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(y T) bool { return y == x })
}

func (m *machine) close(now time.Time) {
	if m.closing {
		return
	}
	m.closing = true
	for _, p := range sorted(slices.Collect(maps.Values(m.plugins))) {
		if !p.leaving {
			m.leave(p, "the engine was closed", now)
		}
	}
}

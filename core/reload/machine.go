// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"slices"
	"time"
)

// machine decides what is done with all plugins of an engine. It is pure: all that
// it knows comes by step.
type machine struct {
	plugins  map[string]*plugin
	open     []*plugin // those with a candidate or stopped, and perhaps others
	sets     []*set
	plans    []*plan
	retiring []*version
	tasks    map[uint64]*task
	last     uint64 // number of the last task, check or instance
	closing  bool
	ended    bool
	progress bool
	now      time.Time // of the last step
	out      []effect
}

func newMachine() *machine { return &machine{plugins: map[string]*plugin{}, tasks: map[uint64]*task{}} }

// step takes an input at a time and returns what is to be done. An input that is
// not possible changes nothing and returns an error.
func (m *machine) step(input any, now time.Time) ([]effect, error) {
	m.now = now
	err := m.take(input, now)
	m.expire(now)
	for m.progress = true; m.progress; {
		m.progress = false
		for _, pl := range slices.Clone(m.plans) {
			m.advance(pl, now)
		}
		for _, v := range slices.Clone(m.retiring) {
			m.retireFurther(v, now)
		}
		m.startPlans(now)
	}
	if m.closing && !m.ended && len(m.plans) == 0 && len(m.plugins) == 0 && len(m.retiring) == 0 {
		m.ended = true
		m.emit(closed{})
	}
	out := m.out
	m.out = nil
	return out, err
}

func (m *machine) emit(e effect) { m.out = append(m.out, e) }

// say completes an outcome and gives it to the host.
func (m *machine) say(p *plugin, o Outcome) {
	o.Plugin = p.ID
	if p.active != nil && !p.leaving {
		o.Active = p.active.Generation
	} else if o.Down == "" {
		o.Down = p.down
	}
	if o.Verdict != Noted {
		p.outcome, p.outcomeTime = o, m.now
	}
	m.emit(say{o})
}

func (m *machine) number() uint64 {
	m.last++
	return m.last
}

func (m *machine) take(input any, now time.Time) error {
	switch in := input.(type) {
	case addPlugins:
		return m.add(in)
	case removePlugins:
		return m.remove(in.IDs, now)
	case offer:
		return m.offer(in, now)
	case fileRemoved:
		return m.fileRemoved(in.Plugin)
	case rejected:
		return m.rejected(in)
	case withoutState:
		return m.takeWithoutState(in.Plugin)
	case started:
		if t := m.tasks[in.Task]; t != nil && t.limit > 0 && !t.overdue && t.deadline.IsZero() {
			t.deadline = now.Add(t.limit)
			if t.plan != nil && t.step == Quiesce { // the plan's limit counts from when its first one begins to run
				t.plan.quiesceEnd = t.deadline
			}
		}
	case returned:
		m.returned(in, now)
	case checked:
		m.checked(in)
	case closeMachine:
		m.close(now)
	case tick:
	default:
		panic(fmt.Sprintf("unknown input %T", input))
	}
	return nil
}

// due is when the machine must hear of the time; zero if it need not.
func (m *machine) due() time.Time {
	var due time.Time
	add := func(t time.Time) { // what is due already waits for something else
		if t.After(m.now) && (due.IsZero() || t.Before(due)) {
			due = t
		}
	}
	for _, t := range m.tasks {
		add(t.deadline)
		add(t.notice)
	}
	for _, v := range m.retiring {
		add(v.retryAt)
	}
	for _, pl := range m.plans {
		if pl.waitsAlone {
			add(pl.quiesceEnd)
		}
	}
	for _, p := range m.open {
		if p.plan != nil {
			continue
		}
		if p.pending != nil && p.pending.blocked == "" {
			add(p.pending.notBefore)
		}
		add(p.recoverAt)
	}
	for _, s := range m.sets {
		if !s.since.IsZero() && !s.said {
			add(s.since.Add(s.wait()))
		}
	}
	return due
}

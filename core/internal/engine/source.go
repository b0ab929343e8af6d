// SPDX-License-Identifier: MIT

package engine

import (
	"path/filepath"
	"time"

	"github.com/qtforge/hotreload/core/internal/watch"
)

// source is a source of notifications. What asks it for watches may block, because it
// looks paths up: a worker does that, without Engine.mu. Everything else of it is behind
// Engine.mu.
type source struct {
	watch.Source
	ordered bool // a worker carries orders out, or is about to
	busy    bool // it does: the source must not be closed
	dropped bool // it is closed when the worker is done
	hearing hearing
	leaves  bool          // notifications are left in the kernel at the moment
	wanted  chan struct{} // ends that
}

// useSource takes notifications from a source that watches nothing yet.
func (m *Engine) useSource(src watch.Source) {
	s := &source{Source: src, wanted: make(chan struct{}, 1)}
	m.intake.src = s
	m.readSource(s)
}

// startOrders has a worker carry out what the set asks of the source, one order after
// another.
func (m *Engine) startOrders() {
	src := m.intake.src
	if src.ordered || !m.intake.set.HasOrders() {
		return
	}
	src.ordered = true
	m.workers.add(task{where: string(filepath.Separator), do: func(at func(string)) { m.carryOut(src, at) },
		stuck: func() { m.step(func() { m.sourceHangs(src) }) }})
}

// carryOut carries out the next orders.
func (m *Engine) carryOut(src *source, at func(string)) {
	orders := m.nextOrders(src)
	answers := make([]error, len(orders))
	for i := range orders {
		if m.isClosing() {
			break
		}
		at(orders[i].Path)
		answers[i] = orders[i].Do(src.Source)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	src.ordered, src.busy = false, false
	if src.dropped {
		src.Close()
	}
	if m.closed || m.intake.src != src {
		return
	}
	for i := range orders {
		m.intake.set.Answer(&orders[i], answers[i])
	}
	m.turn()
}

func (m *Engine) nextOrders(src *source) []watch.Order {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.intake.src != src {
		return nil
	}
	src.busy = true
	return m.intake.set.Orders()
}

// sourceHangs puts another source in the place of one in which an order does not return:
// fsnotify reports nothing until then. All is compared, because notifications were lost.
func (m *Engine) sourceHangs(src *source) {
	e := &m.intake
	if e.src != src || !src.busy {
		return // it has returned
	}
	m.healthLocked(HealthOverflow, "", "", "a directory could not be watched in time, so that notifications were lost; comparing every plugin with the disk")
	m.replaceSource(src)
}

// replaceSource puts another source in the place of one, and has everything compared.
func (m *Engine) replaceSource(src *source) {
	e := &m.intake
	m.dropSource(src)
	another, err := m.opts.newSource()
	if err != nil {
		another = watch.None{Err: err} // pollAll tries again
	}
	e.set.NewSource()
	m.useSource(another)
	clear(e.doubts)
	e.overflow.request(time.Now())
}

// dropSource closes a source, now or when its worker is done.
func (m *Engine) dropSource(src *source) {
	if src.busy {
		src.dropped = true
	} else {
		src.Close()
	}
}

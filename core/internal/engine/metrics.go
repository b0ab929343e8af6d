// SPDX-License-Identifier: MIT

package engine

import (
	"slices"
	"time"

	"github.com/qtforge/hotreload/core/internal/openmetrics"
)

// maxPluginsInMetrics is of how many plugins metrics are written. If more are enabled, they
// are those to which something happened last.
const maxPluginsInMetrics = maxHistories

// Metrics are the manager's and its plugins' figures as OpenMetrics text. It waits for no
// file system, and works after a fault too.
func (m *Engine) Metrics() (string, error) {
	sums, chosen, err := m.sums()
	if err != nil {
		return "", err
	}
	figures := m.figuresOf(chosen)
	sums.hanging = m.workers.countHanging()
	var t openmetrics.Text
	for i := range sumFamilies {
		t.Begin(sumFamilies[i].Family)
		sumFamilies[i].write(&t, &sums)
	}
	for i := range pluginFamilies {
		t.Begin(pluginFamilies[i].Family)
		for j := range figures {
			pluginFamilies[i].write(&t, &figures[j])
		}
	}
	return t.End(), nil
}

// sums are the figures of a manager.
type sums struct {
	Stats
	counters
	paused      bool // all plugins
	hanging     int  // file systems
	unaccounted int  // plugins without metrics of their own
	markers     int  // pause markers that hold changes back
}

// sums returns the figures of the manager, and the plugins that have metrics of their own.
func (m *Engine) sums() (s sums, chosen []*plugin, err error) {
	if s.Stats, err = m.Stats(); err != nil {
		return s, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s.counters, s.paused = m.counters, m.gate.Paused()
	for _, k := range m.markers {
		if k.holds {
			s.markers++
		}
	}
	if m.plugins.byID.Len() <= maxPluginsInMetrics {
		chosen = m.plugins.inOrder()
	} else {
		for h := m.histories.newest; h != nil; h = h.older {
			chosen = append(chosen, h.p)
		}
		slices.SortFunc(chosen, byOrder)
	}
	s.unaccounted = m.plugins.byID.Len() - len(chosen)
	return s, chosen, nil
}

// figures are those of a plugin.
type figures struct {
	labels         []openmetrics.Label
	state          PluginState
	paused, polled bool
	marked         bool // held back by its pause marker
	safe           bool
	generation     uint64
	good           uint64 // the last good generation; 0: none
	delivered      int64  // in ns since 1970; 0: never
	tally          tally
	where          string // the file, if a file system hangs
}

// figuresOf reads the figures of plugins. It lets the lock go now and then, so that it
// holds up nobody.
func (m *Engine) figuresOf(plugins []*plugin) []figures {
	const atOnce = 64
	all := make([]figures, 0, len(plugins))
	hangs := m.workers.countHanging() > 0
	for some := range slices.Chunk(plugins, atOnce) {
		m.readFigures(some, hangs, &all)
	}
	if hangs {
		for i := range all {
			if f := &all[i]; f.state != StateDelivering && m.workers.hangsAt(f.where) {
				f.state = StateHanging
			}
		}
	}
	return all
}

func (m *Engine) readFigures(plugins []*plugin, hangs bool, all *[]figures) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range plugins {
		if p.disabled() {
			continue
		}
		f := figures{labels: []openmetrics.Label{{Name: "plugin", Value: p.id}}, paused: p.paused(), marked: p.marked() != nil, safe: p.safe != nil,
			polled: watchings[m.intake.set.How(&p.Leaf).State] == WatchingPolled, generation: uint64(p.generation)}
		f.state, _ = m.stateOf(p)
		if p.safe != nil {
			if last := p.safe.lastGood(); last != nil {
				f.good = last.generation
			}
		}
		if p.rare != nil && p.rare.history != nil {
			f.delivered, f.tally = p.rare.history.delivered, p.rare.history.tally
		}
		if hangs {
			f.where = m.whereabouts(p)
		}
		*all = append(*all, f)
	}
}

// countHanging is how many file systems do not answer.
func (w *workers) countHanging() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.hanging)
}

// seconds is a time as metrics have it.
func seconds(ns int64) float64 { return float64(ns) / float64(time.Second) }

func valueOf[T bool | int | int64 | uint64](v T) float64 {
	switch v := any(v).(type) {
	case bool:
		if v {
			return 1
		}
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	}
	return 0
}

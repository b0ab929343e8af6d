// SPDX-License-Identifier: MIT

package engine

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// PluginState says what a plugin is doing. The values are those of the C header.
type PluginState int32

// The states.
const (
	StateIdle       PluginState = 1  // the file is at the version that the host knows
	StateSettling   PluginState = 2  // it may have changed; the quiet period runs, or a check
	StateWriting    PluginState = 3  // a process holds it open for writing
	StateUnreadable PluginState = 4  // it cannot be read
	StateIncomplete PluginState = 5  // its image is not complete (CheckImage); the next version is waited for
	StateMissing    PluginState = 6  // there is no file
	StateValidating PluginState = 7  // safe reload: a version is being copied and validated
	StateRejected   PluginState = 8  // safe reload: the version was rejected; the next one is waited for
	StateRetrying   PluginState = 9  // safe reload: it is tried again later
	StateReady      PluginState = 10 // a change waits to be delivered
	StateDelivering PluginState = 11 // the host's callback runs
	StateHanging    PluginState = 12 // its file system does not answer
)

// Watching says how a plugin's path is watched. The values are those of the C header.
type Watching int32

// The ways.
const (
	WatchingPending  Watching = 0 // not yet: the first walk to its directory has not returned
	WatchingNotified Watching = 1 // the system notifies of changes
	WatchingPolled   Watching = 2 // it is compared every PollInterval, at least in part
)

var watchings = [...]Watching{watch.HowPending: WatchingPending, watch.HowNotified: WatchingNotified, watch.HowPolled: WatchingPolled}

// PluginStatus is what is known of a plugin at one moment.
type PluginStatus struct {
	ID, Path string
	State    PluginState
	Since    time.Time // of the state; zero if that is not known any more
	Due      time.Time // when the file is checked next; zero if nothing is due

	Paused    bool   // by itself
	Marker    string // the pause marker that holds its changes back; "" if none does
	MarkedAt  time.Time
	marker    string // for people: what is known of it
	WaitsFor  string // for people: why a change that is complete is not delivered yet
	Watching  Watching
	WatchedBy string    // for people: why it is polled or not watched yet, or what its notifications do not tell
	does      string    // for people: the state, where stateTexts does not say enough
	Writers   []Process // StateWriting: as far as this process may examine them

	Generation       uint64
	LastNotification time.Time // these are zero: never, or long ago
	LastCheck        time.Time
	LastDelivery     time.Time
	LastReport       time.Time
	LastOutcome      Outcome
	Decisions        []PastDecision // oldest first
}

// Process is a process that holds a plugin's file open for writing.
type Process struct {
	PID     int
	Program string // "" if it may not be read
}

// PluginStatus says what a plugin is doing and why. It waits for no file system.
func (m *Engine) PluginStatus(id string) (PluginStatus, error) {
	s, ask, err := m.statusOf(id)
	if err != nil {
		return s, err
	}
	if m.workers.hangsAt(ask.where) && s.State != StateDelivering {
		s.State, s.Since, s.Due, s.does = StateHanging, time.Time{}, time.Time{}, ""
	}
	if s.State == StateWriting {
		s.Writers = m.writersOf(ask.file)
	}
	return s, nil
}

// writersOf are the processes that hold a file open for writing, as far as this one may
// examine them. It asks no file system but /proc.
func (m *Engine) writersOf(file fsys.ID) (all []Process) {
	for _, p := range m.opts.writers([]fsys.ID{file}, m.isClosing)[file] {
		all = append(all, Process(p))
	}
	return all
}

// inquiry is what is to be asked without the lock.
type inquiry struct {
	where string  // the file, through no links as far as is known
	file  fsys.ID // as the last check found it
}

func (m *Engine) statusOf(id string) (s PluginStatus, ask inquiry, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.enabled(id)
	if err != nil {
		return s, ask, err
	}
	s = PluginStatus{ID: p.id, Path: p.registeredPath(), Paused: p.paused(), Generation: uint64(p.generation)}
	s.State, s.Since = m.stateOf(p)
	if w := m.intake.settling[p]; w != nil {
		ask.file = w.examined.ID()
		switch {
		case s.State == StateWriting:
			s.does = m.writingText(w.machine.IsUnknown())
		case s.State == StateMissing && w.examined.Kind != fsys.Missing && w.examined.Kind != fsys.Regular:
			s.does = "there is no file: " + w.examined.Kind.String() + " is at its path; a file there is a change"
		}
	}
	if w := m.intake.settling[p]; w != nil && w.machine.Settling() && !w.checking {
		s.Due = w.machine.Due()
	} else if sf := p.safe; sf != nil && s.State == StateRetrying {
		s.Due = sf.dueAgain
	}
	if s.State == StateReady {
		s.WaitsFor = m.heldBackBy(p)
	}
	if k := p.marked(); k != nil {
		s.Marker, s.MarkedAt, s.marker = k.path, k.since, k.text()
	}
	how := m.intake.set.How(&p.Leaf)
	s.Watching, s.WatchedBy = watchings[how.State], m.watchedBy(p, how)
	if p.rare != nil && p.rare.history != nil {
		h := p.rare.history
		s.LastNotification, s.LastCheck = timeOf(h.noticed), timeOf(h.checked)
		s.LastDelivery, s.LastReport, s.LastOutcome = timeOf(h.delivered), timeOf(h.reported), h.outcome
		s.Decisions = h.latest()
		if n := len(s.Decisions); s.Since.IsZero() && n > 0 {
			s.Since = s.Decisions[n-1].Time
		}
	}
	ask.where = m.whereabouts(p)
	return s, ask, nil
}

// stateOf is what a plugin is doing, and since when if that is known without its history.
func (m *Engine) stateOf(p *plugin) (PluginState, time.Time) {
	var none time.Time
	w, r := m.intake.settling[p], p.rare
	switch {
	case r != nil && r.pending != nil:
		return StateReady, r.pending.complete
	case m.running != nil && m.running.p == p && m.running.change:
		return StateDelivering, none
	case w != nil && w.candidate != nil:
		return StateValidating, w.candidate.begun
	case w != nil && w.machine.Settling():
		first := w.machine.FirstNotified()
		switch {
		case w.machine.IsUnreadable():
			return StateUnreadable, first
		case w.machine.Writing():
			return StateWriting, first
		}
		return StateSettling, first
	case r != nil && r.incomplete:
		return StateIncomplete, none
	}
	if s := p.safe; s != nil && s.again > 0 {
		return StateRetrying, none
	} else if s != nil && s.rejected != "" {
		return StateRejected, none
	}
	if w != nil && w.examined.Kind == fsys.Missing || !p.hostWillKnow().Exists() {
		return StateMissing, none
	}
	return StateIdle, none
}

// heldBackBy says why a change that waits is not being delivered.
func (m *Engine) heldBackBy(p *plugin) string {
	switch k := p.marked(); {
	case k != nil:
		return k.text()
	case p.paused() && m.gate.Paused():
		return "the plugin is paused, and so are all plugins"
	case p.paused() && !p.pausedItself():
		return "its folder " + quoted(p.found.id, maxForeign) + " is paused"
	case p.paused():
		return "the plugin is paused"
	case m.gate.Paused():
		return "all plugins are paused"
	case m.failed != "":
		return "the manager is unusable after a contained fault"
	case m.gate.Event == nil && m.gate.Reload == nil:
		return "no callback is set"
	case m.running != nil && m.running.p == p:
		return "it is being delivered"
	case m.running != nil:
		return "the host is inside another callback"
	case m.opts.Dispatch == DispatchManual:
		return "the host must dispatch"
	}
	return "it is next"
}

// hangsAt reports whether the file system that a path lies on does not answer.
func (w *workers) hangsAt(path string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hangingMount(path) != ""
}

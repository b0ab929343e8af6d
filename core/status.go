// SPDX-License-Identifier: MIT

package core

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/engine"
)

// PluginState says what a plugin is doing. The values are those of the C header.
//
// Since 1.0.0. See also [PluginStatus].
type PluginState int32

// The states.
//
// Since 1.0.0. See also [PluginStatus].
const (
	StateIdle       PluginState = 1  // the file is at the version that the host knows
	StateSettling   PluginState = 2  // the file may have changed; the quiet period runs, or a check
	StateWriting    PluginState = 3  // a process holds the file open for writing, as far as is known
	StateUnreadable PluginState = 4  // the file cannot be read, and is tried again
	StateIncomplete PluginState = 5  // CheckImage: not a complete image; the next version is waited for
	StateMissing    PluginState = 6  // there is no file
	StateValidating PluginState = 7  // safe reload: a version is being copied and validated
	StateRejected   PluginState = 8  // safe reload: the version was rejected; the next one is waited for
	StateRetrying   PluginState = 9  // safe reload: the version could not be copied, or lacks a file; tried again later
	StateReady      PluginState = 10 // a change waits to be delivered: PluginStatus.WaitsFor says why
	StateDelivering PluginState = 11 // the host's callback runs
	StateHanging    PluginState = 12 // the file system does not answer
)

// String returns the state's name without "State", "PluginState(99)" for one that is not
// known.
func (s PluginState) String() string { return nameOf(stateNames, s, "PluginState") }

var stateNames = map[PluginState]string{StateIdle: "Idle", StateSettling: "Settling", StateWriting: "Writing",
	StateUnreadable: "Unreadable", StateIncomplete: "Incomplete", StateMissing: "Missing", StateValidating: "Validating",
	StateRejected: "Rejected", StateRetrying: "Retrying", StateReady: "Ready", StateDelivering: "Delivering", StateHanging: "Hanging"}

// Watching says how a plugin's path is watched. The values are those of the C header.
//
// Since 1.0.0. See also [PluginStatus].
type Watching int32

// The ways to watch.
//
// Since 1.0.0. See also [PluginStatus].
const (
	WatchingPending  Watching = 0 // not yet: the file system has not said where the directory is
	WatchingNotified Watching = 1 // the system notifies of changes
	WatchingPolled   Watching = 2 // compared every PollInterval, at least in part
)

// String returns the way's name without "Watching", "Watching(9)" for one that is not known.
func (w Watching) String() string { return nameOf(watchingNames, w, "Watching") }

var watchingNames = map[Watching]string{WatchingPending: "Pending", WatchingNotified: "Notified", WatchingPolled: "Polled"}

// Decision says what kind of thing happened to a plugin. The values are those of the C
// header.
//
// Since 1.0.0. See also [PastDecision].
type Decision int32

// The decisions.
//
// Since 1.0.0. See also [PastDecision].
const (
	DecisionNone       Decision = 0  // nothing is known
	DecisionNoticed    Decision = 1  // the file may have changed
	DecisionWaiting    Decision = 2  // a check found the file not complete yet
	DecisionUnchanged  Decision = 3  // there is nothing to deliver
	DecisionComplete   Decision = 4  // there is a complete, new version
	DecisionRejected   Decision = 5  // the version is not delivered
	DecisionUnreadable Decision = 6  // the file cannot be read
	DecisionRemoved    Decision = 7  // the file is gone
	DecisionSuperseded Decision = 8  // a version was taken back because the file may have changed
	DecisionDelivered  Decision = 9  // a change was delivered
	DecisionReported   Decision = 10 // the host reported on a generation
	DecisionPaused     Decision = 11 // the plugin was paused or resumed
)

// String returns the decision's name without "Decision", "Decision(99)" for one that is not
// known.
func (d Decision) String() string { return nameOf(decisionNames, d, "Decision") }

var decisionNames = map[Decision]string{DecisionNone: "None", DecisionNoticed: "Noticed", DecisionWaiting: "Waiting",
	DecisionUnchanged: "Unchanged", DecisionComplete: "Complete", DecisionRejected: "Rejected", DecisionUnreadable: "Unreadable",
	DecisionRemoved: "Removed", DecisionSuperseded: "Superseded", DecisionDelivered: "Delivered", DecisionReported: "Reported",
	DecisionPaused: "Paused"}

// PastDecision is one decision about a plugin.
//
// Since 1.0.0. See also [PluginStatus].
type PastDecision struct {
	Decision Decision  // what it was
	Time     time.Time // the last time, if there were several in a row
	Times    int       // how often in a row
	Reason   string    // for people: one printable line
}

// Process is a process that holds a plugin's file open for writing.
//
// Since 1.0.0. See also [PluginStatus].
type Process struct {
	PID     int    // its number
	Program string // its name; "" if it may not be read
}

// PluginStatus is what is known of a plugin at one moment. The times of what happened, and
// Decisions, are kept of the 1024 plugins to which something happened last; those of the
// others are zero.
//
// Since 1.0.0. See also [Manager.PluginStatus].
type PluginStatus struct {
	ID, Path string      // Path as registered
	State    PluginState // what the plugin is doing
	Since    time.Time   // of the state; zero if that is not known
	Due      time.Time   // when the file is checked next; zero if nothing is due

	Paused    bool      // by SetPluginPaused
	Marker    string    // the pause marker that holds changes back; "" if none does
	MarkedAt  time.Time // since when it does
	WaitsFor  string    // StateReady, for people: why the change is not delivered yet; otherwise ""
	Watching  Watching  // how the path is watched
	WatchedBy string    // for people: why it is polled or not watched yet, or what its notifications do not tell; otherwise ""
	Writers   []Process // StateWriting: those that this process may examine

	Generation       uint64         // of the latest delivered version; 0 before the first
	LastNotification time.Time      // or another sign of a change
	LastCheck        time.Time      // of the file, on the disk
	LastDelivery     time.Time      // of a change
	LastReport       time.Time      // see ReportReload
	LastOutcome      Outcome        // of LastReport; 0 without one
	Decisions        []PastDecision // the latest, oldest first; at most eight
}

func statusOf(s *engine.PluginStatus) PluginStatus {
	out := PluginStatus{ID: s.ID, Path: s.Path, State: PluginState(s.State), Since: s.Since, Due: s.Due, Paused: s.Paused,
		Marker: s.Marker, MarkedAt: s.MarkedAt,
		WaitsFor: s.WaitsFor, Watching: Watching(s.Watching), WatchedBy: s.WatchedBy, Generation: s.Generation,
		LastNotification: s.LastNotification, LastCheck: s.LastCheck, LastDelivery: s.LastDelivery, LastReport: s.LastReport,
		LastOutcome: Outcome(s.LastOutcome)}
	for _, p := range s.Writers {
		out.Writers = append(out.Writers, Process(p))
	}
	for _, d := range s.Decisions {
		out.Decisions = append(out.Decisions, PastDecision{Decision: Decision(d.Decision), Time: d.Time, Times: d.Times, Reason: d.Reason})
	}
	return out
}

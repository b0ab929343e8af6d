// SPDX-License-Identifier: MIT

package reload

// The inputs of a machine.
type (
	addPlugins struct {
		Sets    []Set
		Plugins []Plugin
	}
	removePlugins struct{ IDs []string }
	// offer is a version that was delivered. With Back it is one to go back to.
	offer struct {
		Plugin     string
		Generation uint64
		Back       bool
		Failed     uint64 // with Back: the generation that turned out bad; 0: the active one
	}
	// fileRemoved says that the plugin's file is gone.
	fileRemoved struct{ Plugin string }
	// rejected says that validation rejected a version.
	rejected struct{ Plugin, Reason string }
	// withoutState takes a version that waits because the state cannot be saved.
	withoutState struct{ Plugin string }
	// started says that a task has begun to run; its limit counts from now.
	started struct{ Task uint64 }
	// returned says that a task has ended.
	returned struct {
		Task   uint64
		Result Result
	}
	// checked answers a check: "" means that the versions fit together.
	checked struct {
		Check  uint64
		Reason string
	}
	tick         struct{}
	closeMachine struct{}
)

// Fault says who is to blame for a step that failed.
type Fault uint8

const (
	// OfVersion blames the version: it is not tried again.
	OfVersion Fault = iota
	// OfNobody means that the step was not possible just now, and did nothing. The
	// version is tried again.
	OfNobody
)

// Result is how a step ended.
type Result struct {
	Failure string // why it failed; "" if it did not
	Fault   Fault
	Hooks   Hooks  // of Load
	State   any    // of Save
	Kept    string // of Unload: why it stays in memory; "" if it does not
}

// notDone reports whether the step was not possible, and so did nothing.
func (r Result) notDone() bool { return r.Failure != "" && r.Fault == OfNobody }

// The effects of a machine.
type (
	// begin starts a task. The answers are started and returned.
	begin struct{ task *task }
	// cancel says that nobody waits for a task any more.
	cancel struct{ task uint64 }
	// shut says that callers of a plugin get no version, and why.
	shut struct{ plugin, reason string }
	// forget says that a version is unloaded, or stays in memory for ever: what
	// stands for it may go.
	forget struct{ version Version }
	// check asks the host whether versions fit together.
	check struct {
		id       uint64
		set      string
		versions []Version
	}
	// say tells the host an outcome.
	say struct{ outcome Outcome }
	// drop says that a generation of a plugin will not be loaded (again).
	drop struct {
		plugin     string
		generation uint64
	}
	// closed says that everything has ended.
	closed struct{}
)

// effect is one of the types above.
type effect any

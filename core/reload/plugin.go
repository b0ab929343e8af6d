// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"slices"
	"time"
)

// Mode says in which order the old and the new version of a plugin exit and begin.
type Mode uint8

const (
	// SideBySide initialises the new version while the old one still answers. The
	// old one exits after its last call.
	SideBySide Mode = iota
	// ExitFirst has the old version exit before the new one is initialised: for a
	// plugin that owns a port, a lock or a device. The new version is loaded before,
	// so that a file that does not load costs nothing. Callers wait meanwhile.
	ExitFirst
	// UnloadFirst also unloads the old version before the new one is loaded: for a
	// plugin that registers itself in a global registry when it is loaded.
	UnloadFirst
)

var modeNames = [...]string{"side by side", "exit first", "unload first"}

// String returns the mode in words.
func (m Mode) String() string { return nameOf(modeNames[:], int(m)) }

// Plugin is what the engine must know of a plugin.
type Plugin struct {
	ID string
	// Needs names the plugins that this one uses. They are exchanged before it, and
	// it is exchanged or restarted with them.
	Needs []string
	// Together names the [Set] that this plugin is exchanged with; "" is none.
	Together string
	Mode     Mode
	// StateOptional takes a new version without the state of the old one if that
	// cannot be saved. Otherwise the new version waits for [Engine.TakeWithoutState].
	StateOptional bool
	Limits        Limits
}

// Set is a set of plugins that are exchanged together: a certificate and its key, a
// plugin and its data.
type Set struct {
	ID string
	// Check asks the host whether versions fit together ([Config].Check) before they
	// are exchanged. Without it, new versions are exchanged when each plugin of the
	// set has one, or Wait after the first.
	Check bool
	// Wait is how long versions that do not fit wait silently for others; 0 means
	// 30 s. After that the host hears about it, and they go on waiting.
	Wait time.Duration
}

// Limits says how long steps may take. 0 is the default, less than 0 is no limit.
type Limits struct {
	Load, Init, Save, Restore, Prepare, Exit, Unload time.Duration // default 10 s each
	// Quiesce is how long new calls are held until those under way have ended,
	// for all plugins of a plan together; default 1 s. It is never without limit.
	Quiesce time.Duration
	// InUse is after which time the host hears that an old version is still in use;
	// default 10 s.
	InUse time.Duration
}

const (
	defaultLimit   = 10 * time.Second
	defaultQuiesce = time.Second
	defaultWait    = 30 * time.Second
	minPause       = time.Second
	maxPause       = time.Minute
)

// limit returns how long a step may take; 0 means no limit.
func (l Limits) limit(k Step) time.Duration {
	d := map[Step]time.Duration{Load: l.Load, Init: l.Init, Save: l.Save, Restore: l.Restore, Prepare: l.Prepare, Exit: l.Exit, Unload: l.Unload}[k]
	switch {
	case d < 0 || k == Activate || k == AwaitIdle:
		return 0
	case d == 0:
		return defaultLimit
	}
	return d
}

func (l Limits) quiesce() time.Duration {
	if l.Quiesce <= 0 {
		return defaultQuiesce
	}
	return l.Quiesce
}

func (l Limits) inUse() time.Duration {
	if l.InUse == 0 {
		return defaultLimit
	}
	return max(l.InUse, 0)
}

func (s Set) wait() time.Duration {
	if s.Wait <= 0 {
		return defaultWait
	}
	return s.Wait
}

// Version is a version of a plugin that was loaded or is to be.
type Version struct {
	Plugin     string
	Generation uint64
	// Instance tells apart what was loaded for the same generation twice. It is
	// different for everything that an engine loads.
	Instance uint64
}

// String returns the version in words: "generation 2 of greeter".
func (v Version) String() string { return fmt.Sprintf("generation %d of %s", v.Generation, v.Plugin) }

// Hooks says which hooks a loaded version has.
type Hooks struct {
	Init, Exit, Save, Restore, Prepare bool
	// Notes are what the host should know of the version. The outcome of its exchange has
	// them in its Notes.
	Notes []string
}

// Step is a kind of step.
type Step uint8

// The steps. Each is a method of [Steps].
const (
	Load Step = iota + 1
	Init
	Quiesce
	Save
	Exit
	Unload
	Restore
	Prepare
	Activate
	AwaitIdle
	// alone waits until no old version uses the one that is to exit. It is no step
	// of the language.
	alone
)

var stepNames = [...]string{"", "load", "init", "quiesce", "save", "exit", "unload", "restore", "prepare", "activate", "await idle", "alone"}

// String returns the step in words.
func (s Step) String() string { return nameOf(stepNames[:], int(s)) }

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprint("unknown ", i)
}

// sortByNeeds sorts plugins so that each comes after those that it needs. It
// returns a cycle, its first plugin repeated at its end, if there is one. Plugins
// that need is not among are left out of account.
func sortByNeeds(ids []string, needs func(id string) []string) (sorted, cycle []string) {
	const visiting, visited = 1, 2
	state := map[string]int{}
	var path []string
	var visit func(id string) bool
	visit = func(id string) bool {
		switch state[id] {
		case visited:
			return true
		case visiting:
			cycle = append(slices.Clone(path[slices.Index(path, id):]), id)
			return false
		}
		state[id] = visiting
		path = append(path, id)
		for _, n := range needs(id) {
			if slices.Contains(ids, n) && !visit(n) {
				return false
			}
		}
		path = path[:len(path)-1]
		state[id] = visited
		sorted = append(sorted, id)
		return true
	}
	for _, id := range ids {
		if !visit(id) {
			return nil, cycle
		}
	}
	return sorted, nil
}

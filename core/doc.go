// SPDX-License-Identifier: MIT

// Package core watches plugin files and calls its host exactly once about every
// completed change of each, never about a half-written one, losing nothing. It is
// pure Go; the C library in capi/ only converts to and from it.
//
//	m, err := core.New(core.Options{})
//	if err != nil { … }
//	defer m.Close()
//	m.SetReloadCallback(func(id string) { reload(id) }, nil)
//	err = m.Enable("greeting", "plugins/greeting.so", core.EnableOptions{})
//
// A plugin is any file: a shared library, a script, a configuration. What a reload is,
// the host decides.
//
// # What happens between a change and the callback
//
//	notification → path chain → settle → check → validate (safe reload) → queue → callback
//
// A notification of the system says that a name may have changed. The path chains
// say which plugins that concerns: every directory and link on the way to a file is
// watched. The file then settles: it is delivered when no process holds it open for
// writing, and when it has been quiet for the quiet period. With [Safe] a private
// copy is made and validated before the host hears of it. The queue holds at most one
// change of a plugin; a newer one supersedes it.
//
// Notifications are hints, the disk is the truth: what decides is a file's
// fingerprint (device, inode, size, modification time), and a hash of the content if
// asked for. A lost, late or superfluous notification never causes a wrong delivery;
// after a lost one everything is compared with the disk.
//
// # Three ways to be called
//
//   - [DispatchThread], the default: callbacks run on a goroutine of the manager. The host
//     does nothing else.
//   - [DispatchManual] and a goroutine of the host's that waits in [Manager.Dispatch] with
//     a negative timeout. Close ends the wait.
//   - [DispatchManual] and an event loop that polls [Manager.EventFD], or that the function
//     of [Manager.SetWakeup] wakes. The loop calls Dispatch(0, 0).
//
// # Safe reload
//
// A host that loads what changed asks for safe reload, with [Options].Safe or
// [EnableOptions].Safe, and follows four rules:
//
//  1. Enable with DeliverPresent, so that the first version arrives like all others.
//  2. At each FileChanged load [Event].Snapshot, never Path.
//  3. Report the outcome with [Manager.ReportReload] and the event's ID and Generation.
//  4. At a Rollback go back to its Snapshot, if the former version is not in use any more.
//
// Package core/reload is the engine for the rest: it exchanges versions in order, several
// at once, with their state and a way back.
//
// # Threads
//
// Every method may be called from any goroutine and from inside a callback. Callbacks
// of one manager never overlap. They run on the goroutine that calls
// [Manager.Dispatch], or with [DispatchThread] on one goroutine that is locked to a
// thread of its own. [Manager.Enable] alone waits for a file system as long as that takes;
// [Manager.Dispatch] waits for one at most a second, and [Manager.Close] two, even
// while it hangs.
//
// # Systems
//
// It is tested on Linux, and on Windows under Wine; for macOS and the BSDs it is compiled.
// The question whether a process writes a file has an answer on Linux, for the user's own
// files on local file systems, and on Windows. Elsewhere the quiet period decides: make it
// longer than the pauses of the programs that write plugins.
//
// # Where to look
//
// docs/core.md is the map of the source. The packages below internal have one job each, and
// a doc.go that says which: fsys (what the disk holds), watch (which directories a path
// depends on), settle (when a change is complete), image, verify and snapshot (safe
// reload), deliver (what waits for the callbacks), table (compact lookup), printable (text for terminals), and engine, which owns
// the state and puts them together.
package core

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
// # Threads
//
// Every method may be called from any goroutine and from inside a callback. Callbacks
// of one manager never overlap. They run on the goroutine that calls
// [Manager.Dispatch], or with [DispatchThread] on one goroutine that is locked to a
// thread of its own. No method but [Manager.Enable] waits for a file system, and
// [Manager.Close] returns within two seconds even while one hangs.
//
// # Where to look
//
// The packages below internal have one job each, and a doc.go that says which:
// fsys (what the disk holds), watch (which directories a path depends on), settle
// (when a change is complete), image, verify and snapshot (safe reload), and engine,
// which owns the state and puts them together.
package core

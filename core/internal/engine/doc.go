// SPDX-License-Identifier: MIT

// Package engine owns the state of all plugins and puts the other packages together. It
// decides nothing that they decide: watch says which plugin a notification concerns,
// settle when its file is complete, verify whether the version may be loaded.
//
// All state is behind one lock, Engine.mu. Nothing that may block is done with it held:
// the workers ask the disk, and the host's callbacks run without it. Whoever has
// something new (a notification, an answer of a worker, a timer, a call from outside)
// takes the lock, notes it and calls [Engine.turn], which goes on with everything that can
// go on.
//
// One change goes through these files:
//
//	intake.go    notification → plugin → settle.Machine; a folder that leads elsewhere; the
//	             timer of what is due; hard links
//	check.go     a check of one file, on a worker: files.go asks about the plugin's files,
//	             contents.go reads them, decide.go is what is made of the answer
//	validation.go  safe reload: candidate.go copies and verifies, validator.go calls the
//	             host, snapshots.go keeps the store
//	delivery.go  what is put into deliver.Gate, or taken back from it; health events
//	dispatch.go  the delivery: Dispatch, the thread, the wakeup; when the event
//	             descriptor is readable; the last check before a delivery, the check after it
//	callback.go  the host's functions, their registration
//	report.go    safe reload after the delivery: reports, rollback, retries, what is kept
//
// Beside them:
//
//	engine.go      the engine; Close, and what it waits for and how long
//	enable.go      Enable, Disable, Clear; pause.go: all plugins, or one, held back
//	workers.go     the goroutines that ask the disk; how a file system that hangs is found
//	folder.go      folders that find plugins: listing.go has directories listed, found.go is
//	               what becomes of the files, folderhealth.go what the host hears of faults
//	plugin.go      what is kept of a plugin, and how a plugin is found
//	policy.go      Safe, of a manager and of a plugin, merged
//	safe.go        what a plugin with safe reload has beside the others
//	checknow.go    comparisons with the disk that the host asks for
//	status.go      what a plugin is doing and why; explain.go says it for people
//	history.go     the last decisions about the plugins to which something happened
//	log.go         the log: what note and events say, for the host's function
//	compare.go     plugins compared with the disk; comparison.go says when all are, and the
//	               back-off; periodic.go does it for what is polled
//	bulk.go        many plugins that come or go at once
//	options.go, event.go, stats.go, errors.go: as core has them; fault.go contains panics
package engine

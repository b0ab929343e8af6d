// SPDX-License-Identifier: MIT

// Package reload exchanges versions of plugins: in order, several at once, and
// always with a way back. It is the engine of every host; what differs between
// languages (loading a library, importing a module, finding a hook) is behind
// [Steps].
//
// # Who calls whom
//
//	host ──Offer, GoBack, Add, Remove, Close──► Engine ──► machine (pure)
//	                                              ▲  │
//	                                    answers   │  ▼  effects
//	                        Steps of the language: Load, Init, Save, Restore,
//	                        Prepare, Activate, Exit, Unload, Quiesce, AwaitIdle, Shut, Forget
//
// A host offers a version when the manager (package core) has delivered it; [Host]
// connects the two, opens plugins and closes them. The
// machine decides which steps follow. It is a pure state machine: it reads no clock
// and no disk, holds no lock and starts no goroutine. [Engine] owns it behind one
// mutex, runs the steps that it asks for, and gives it their answers, the time, and
// the host's wishes. Outcomes go to the host one at a time, in order.
//
// Calls into a plugin never pass through this package. The language pins a version
// for a call by an atomic counter of its own. Quiesce and AwaitIdle are how the
// engine learns that no call is under way.
//
// # The plan
//
// A plan exchanges one plugin or several. Its members are the plugins with new
// versions and all plugins that need them, directly or not. They are sorted: a
// plugin comes after those that it needs ("forward"); the other way round is
// "backward". A member without a new version is restarted: its version exits and is
// initialised again, with the new versions of what it needs.
//
//  1. load the new versions                                       forward
//  2. initialise those that are exchanged side by side            forward
//  3. quiesce: hold new calls, wait for those under way           backward
//  4. save the state of the old version; exit it (exit first)     backward
//  5. initialise the new one (exit first); restore the state      forward
//  6. activate all: one step, which exchanges all or none
//  7. exit and unload the old versions after their last call      backward
//
// Only plugins that hand their state over or exit first are quiesced; nobody waits
// for the others. A plugin whose old version exits before the new one is initialised
// takes along the plugins that need it: they exit first, too.
//
// Each step that was done is noted in a journal. If a step fails, the journal is
// undone from its end: a version that was initialised exits, one that exited is
// initialised again and gets its state back, and what was held goes on. Then all
// that was loaded for the plan exits and is unloaded. Step 7 is no part of the plan:
// its failures cannot harm the new version, and are said as notes.
//
// # Busy is not bad
//
// Calls that do not end while they are waited for say nothing about a new version.
// Everything is undone, the calls that were held go on, and the plan begins anew
// after a pause (1 s, doubling to 1 minute). The outcome is [Postponed]. The new
// version is loaded and initialised again at each attempt.
//
// # Time-outs
//
// No step can be interrupted; it can only be given up. A version with a step that
// was given up is left alone until that step returns: no other step begins in it, it
// is not activated, and not unloaded. What the late step has done is then undone. An
// active version goes on answering while a save of it hangs, and is exchanged only
// after that, or without its state. If
// the old version exits or is initialised for too long, nothing answers; the outcome
// says so, and the version is activated again when the step has returned. The limit
// of a step counts from when it begins to run, not from when it is queued.
//
// # What remains after a failure
//
// Either the old versions answer, all of them, or the outcome's Down says why one
// does not. Such a plugin is tried again (after 1 s, doubling to 1 minute, and
// whenever a step of it returns late), and says when it has recovered. Its callers
// do not wait meanwhile: they are told that there is no version.
//
// # Threads
//
// Every method of [Engine] may be called from any goroutine, from steps and from
// the outcome function; none of them waits, but [Engine.Wait]. A step runs where
// [Config].Run puts it, by default on a goroutine of its own; it may block. At most
// one step of a version runs at a time. Steps of one plan follow one another; plans
// without common plugins run side by side, so a slow plugin holds up no other.
// Activate, Shut and Forget must not wait for calls under way.
//
// # Callers
//
// A caller that holds a version of one plugin and wants one of another, which is
// quiesced together with the first, would wait for itself until the limit is over:
// the exchange is then postponed. A language that knows that a caller holds a
// version lets it through; Quiesce only means that calls come to an end. Plugins
// that a caller needs to fit together are acquired by it in one go: Activate is one
// step so that this can be done.
//
// # Closing
//
// [Engine.Close] drops what waits, gives up what is being exchanged (its running
// step is awaited up to its limit), shuts every plugin, and exits and unloads the
// active versions after their last call, dependents first. An old version that has
// exited for its successor is not initialised again. [Engine.Wait] waits for that,
// and names what is left if its context ends before.
//
// # Files
//
//	plugin.go      what the host says of plugins and sets; which plugin needs which
//	language.go    what a language supplies: Steps, Config
//	outcome.go     verdicts and outcomes, and their text
//	engine.go      Engine: the lock, the host's wishes, the timer
//	effects.go     what the machine asks for, in order; the outcomes' order
//	perform.go     a step is run, and answered
//	wait.go        waiting for the end
//	host.go        Host: a manager and an Engine together
//	manager.go     a manager's events become offers; outcomes become its reports
//	gate.go        how a host in Go counts calls and holds new ones
//	errors.go      the kinds of error
//
// The machine is pure:
//
//	machine.go     the inputs and what follows from them; outcomes; when time matters
//	messages.go    inputs and effects
//	state.go       what is kept of plugins, versions and sets
//	membership.go  plugins and sets come and go; closing
//	candidates.go  versions that wait to be exchanged
//	start.go       when an exchange begins, and what is part of it; sets; recovery; Status
//	plan.go        the steps of one exchange, forward and back, as lists
//	needed.go      which of them are needed when their turn comes
//	advance.go     the next step of an exchange begins; one has returned
//	undo.go        an exchange turns back
//	conclude.go    the end of an exchange, and what is said of it
//	tasks.go       a step begins, returns, or is given up
//	retirement.go  the end of a version
//
// The rules are written as stories in testdata, one or more for each sentence of
// testdata/sentences. random_test.go runs random plugins with a failure at every
// step.
package reload

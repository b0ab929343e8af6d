// SPDX-License-Identifier: MIT

// Command capi is the c-shared library libhotreload. It only converts between
// C and package core; nothing is decided here. Built by capi/mklib.
//
// Layers, from the host inwards:
//
//	include/hot_reload_manager.h  the public interface and its manual
//	shim.c      the hrm_* functions: NULL and size checks, zeroed outputs
//	shim.h      what the files with public functions have in common
//	thread.c    the host's threads during a call and in callbacks: signals, signal stack
//	guest.c     fork guard, signals of Go's runtime
//	pressure.c  what Go's runtime gets where threads or address space run out
//	exports.go  hrmgo_*: finds the manager, calls core, turns errors into codes
//	handles.go  the handle table; the only user of go-pointer
//	handles.c   the handles, where leak checkers find them
//	status.go   the status of a plugin, for programs and for people
//	safe.go     the options, reports and stats of safe reload
//	errors.go   core's errors as codes and hrm_error, printable text
//	panics.go   contains panics at the border
//	invoke.c    calls of the host's callbacks
//
// Hosts of plugins (package core/reload):
//
//	include/hot_reload_plugin.h  the public interface and its manual
//	hosts.c     the hrm_host_* and hrm_plugin_* functions that enter Go
//	plugins.c   those that do not: acquire, release, what a version exports
//	places.c    handles of plugins and versions
//	pins.h      the door to one plugin: who is in which version; wait.h: locks of the system
//	hosts.go    hrmgo_host_*: the table of hosts, their beginning and end
//	opening.go  plugins are opened
//	plugin.go   hrmgo_plugin_*: closing, status
//	host.go     a host, its plugins and versions
//	hoststeps.go  the steps of reload.Engine, performed by C
//	hostcalls.go  the host's callbacks, validators and checks
//	jobs.go     what runs inside hrm_dispatch
//	steps.c     code of plugins and of the host, called from Go
//	library.c   loading and unloading of shared libraries
//	callers.c   what could call a library after it was unloaded
//	canary.c    a version in a child process; canary_child.h, canary/main.c: the child
//
// # How a language sits on a host
//
// A language (Qt, Python) creates a host by hrm_host_create with hrm_host_options.step. It
// opens plugins by hrm_host_open, and gets its own object for each in
// hrm_plugin_options.prepare_data. Then
//
//   - hrm_step_fn performs a step and nothing else: HRM_STEP_LOAD imports or loads
//     step.path, puts what stands for the version into result.data, and says by
//     result.hooks which steps the version has. INIT, SAVE, RESTORE, PREPARE, EXIT and
//     UNLOAD do what their names say. A saved state stays with the version that saved it
//     (step.from names it at RESTORE). ACTIVATE says that the version answers from now on:
//     for what has names of the present version. FORGET frees what stands for the version.
//     Order, time limits, undoing, retries and messages are the engine's.
//   - hrm_plugin_outcome_fn hears what became of each version; message is the line for
//     people, the same in every language.
//   - a use of a plugin is hrm_plugin_acquire, hrm_plugin_data, hrm_plugin_release: what
//     the language calls use() or get().
//   - with HRM_DISPATCH_MANUAL steps and outcomes run inside hrm_dispatch of
//     hrm_host_manager(host), whose event descriptor and wakeup callback say when: on the
//     thread of the event loop. hrm_host_open and hrm_plugin_close dispatch while they wait.
//   - the language's own manager class can own hrm_host_manager(host): an event callback
//     or validator set there is called beside the host's own.
//   - hrm_host_options.destroy says when the language's data is needed no more.
//
// The stories of core/reload/testdata are told to each language; the README there says how.
//
// Rules. Values that the host chose freely (handles, user_data, function
// pointers) cross as uintptr_t: Go's runtime ends the process when it finds an
// invalid pointer in a pointer-typed slot. No Go pointer goes to C. Strings are
// copied. Only fixed-width types are exported.
package main

func main() {}

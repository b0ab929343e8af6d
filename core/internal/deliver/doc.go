// SPDX-License-Identifier: MIT

// Package deliver is what stands between the engine and the host's callbacks.
//
// Everything that is delivered passes a [Gate]: it takes changes and events in, bounds
// what waits, says what is delivered next and when the host must be woken. A [Slot]
// holds a registered callback until its last call has returned. [Readiness] is the
// descriptor that a host polls; the engine decides when it is readable (dispatch.go). [ThreadID] finds out who is inside a callback.
//
// The package knows no plugins and has no lock of its own: its user holds one lock
// over all of a gate's calls. Nothing here blocks, and only a slot's release function
// is called from here.
package deliver

// SPDX-License-Identifier: MIT

package core

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/engine"
)

// Manager watches plugins. All methods may be called from any goroutine and from
// inside a callback, Close included. Errors are of type [*Error].
type Manager struct {
	engine *engine.Engine
}

// New returns a manager that watches nothing yet. Close it.
//
// Errors: ErrInvalidArgument for an option out of range, ErrNoMemory if
// DispatchManual gets no descriptor.
func New(o Options) (*Manager, error) {
	e, err := engine.New(o.engine())
	if err != nil {
		return nil, public(err)
	}
	return &Manager{e}, nil
}

// Enable begins to watch the file at path under the name id. The version that is
// there now counts as known, unless EnableOptions.DeliverPresent is set. Enable keeps
// copies of both strings. It asks the file system, and waits for its answer.
//
// Errors: ErrFileNotFound, ErrInvalidPath, ErrAlreadyExists, ErrPermissionDenied,
// ErrInvalidArgument, ErrClosed, ErrPanic, ErrIO, ErrNoMemory; with safe reload also
// those of its directory and safeguards.
func (m *Manager) Enable(id, path string, o EnableOptions) error {
	return public(m.engine.Enable(id, path, o.engine()))
}

// Disable ends the watching of id and drops what is pending for it. It reports
// whether id was enabled. When it returns, no change of id is being delivered, except
// to the caller if it is itself inside that callback.
//
// Errors: ErrClosed, ErrPanic.
func (m *Manager) Disable(id string) (bool, error) {
	was, err := m.engine.Disable(id)
	return was, public(err)
}

// Clear disables every plugin and returns how many there were. Otherwise as Disable.
func (m *Manager) Clear() (int, error) {
	n, err := m.engine.Clear()
	return n, public(err)
}

// IsEnabled reports whether id is enabled. It takes no lock.
//
// Errors: ErrClosed, ErrPanic.
func (m *Manager) IsEnabled(id string) (bool, error) {
	on, err := m.engine.IsEnabled(id)
	return on, public(err)
}

// Plugins returns the enabled ids in the order of enabling.
//
// Errors: ErrClosed, ErrPanic.
func (m *Manager) Plugins() ([]string, error) {
	ids, err := m.engine.Plugins()
	return ids, public(err)
}

// PluginsSize is what Plugins would return: how many ids, and their length in bytes
// together.
//
// Errors: ErrClosed, ErrPanic.
func (m *Manager) PluginsSize() (s struct{ Count, Bytes int }, err error) {
	s, err = m.engine.PluginsSize()
	return s, public(err)
}

// SetGlobalEnabled pauses (false) or resumes (true) the delivery of changes. Each
// plugin that changed meanwhile is delivered once after resuming. When pausing
// returns, no change is being delivered, except to the caller itself.
//
// Errors: ErrClosed, ErrPanic.
func (m *Manager) SetGlobalEnabled(on bool) error { return public(m.engine.SetGlobalEnabled(on)) }

// IsGlobalEnabled reports whether delivery is not paused.
//
// Errors: ErrClosed, ErrPanic.
func (m *Manager) IsGlobalEnabled() (bool, error) {
	on, err := m.engine.IsGlobalEnabled()
	return on, public(err)
}

// SetReloadCallback sets the function that is called with the id of a plugin that
// needs reloading; nil removes it. While neither this nor an event callback is set,
// changes stay pending. release, if not nil, runs exactly once: after the last call of
// fn, also if this fails. The former function is not running any more when this
// returns, except if it is the caller.
//
// Errors: ErrClosed, ErrPanic.
func (m *Manager) SetReloadCallback(fn func(id string), release func()) error {
	return public(m.engine.SetReloadCallback(fn, release))
}

// SetEventCallback sets the function that receives every event, a change just before
// the reload callback does; otherwise as SetReloadCallback.
func (m *Manager) SetEventCallback(fn func(Event), release func()) error {
	if fn == nil {
		return public(m.engine.SetEventCallback(nil, release))
	}
	return public(m.engine.SetEventCallback(func(e engine.Event) { fn(eventOf(&e)) }, release))
}

// SetWakeup sets a function that is called when Dispatch has something to deliver:
// once, until Dispatch has been called. It runs on a goroutine of the manager and
// should only signal; Dispatch returns 0 inside it. Otherwise as SetReloadCallback.
//
// Errors: ErrNotSupported with DispatchThread, ErrClosed, ErrPanic.
func (m *Manager) SetWakeup(fn func(), release func()) error {
	return public(m.engine.SetWakeup(fn, release))
}

// SetValidator sets the function that is asked about every version of plugins with
// safe reload, after the built-in validations, those that wait to be delivered
// included; nil removes it. Otherwise as SetReloadCallback.
func (m *Manager) SetValidator(fn Validator, release func()) error {
	if fn == nil {
		return public(m.engine.SetValidator(nil, release))
	}
	return public(m.engine.SetValidator(func(c engine.Candidate) error { return fn(Candidate(c)) }, release))
}

// ReportReload says how the host's loading of a delivered generation went. message
// appears in the Rollback event that follows a failure.
//
// Errors: ErrInvalidArgument for an outcome, id or generation that is not known,
// ErrNotSupported without safe reload, ErrClosed, ErrPanic.
func (m *Manager) ReportReload(id string, generation uint64, outcome Outcome, message string) error {
	return public(m.engine.ReportReload(id, generation, engine.Outcome(outcome), message))
}

// Dispatch delivers up to limit pending events (0: all) on the calling goroutine and
// returns how many. If none is pending it waits for the first one as long as timeout
// says (0: not at all, negative: for ever). From inside a callback it returns 0,
// because callbacks do not nest.
//
// Errors: ErrNotSupported with DispatchThread, ErrInvalidArgument for a negative limit,
// ErrClosed, ErrPanic.
func (m *Manager) Dispatch(limit int, timeout time.Duration) (int, error) {
	n, err := m.engine.Dispatch(limit, timeout)
	return n, public(err)
}

// EventFD returns a descriptor that polls readable while Dispatch has something to
// deliver and is not running. The manager reads, writes and closes it.
//
// Errors: ErrNotSupported with DispatchThread and on Windows, ErrClosed, ErrPanic.
func (m *Manager) EventFD() (int, error) {
	fd, err := m.engine.EventFD()
	return fd, public(err)
}

// Stats returns the present figures. It works after a fault too.
//
// Errors: ErrClosed.
func (m *Manager) Stats() (Stats, error) {
	s, err := m.engine.Stats()
	return Stats(s), public(err)
}

// Fault is for the layer above: it contained a panic in work for this manager, which is
// unusable from then on.
func (m *Manager) Fault(what string) { m.engine.Fault(what) }

// Close stops everything, ends a waiting Dispatch, waits for a running callback
// (unless called from inside it; then the rest follows when it has returned) and runs
// the release functions of the callbacks. It does not wait for a file system that
// hangs. Closing again does nothing.
func (m *Manager) Close() { m.engine.Close() }

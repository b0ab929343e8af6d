// SPDX-License-Identifier: MIT

package core

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/engine"
)

// Manager watches plugins. Make one with [New]; the zero Manager cannot be used.
//
// Every method may be called from any goroutine and from inside a callback, Close
// included. Callbacks of one manager never overlap and never nest, and run with no lock
// held. A panic of a callback is contained: afterwards methods return [ErrPanic], and a
// [Health] event says so. Errors are of type [*Error].
//
// Since 1.0.0.
type Manager struct {
	engine *engine.Engine
}

// New returns a manager that watches nothing yet. Close it.
//
// Errors: ErrInvalidArgument for an option out of range, ErrNoMemory if
// DispatchManual gets no descriptor, ErrIO if a relative AllowList cannot be resolved.
//
// Since 1.0.0. See also [Manager.Enable] and [Manager.Close].
func New(o Options) (*Manager, error) {
	e, err := engine.New(o.engine())
	if err != nil {
		return nil, public(err)
	}
	return &Manager{e}, nil
}

// Enable begins to watch the file at path under the name id. The version that is
// there now counts as known, unless EnableOptions.DeliverPresent is set; each later
// complete version is delivered. When Enable returns, the file is watched: no change
// from then on goes unnoticed.
//
// id is any name of the caller's: 1 to 255 bytes of UTF-8 without control characters. Two
// ids may watch one file. path may be relative to the working directory, which is
// resolved now. What is watched is the path as a path: if a link or a directory on it
// is exchanged, that is a change. Enable keeps copies of both strings.
//
// Enable is the one method that asks the file system on the caller's goroutine. If that
// hangs, so does Enable.
//
// Errors: ErrFileNotFound, ErrInvalidPath, ErrAlreadyExists, ErrPermissionDenied,
// ErrInvalidArgument for id or an option, ErrClosed, ErrPanic, ErrIO, ErrNoMemory. With
// safe reload also, about the snapshot directory: ErrPermissionDenied if others could
// exchange what lies in it, ErrInvalidArgument, ErrIO.
//
// See also [Manager.Disable].
func (m *Manager) Enable(id, path string, o EnableOptions) error {
	return public(m.engine.Enable(id, path, o.engine()))
}

// Disable ends the watching of id and drops what is pending for it, its snapshots
// included. It reports whether id was enabled. When it returns, no callback about a change
// of id, and no call of the validator about id, is running or will run. Inside a callback
// Disable does not wait for that callback.
//
// Errors: ErrClosed, ErrPanic.
//
// See also [Manager.Clear].
func (m *Manager) Disable(id string) (bool, error) {
	was, err := m.engine.Disable(id)
	return was, public(err)
}

// Clear disables every plugin, ends every folder, and returns how many plugins there were.
// Otherwise as Disable.
//
// Errors: ErrClosed, ErrPanic.
//
// See also [Manager.Disable] and [Manager.DisableFolder].
func (m *Manager) Clear() (int, error) {
	n, err := m.engine.Clear()
	return n, public(err)
}

// IsEnabled reports whether id is enabled. It takes no lock, so that it may be called
// often.
//
// Errors: ErrClosed, ErrPanic.
//
// See also [Manager.Plugins].
func (m *Manager) IsEnabled(id string) (bool, error) {
	on, err := m.engine.IsEnabled(id)
	return on, public(err)
}

// Plugins returns the enabled ids in the order of enabling. The slice is the caller's.
//
// Errors: ErrClosed, ErrPanic.
//
// See also [Manager.IsEnabled].
func (m *Manager) Plugins() ([]string, error) {
	ids, err := m.engine.Plugins()
	return ids, public(err)
}

// PluginsSize is what Plugins would return: how many ids, and their length in bytes
// together.
//
// Errors: ErrClosed, ErrPanic.
//
// See also [Manager.Plugins].
func (m *Manager) PluginsSize() (s struct{ Count, Bytes int }, err error) {
	s, err = m.engine.PluginsSize()
	return s, public(err)
}

// SetGlobalEnabled pauses the delivery of changes (on is false), or resumes it (true).
// Each plugin that changed meanwhile is delivered once after resuming, with its latest
// version. Other events are delivered during a pause, too. When pausing
// returns, no change is being delivered, except to the caller itself.
//
// Errors: ErrClosed, ErrPanic.
//
// See also [Manager.IsGlobalEnabled].
func (m *Manager) SetGlobalEnabled(on bool) error { return public(m.engine.SetGlobalEnabled(on)) }

// IsGlobalEnabled reports whether delivery is not paused. A new manager is not paused.
//
// Errors: ErrClosed, ErrPanic.
//
// See also [Manager.SetGlobalEnabled].
func (m *Manager) IsGlobalEnabled() (bool, error) {
	on, err := m.engine.IsGlobalEnabled()
	return on, public(err)
}

// SetPluginPaused pauses the delivery of one plugin's changes and removals (on is true), or
// resumes it (false). Everything else goes on: the plugin's file is watched and settles, and
// with safe reload its versions are copied and validated. If the file changed meanwhile, its
// latest version is delivered once after resuming. Other plugins and other events do not
// wait. When pausing returns, no change of the plugin is being delivered, except to the
// caller itself.
//
// The pause of all plugins ([Manager.SetGlobalEnabled]) is another one: a change is
// delivered when neither holds it back. Disabling the plugin ends its pause.
//
// Errors: ErrInvalidArgument for an id that is not enabled, ErrClosed, ErrPanic.
//
// See also [Manager.IsPluginPaused] and [EnableOptions].Paused.
func (m *Manager) SetPluginPaused(id string, on bool) error {
	return public(m.engine.SetPluginPaused(id, on))
}

// IsPluginPaused reports whether a plugin is paused by itself.
//
// Errors: ErrInvalidArgument for an id that is not enabled, ErrClosed, ErrPanic.
//
// See also [Manager.SetPluginPaused].
func (m *Manager) IsPluginPaused(id string) (bool, error) {
	on, err := m.engine.IsPluginPaused(id)
	return on, public(err)
}

// CheckNow compares a plugin's files, and the directories on the way to them, with the disk
// at once, without waiting for a notification or the next poll: after a deployment, or where
// the file system sends no notifications. A file that could not be read, or not be copied
// for safe reload, is tried again at once.
//
// CheckNow returns before the comparison is made. What has changed is delivered as always:
// when it is complete and has been quiet for the quiet period. A file that is settling
// already is not delayed. However often it is called, at most one comparison of a directory
// is under way and one more waits, so that a file system that hangs collects none.
//
// Errors: ErrInvalidArgument for an id that is not enabled, ErrClosed, ErrPanic.
//
// See also [Manager.CheckAllNow].
func (m *Manager) CheckNow(id string) error { return public(m.engine.CheckNow(id)) }

// CheckAllNow is CheckNow for every plugin.
//
// Errors: ErrClosed, ErrPanic.
//
// See also [Manager.CheckNow].
func (m *Manager) CheckAllNow() error { return public(m.engine.CheckAllNow()) }

// SetReloadCallback sets the function fn that is called with the id of a plugin that
// needs reloading; nil removes it. A file that was removed is no reason to call it. While
// neither this nor an event callback is set, changes stay pending.
//
// release, if not nil, runs exactly once, after the last call of fn, also if
// SetReloadCallback fails. The former function is not running any more when this
// returns, except if it is the caller. [DispatchMode] says on which goroutine fn runs.
//
// Errors: ErrClosed, ErrPanic.
//
// See also [Manager.SetEventCallback].
func (m *Manager) SetReloadCallback(fn func(id string), release func()) error {
	return public(m.engine.SetReloadCallback(fn, release))
}

// SetEventCallback sets the function fn that receives every [Event], a change just before
// the reload callback does; nil removes it. fn and release are as for SetReloadCallback.
//
// Set it before the first Enable. Only changes wait for a callback; other events that occur
// while no event callback is set are dropped, and so are those that wait when it is removed.
// Of those that wait to be delivered, a newer one of the same kind and plugin supersedes
// the older one.
//
// Errors: ErrClosed, ErrPanic.
//
// See also [Kind].
func (m *Manager) SetEventCallback(fn func(Event), release func()) error {
	if fn == nil {
		return public(m.engine.SetEventCallback(nil, release))
	}
	return public(m.engine.SetEventCallback(func(e engine.Event) { fn(eventOf(&e)) }, release))
}

// SetWakeup sets a function fn that is called when Dispatch has something to deliver; nil
// removes it. It is called once, and not again until Dispatch has been called. It runs on
// a goroutine of the manager and should only signal the goroutine that dispatches;
// Dispatch returns 0 inside it. release is as for SetReloadCallback.
//
// Errors: ErrNotSupported with DispatchThread, ErrClosed, ErrPanic.
//
// See also [Manager.EventFD], which does the same for an event loop that polls.
func (m *Manager) SetWakeup(fn func(), release func()) error {
	return public(m.engine.SetWakeup(fn, release))
}

// SetValidator sets the function fn that is asked about every version of plugins with
// safe reload, after the safeguards of [Safe]; nil removes it. Versions that wait to be
// delivered, and that fn was not asked about, are put to it first. Disable and Close wait
// for a call under way, unless they are called inside it. release is as for
// SetReloadCallback.
//
// Errors: ErrClosed, ErrPanic.
//
// See also [Validator].
func (m *Manager) SetValidator(fn Validator, release func()) error {
	if fn == nil {
		return public(m.engine.SetValidator(nil, release))
	}
	return public(m.engine.SetValidator(func(c engine.Candidate) error { return fn(Candidate(c)) }, release))
}

// ReportReload says how the host's loading of a delivered generation went. It is for
// plugins with safe reload, and may be called inside the callback or later, also again:
// a generation that was ReloadOK may become ReloadFailed. message says why; it appears in
// the Rollback event that follows a failure, and may be "".
//
// Errors: ErrInvalidArgument for an outcome that is not known, for an id that is not
// enabled, and for a generation that was never delivered or whose snapshot is gone;
// ErrNotSupported for a plugin without safe reload; ErrIO if the version cannot be
// remembered in Safe.VersionDir, though the outcome is noted; ErrClosed; ErrPanic.
//
// See also [Outcome] and [Event].
func (m *Manager) ReportReload(id string, generation uint64, outcome Outcome, message string) error {
	return public(m.engine.ReportReload(id, generation, engine.Outcome(outcome), message))
}

// Dispatch delivers up to limit pending events (0: all that are pending now) on the
// calling goroutine and returns how many. If none is pending it waits for the first one as
// long as timeout says (0: not at all, negative: for ever); Close ends the wait. While
// another goroutine dispatches, it waits for that one within timeout, and delivers what
// that left. From inside a callback it returns 0, because callbacks do not nest.
//
// The file of a change that has waited for more than 1 ms is checked once more before the
// delivery. If its file system hangs, that takes at most a second, and the change waits on.
//
// Errors: ErrNotSupported with DispatchThread, ErrInvalidArgument for a negative limit,
// ErrClosed, ErrPanic.
//
// See also [Manager.EventFD] and [Manager.SetWakeup].
func (m *Manager) Dispatch(limit int, timeout time.Duration) (int, error) {
	n, err := m.engine.Dispatch(limit, timeout)
	return n, public(err)
}

// Post has the function f run by Dispatch, on the goroutine that calls it, as a callback.
// It does not wait for it. It is for packages on top of this one, whose code must run
// where the host has its callbacks run.
//
// Errors: [ErrNotSupported] (this manager delivers on its own thread), [ErrClosed].
//
// See also [Manager.Dispatch].
func (m *Manager) Post(f func()) error { return public(m.engine.Post(f)) }

// HoldSnapshot keeps the snapshot of the delivered generation of the plugin id, with its
// companion files, until release is called: whoever still uses the version may still
// open them. release is nil if there is no such snapshot (any more).
//
// See also [Manager.ReportReload].
func (m *Manager) HoldSnapshot(id string, generation uint64) (release func()) {
	return m.engine.HoldSnapshot(id, generation)
}

// EventFD returns a descriptor that polls readable (POLLIN, level-triggered) while
// Dispatch has something to deliver and is not running. It is the manager's: add it to
// poll, epoll or kqueue, but neither read, write nor close it. Every call returns the same
// descriptor, unless the process has closed that ([HealthDescriptors]). Remove it from the
// event loop before Close, which closes it.
//
// Errors: ErrNotSupported with DispatchThread and on Windows, ErrNoMemory, ErrClosed,
// ErrPanic.
//
// See also [Manager.Dispatch]; [Manager.SetWakeup] works on every system.
func (m *Manager) EventFD() (int, error) {
	fd, err := m.engine.EventFD()
	return fd, public(err)
}

// Stats returns the present figures. It works after a contained fault, too.
//
// Errors: ErrClosed.
//
// See also [Stats].
func (m *Manager) Stats() (Stats, error) {
	s, err := m.engine.Stats()
	return Stats(s), public(err)
}

// PluginStatus says what a plugin is doing and why. It waits for no file system. While a
// process holds the file open for writing, it looks for that process among those that this
// one may examine (Linux), which takes some milliseconds.
//
// Errors: ErrInvalidArgument for an id that is not enabled, ErrClosed, ErrPanic.
//
// See also [Manager.Explain].
func (m *Manager) PluginStatus(id string) (PluginStatus, error) {
	s, err := m.engine.PluginStatus(id)
	return statusOf(&s), public(err)
}

// Explain is PluginStatus as text for people: some lines, each ended by a newline. The text
// may change from version to version.
//
// Errors: ErrInvalidArgument for an id that is not enabled, ErrClosed, ErrPanic.
//
// See also [Manager.PluginStatus].
func (m *Manager) Explain(id string) (string, error) {
	text, err := m.engine.Explain(id)
	return text, public(err)
}

// Metrics returns the figures of the manager and of its plugins in the OpenMetrics text
// format, which Prometheus reads ([MetricsContentType]). It waits for no file system, and
// works after a contained fault, too. Plugins have metrics of their own as long as no more
// than 1024 are enabled; of more, the 1024 to which something happened last.
//
// Errors: ErrClosed.
//
// See also [Manager.Stats]; docs/metrics.md says what each metric means.
func (m *Manager) Metrics() (string, error) {
	text, err := m.engine.Metrics()
	return text, public(err)
}

// SetLogCallback sets the function fn that receives the lines of the manager's log up to a
// level; nil removes it. The manager itself prints nothing. fn runs on a goroutine of the
// manager, one call at a time, whether or not the host dispatches. It may call every method.
// While it is busy, up to 1024 lines wait; what comes then is dropped and counted in a line
// of its own. Without a function the log costs nothing. release is as for SetReloadCallback.
//
// Errors: ErrInvalidArgument for a level that is not known, ErrClosed, ErrPanic.
//
// See also [LogLevel]; package core/logging sends the log to a *slog.Logger.
func (m *Manager) SetLogCallback(level LogLevel, fn func(LogRecord), release func()) error {
	if fn == nil {
		return public(m.engine.SetLog(engine.LogLevel(level), nil, release))
	}
	return public(m.engine.SetLog(engine.LogLevel(level), func(r engine.LogRecord) {
		fn(LogRecord{Level: LogLevel(r.Level), Time: r.Time, ID: r.ID, Message: r.Message})
	}, release))
}

// Fault makes the manager unusable, as after a contained panic: methods return ErrPanic,
// and a HealthPanic event says what. It is for a layer above, which contained a panic in
// its own work for this manager.
//
// See also [Panic] and [ErrPanic].
func (m *Manager) Fault(what string) { m.engine.Fault(what) }

// Close stops everything: it ends a waiting Dispatch, waits for a running callback or
// validator, runs the release functions, and removes the snapshots. Inside a callback it
// returns at once, and the rest follows when the callback has returned. What waits to be
// delivered is dropped. It waits at most two seconds for file systems. Closing again does
// nothing; every other method returns ErrClosed from then on.
//
// See also [New].
func (m *Manager) Close() { m.engine.Close() }

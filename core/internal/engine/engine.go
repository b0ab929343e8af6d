// SPDX-License-Identifier: MIT

package engine

import (
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/qtforge/hotreload/core/internal/deliver"
	"github.com/qtforge/hotreload/core/internal/fsys"
	snapshots "github.com/qtforge/hotreload/core/internal/snapshot"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// Engine watches plugins. All methods may be called from any goroutine and
// from inside a callback, Close included. Errors are of type [*Error].
type Engine struct {
	opts Options
	done chan struct{} // closed when the manager is

	goroutines sync.WaitGroup // those that Close waits for
	workers    workers
	plugins    plugins     // plugins.byID is read without the lock
	unusable   atomic.Bool // closed or failed

	wakeups sync.Mutex // held while the wakeup callback runs; taken before mu

	mu      sync.Mutex
	changed sync.Cond // any change of what waiters wait for
	closed  bool
	failed  string // the contained fault, "" if none
	intake  intake

	gate       deliver.Gate[*pendingChange]
	callbacks  deliver.Owner
	running    *run // the delivery under way
	sequence   uint64
	waking     *run               // the call of the wakeup callback under way
	ready      *deliver.Readiness // DispatchManual only
	validator  *deliver.Slot[Validator]
	validation validation
	stats      Stats
	histories  histories
	logging    logging
}

// New returns a manager that watches nothing yet. Close it.
func New(opts Options) (*Engine, error) {
	if err := opts.normalize(); err != nil {
		return nil, err
	}
	if err := startPoller(); err != nil {
		return nil, err
	}
	m := &Engine{opts: opts, done: make(chan struct{})}
	m.changed.L = &m.mu
	m.callbacks = deliver.Owner{Lock: &m.mu, Contain: m.guard, Changed: m.changed.Broadcast}
	m.gate.Announce = m.announce
	if opts.Dispatch == DispatchManual {
		r, err := deliver.NewReadiness()
		if err != nil {
			return nil, &Error{Kind: ErrNoMemory, Msg: "cannot make the event descriptor: no file descriptors left", Err: err}
		}
		m.ready = r
	}
	var src watch.Source = watch.None{}
	if !opts.ForcePolling {
		s, err := opts.newSource()
		if err != nil {
			s = watch.None{Err: err}
		}
		src = s
	}
	m.startEngine(src)
	if opts.Dispatch == DispatchThread {
		m.spawn(m.dispatchThread)
	}
	return m, nil
}

var pollerStarted atomic.Bool

// startPoller has Go's runtime open the descriptors of its poller, which it does for
// the first timer or file. If it gets none then, it ends the process.
func startPoller() error {
	if pollerStarted.Load() {
		return nil
	}
	const poller, first = 4, 2 // its own (in the C library), and what a manager needs at least
	if err := fsys.HaveDescriptors(poller + first); err != nil {
		return &Error{Kind: ErrNoMemory, Msg: "no file descriptors are left", Err: err}
	}
	time.AfterFunc(time.Hour, func() {}).Stop()
	pollerStarted.Store(true)
	return nil
}

// Enable begins to watch the file at path under the name id. The version that
// is there now counts as known. It keeps neither string, only copies: they may be
// views of memory that is C's.
func (m *Engine) Enable(id, path string, o EnableOptions) error {
	if err := checkID(id); err != nil {
		return err
	}
	if err := checkQuiet(o.Quiet); err != nil {
		return err
	}
	if m.plugins.lookup(id) != nil && !m.unusable.Load() {
		return alreadyEnabled(id) // before the disk is asked
	}
	abs, in, err := m.inspectPath(id, path, o.AllowMissing)
	if err != nil {
		return err
	}
	if o.Quiet == 0 {
		o.Quiet = m.opts.Quiet
	}
	s, err := m.makeSafe(id, abs, o.Safe)
	if err != nil {
		return err
	}
	if s != nil {
		files := pluginFiles{path: abs, companions: s.companionPaths}
		in, _ = m.statFiles(&files, func(string) {})
		s.loadable = m.statLoadable(s, &files, false, func(string) {})
	}
	present := o.DeliverPresent && in.Kind == fsys.Regular
	var h *fsys.Hash
	if m.opts.IgnoreUnchangedContent && in.Kind == fsys.Regular && !present {
		h = m.hashOf(abs, s, &in)
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return err
	}
	if m.plugins.lookup(id) != nil {
		return alreadyEnabled(id)
	}
	p := m.plugins.add(id, abs, len(path), o.Quiet)
	p.safe = s
	if o.Paused {
		p.state().paused = true
	}
	if !present {
		p.setBaseline(versionOf(&in), h)
	}
	m.enqueueEvent(Event{Kind: Enabled, ID: p.id, Path: p.registeredPath()})
	m.watch(p, present)
	m.turn()
	m.awaitWatch(p)
	return nil
}

// awaitWatch waits until the plugin's directory is watched: from then on no change
// goes unnoticed. It does not wait for a file system that hangs.
func (m *Engine) awaitWatch(p *plugin) {
	f := p.Folder()
	for !f.WasWatched() && !m.intake.hanging[f] && !p.disabled() && !m.closed && m.failed == "" {
		m.changed.Wait()
	}
}

// watch begins to watch a plugin's files. The first check compares with what Enable
// saw: a change since then, or a file that was being written, is delivered.
func (m *Engine) watch(p *plugin, present bool) {
	m.countTurnover()
	m.intake.set.Add(&p.Leaf)
	if p.safe != nil {
		for _, path := range p.safe.companionPaths {
			dir, name := fsys.SplitPath(path)
			l := watch.NewLeaf(p.ID, m.plugins.folder(path[:len(path)-len(name)], len(dir), len(path)-len(name)), name)
			p.safe.companions = append(p.safe.companions, &l)
			m.intake.set.Add(&l)
		}
	}
	w := m.begin(p)
	w.machine.Enable(present, time.Now())
	m.schedule(w)
}

// unwatch ends what watch began.
func (m *Engine) unwatch(p *plugin) {
	m.countTurnover()
	m.intake.set.Remove(&p.Leaf)
	if p.safe != nil {
		for _, l := range p.safe.companions {
			m.intake.set.Remove(l)
			m.plugins.releaseFolder(l.Folder())
		}
		p.safe.companions = nil
	}
	m.linkedTo(p, &fsys.Info{})
	delete(m.intake.doubts, p)
	m.deafenFile(p)
	m.deafen()
	if w := m.intake.settling[p]; w != nil {
		if w.candidate != nil {
			m.supersede(w)
		}
		m.end(w)
	}
}

func alreadyEnabled(id string) error {
	return fail(ErrAlreadyExists, "plugin %q is enabled already; disable it first", id)
}

func checkID(id string) error {
	switch {
	case id == "":
		return fail(ErrInvalidArgument, "the plugin id is empty")
	case len(id) > maxIDLen:
		return fail(ErrInvalidArgument, "the plugin id %s has %d bytes; at most %d are allowed", abbreviate(id), len(id), maxIDLen)
	case !utf8.ValidString(id):
		return fail(ErrInvalidArgument, "the plugin id %q is not UTF-8", id)
	}
	for _, c := range id {
		if c < ' ' || c == 0x7f {
			return fail(ErrInvalidArgument, "the plugin id %q contains a control character", id)
		}
	}
	return nil
}

// maxNameLen is more than file systems allow: 255 characters. A name's length has
// 15 bits in an entry.
const maxNameLen = 1024

// inspectPath checks a path as the contract asks and returns what is there.
func (m *Engine) inspectPath(id, path string, allowMissing bool) (abs string, in fsys.Info, err error) {
	if path == "" {
		return "", in, fail(ErrInvalidPath, "plugin %q: the path is empty", id)
	}
	if strings.IndexByte(path, 0) >= 0 {
		return "", in, fail(ErrInvalidPath, "plugin %q: the path %q contains a NUL byte", id, path)
	}
	abs = path
	if !filepath.IsAbs(path) {
		wd, err := fsys.WorkingDirectory()
		if err != nil {
			return "", in, &Error{Kind: ErrIO, Msg: "cannot resolve the relative path " + abbreviate(path) + ": the working directory is out of reach", Err: err}
		}
		abs = fsys.JoinPath(wd, path)
	}
	in, err = m.opts.disk.Stat(abs)
	if err == nil {
		switch in.Kind {
		case fsys.Regular:
			err = m.opts.disk.MayRead(abs)
		case fsys.Directory:
			err = fail(ErrInvalidPath, "plugin %q: %q is a directory; name the plugin's file", id, path)
			return "", in, err
		default:
			err = fail(ErrInvalidPath, "plugin %q: %q is not a regular file (a device, FIFO or socket)", id, path)
			return "", in, err
		}
	}
	if err != nil {
		e := pathError(id, path, err)
		if allowMissing && e.Kind == ErrFileNotFound {
			if _, name := fsys.SplitPath(abs); name == "" || name == "." || name == ".." {
				return "", in, fail(ErrInvalidPath, "plugin %q: %q names a directory; name the plugin's file", id, path)
			}
			_, rest := fsys.SplitRoot(abs)
			for name, rest := fsys.NextName(rest); name != ""; name, rest = fsys.NextName(rest) {
				if len(name) > maxNameLen {
					return "", in, fail(ErrInvalidPath, "plugin %q: %s, in its path, is longer than any file's name (%d bytes; at most %d are allowed)", id, abbreviate(name), len(name), maxNameLen)
				}
			}
			return abs, fsys.Info{}, nil
		}
		return "", in, e
	}
	return abs, in, nil
}

// hashOf is the hash of the version that Enable saw; nil if it changed meanwhile.
func (m *Engine) hashOf(abs string, s *safeState, seen *fsys.Info) *fsys.Hash {
	var h fsys.Hash
	var err error
	files := pluginFiles{path: abs}
	if s != nil {
		h, err = snapshots.SumOf(s.files, snapshots.Limits{MaxBytes: s.o.maxSize}, m.isClosing)
		files.companions = s.companionPaths
	} else {
		h, err = m.opts.hashAt(abs, m.isClosing)
	}
	if err != nil {
		return nil
	}
	if in, err := m.statFiles(&files, func(string) {}); err != nil || in.Fingerprint != seen.Fingerprint {
		return nil
	}
	return &h
}

// Disable ends the watching of id and drops what is pending for it. It reports
// whether id was enabled. When it returns, no change of id is being delivered,
// except to the caller if it is itself inside that callback.
func (m *Engine) Disable(id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return false, err
	}
	p := m.plugins.lookup(id)
	if p == nil {
		return false, nil
	}
	m.drop(p)
	m.afterChange()
	m.turn()
	m.awaitLocked(func() bool { return !m.busyWith(func(x *plugin) bool { return x == p }) })
	return true, nil
}

// Clear disables every plugin and returns how many there were.
func (m *Engine) Clear() (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return 0, err
	}
	all := m.plugins.inOrder()
	for _, p := range all {
		m.drop(p)
	}
	m.afterChange()
	m.turn()
	m.awaitLocked(func() bool { return !m.busyWith((*plugin).disabled) })
	return len(all), nil
}

// drop ends everything about p.
func (m *Engine) drop(p *plugin) {
	m.unwatch(p)
	if c := m.withdraw(p); c != nil {
		m.discardLocked(c.snap)
	}
	if s := p.safe; s != nil {
		if m.running != nil && m.running.p == p {
			m.running.ends = func() { m.dropSafe(s) } // the callback may be loading its snapshot
		} else {
			m.dropSafe(s)
		}
	}
	m.forgetIncomplete(p)
	m.forgetUnreadable(p)
	m.forgetHistory(p)
	m.forgetHeld(p)
	path := p.registeredPath()
	m.plugins.remove(p)
	m.enqueueEvent(Event{Kind: Disabled, ID: p.id, Path: path})
}

// IsEnabled reports whether id is enabled.
func (m *Engine) IsEnabled(id string) (bool, error) {
	if m.unusable.Load() {
		m.mu.Lock()
		defer m.mu.Unlock()
		return false, m.usable()
	}
	return m.plugins.lookup(id) != nil, nil
}

// Plugins returns the enabled ids in the order of enabling.
func (m *Engine) Plugins() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return nil, err
	}
	ids := make([]string, 0, m.plugins.byID.Len())
	for _, p := range m.plugins.inOrder() {
		ids = append(ids, p.id)
	}
	return ids, nil
}

// PluginsSize is what Plugins would return: how many ids, and their length together.
func (m *Engine) PluginsSize() (s struct{ Count, Bytes int }, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Count, s.Bytes = m.plugins.byID.Len(), m.plugins.idBytes
	return s, m.usable()
}

// SetGlobalEnabled pauses (false) or resumes (true) the delivery of changes.
// Each plugin that changed meanwhile is delivered once after resuming. When pausing
// returns, no change is being delivered, except to the caller itself.
func (m *Engine) SetGlobalEnabled(on bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return err
	}
	m.gate.Pause(!on)
	m.turn()
	m.awaitLocked(func() bool { return !m.gate.Paused() || m.running == nil || !m.running.change })
	return nil
}

// IsGlobalEnabled reports whether delivery is not paused.
func (m *Engine) IsGlobalEnabled() (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.gate.Paused(), m.usable()
}

// SetPluginPaused pauses (true) or resumes (false) the delivery of a plugin's changes. A
// change that comes meanwhile, or that waits already, is delivered once after resuming,
// with its latest version. When pausing returns, no change of the plugin is being
// delivered, except to the caller itself.
func (m *Engine) SetPluginPaused(id string, on bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.enabled(id)
	if err != nil {
		return err
	}
	m.pause(p, on)
	m.turn()
	m.awaitLocked(func() bool { return !p.paused() || m.running == nil || !m.running.change || m.running.p != p })
	return nil
}

// pause pauses or resumes a plugin. A change that waits finds its new place in the gate.
func (m *Engine) pause(p *plugin, on bool) {
	if p.paused() == on {
		return
	}
	c := m.withdraw(p)
	p.state().paused = on
	p.tidy()
	if on {
		m.note(p, LogInfo, DecisionPaused, "paused")
	} else {
		m.note(p, LogInfo, DecisionPaused, "resumed")
	}
	if c != nil {
		moved := *c // whoever confirms c sees that c was withdrawn
		p.state().pending = &moved
		m.gate.PutChange(&moved)
	}
	m.afterChange()
}

// IsPluginPaused reports whether a plugin is paused by itself. The pause of all plugins is
// another one.
func (m *Engine) IsPluginPaused(id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.enabled(id)
	return err == nil && p.paused(), err
}

// enabled finds an enabled plugin of a usable manager.
func (m *Engine) enabled(id string) (*plugin, error) {
	if err := m.usable(); err != nil {
		return nil, err
	}
	p := m.plugins.lookup(id)
	if p == nil {
		return nil, fail(ErrInvalidArgument, "plugin %q is not enabled", id)
	}
	return p, nil
}

// Close stops everything, ends a waiting Dispatch, waits for a running callback
// (unless called from inside it; then the rest follows when it has returned)
// and runs the release functions of the callbacks. Closing again does nothing.
func (m *Engine) Close() {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return
	}
	m.closed = true
	m.unusable.Store(true)
	close(m.done)
	m.gate.Close()
	reload, event, wakeup, validator, reader := m.gate.Reload, m.gate.Event, m.gate.Wakeup, m.validator, m.logging.slot
	m.gate.Reload, m.gate.Event, m.gate.Wakeup, m.validator, m.logging.slot = nil, nil, nil, nil, nil
	ended := m.workers.close() // first: a running callback may be loading a snapshot that is dropped here
	m.plugins.byID.All(func(p *plugin) {
		if p.safe != nil {
			m.dropSafe(p.safe)
		}
	})
	for _, t := range []*time.Timer{m.intake.timer, m.intake.bulk.timer} {
		if t != nil {
			t.Stop()
		}
	}
	m.intake.poll.stop()
	m.intake.safety.stop()
	m.setBulk(false)
	inside := m.insideLocked()
	if !inside {
		m.awaitLocked(func() bool { return m.running == nil })
	}
	m.mu.Unlock()
	reload.Done()
	event.Done()
	wakeup.Done()
	validator.Done()
	reader.Done()
	finish := func() {
		m.goroutines.Wait()
		waited := time.NewTimer(closesWithin)
		defer waited.Stop()
		select {
		case <-ended:
		case <-waited.C: // a task is slow
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		for m.running != nil {
			m.changed.Wait() // it may be loading a snapshot
		}
		m.unlocked(m.closeStore)
		m.dropSource(m.intake.src)
		if m.ready != nil {
			m.ready.Close()
			m.ready = nil
		}
	}
	if inside {
		m.contained(finish)
	} else {
		finish()
	}
}

// closesWithin is how long Close waits for what is under way with the disk.
const closesWithin = 800 * time.Millisecond

// usable is nil unless the manager is closed or has had a fault.
func (m *Engine) usable() error {
	switch {
	case m.closed:
		return errClosed()
	case m.failed != "":
		return fail(ErrPanic, "the manager is unusable after a contained fault (%s); destroy it", m.failed)
	}
	return nil
}

func errClosed() error { return fail(ErrClosed, "the manager is closed") }

// insideLocked reports whether the caller is inside a callback of this manager,
// or in its release function.
func (m *Engine) insideLocked() bool {
	if m.running == nil && m.validation.asking == nil && m.waking == nil && m.logging.calling == nil {
		return false
	}
	id := deliver.ThreadID()
	for _, r := range []*run{m.running, m.validation.asking, m.waking, m.logging.calling} {
		if r != nil && r.thread == id {
			return true
		}
	}
	return false
}

// busyWith reports whether a callback about such an entry is running.
func (m *Engine) busyWith(about func(*plugin) bool) bool {
	r, a := m.running, m.validation.asking
	return r != nil && r.p != nil && about(r.p) || a != nil && about(a.p)
}

// awaitLocked waits until ok, unless called from inside a callback.
func (m *Engine) awaitLocked(ok func() bool) {
	if m.insideLocked() {
		return
	}
	for !ok() {
		m.changed.Wait()
	}
}

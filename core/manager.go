package core

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// Manager watches plugins. All methods may be called from any goroutine and
// from inside a callback, Close included. Errors are of type [*Error].
type Manager struct {
	opts Options
	done chan struct{} // closed when the manager is
	kick chan struct{} // asks the loop to look at commands and the wakeup

	goroutines sync.WaitGroup // the loop and the dispatching goroutine

	notifications atomic.Uint64
	vetted        chan *vetJob // from the worker to the loop

	mu      sync.Mutex
	changed sync.Cond // any change of what waiters wait for
	closed  bool
	failed  string // the contained fault, "" if none
	paused  bool
	entries map[string]*entry
	order   []*entry // by time of enabling; nil where one was disabled
	added   []*entry // for the loop
	removed []*entry
	hinted  []*entry

	queue     queue
	running   *run // the delivery under way
	sequence  uint64
	reload    *slot[func(string)]
	event     *slot[func(Event)]
	wakeup    *slot[func()]
	ready     *readiness // DispatchManual only
	validator *slot[Validator]
	vet       vetter
	poked     bool // the host knows that something waits
	stats     Stats
}

// entry is one enabled plugin.
type entry struct {
	id, path string
	abs      string
	timing   timing
	baseline fileInfo // what Enable saw

	// Behind Manager.mu.
	index       int // in Manager.order
	disabled    bool
	told        fileInfo
	toldHash    *hash
	removalTold bool // the host was told that the file is gone
	generation  uint64
	pending     *pendingChange
	safe        *safeState // nil without safe reload
	refused     bool
	unreadable  bool

	// The loop's own.
	present   bool // the version that Enable saw is to be told too
	watched   bool
	touched   signs // noted for reconcile
	places    []place
	tracker   tracker
	heapIndex int      // in the loop's heap, from 1; 0: not in it
	examined  fileInfo // at the last look
}

// New returns a manager that watches nothing yet. Close it.
func New(opts Options) (*Manager, error) {
	if err := opts.normalize(); err != nil {
		return nil, err
	}
	m := &Manager{opts: opts, done: make(chan struct{}), kick: make(chan struct{}, 1), vetted: make(chan *vetJob), entries: map[string]*entry{}}
	m.changed.L = &m.mu
	if opts.Dispatch == DispatchManual {
		r, err := newReadiness()
		if err != nil {
			return nil, &Error{Kind: ErrNoMemory, Msg: "cannot make the event descriptor: no file descriptors left", Err: err}
		}
		m.ready = r
	}
	var src Source = noSource{}
	if !opts.ForcePolling {
		s, err := opts.newSource()
		if err != nil {
			s = noSource{err}
		}
		src = s
	}
	l := newLoop(m, src)
	m.spawn(l.run)
	if opts.Dispatch == DispatchThread {
		m.spawn(m.dispatchThread)
	}
	return m, nil
}

// Enable begins to watch the file at path under the name id. The version that
// is there now counts as known.
func (m *Manager) Enable(id, path string, o EnableOptions) error {
	if err := checkID(id); err != nil {
		return err
	}
	if err := checkQuiet(o.Quiet); err != nil {
		return err
	}
	m.mu.Lock()
	err := m.usable()
	if _, dup := m.entries[id]; err == nil && dup {
		err = alreadyEnabled(id)
	}
	m.mu.Unlock()
	if err != nil {
		return err
	}
	abs, in, err := m.inspectPath(id, path, o.AllowMissing)
	if err != nil {
		return err
	}
	e := &entry{id: id, path: path, abs: abs, baseline: in, timing: m.timing(o)}
	if err := m.makeSafe(e, o); err != nil {
		return err
	}
	if e.present = o.DeliverPresent && in.kind == kindFile; !e.present {
		e.told = e.baseline
		if m.opts.IgnoreUnchangedContent && in.kind == kindFile {
			e.toldHash = m.hashOf(e)
		}
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return err
	}
	if _, dup := m.entries[id]; dup {
		return alreadyEnabled(id)
	}
	m.entries[id] = e
	e.index = len(m.order)
	m.order = append(m.order, e)
	m.added = append(m.added, e)
	m.noteLocked(Event{Kind: Enabled, ID: id, Path: path})
	m.kickLoop()
	return nil
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

func (m *Manager) timing(o EnableOptions) timing {
	q := o.Quiet
	if q == 0 {
		q = m.opts.Quiet
	}
	t := timing{quiet: max(q, 0), maxDelay: m.opts.MaxDelay, hold: q}
	if q == NoQuiet {
		// A replacement by delete and create must not be told as a removal.
		t.hold = DefaultQuiet
	}
	return t
}

// inspectPath checks a path as the contract asks and returns what is there.
func (m *Manager) inspectPath(id, path string, allowMissing bool) (abs string, in fileInfo, err error) {
	if path == "" {
		return "", in, fail(ErrInvalidPath, "plugin %q: the path is empty", id)
	}
	for i := range len(path) {
		if path[i] == 0 {
			return "", in, fail(ErrInvalidPath, "plugin %q: the path %q contains a NUL byte", id, path)
		}
	}
	abs = path
	if !filepath.IsAbs(path) {
		wd, err := workingDirectory()
		if err != nil {
			return "", in, &Error{Kind: ErrIO, Msg: "cannot resolve the relative path " + abbreviate(path) + ": the working directory is out of reach", Err: err}
		}
		abs = joinPath(wd, path)
	}
	in, err = m.opts.disk.stat(abs)
	if err == nil {
		switch in.kind {
		case kindFile:
			in, err = m.opts.disk.readable(abs)
		case kindDir:
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
			if _, name := splitPath(abs); name == "" || name == "." || name == ".." {
				return "", in, fail(ErrInvalidPath, "plugin %q: %q names a directory; name the plugin's file", id, path)
			}
			return abs, fileInfo{}, nil
		}
		return "", in, e
	}
	return abs, in, nil
}

// hashOf is the hash of the version that Enable saw; nil if it changed meanwhile.
func (m *Manager) hashOf(e *entry) *hash {
	var h hash
	var err error
	if e.safe != nil {
		h, err = sumOf(e.safe.files)
	} else {
		h, err = m.opts.disk.hash(e.abs)
	}
	if err != nil {
		return nil
	}
	if in, _ := m.statOf(e); in.fp != e.baseline.fp {
		return nil
	}
	return &h
}

// Disable ends the watching of id and drops what is pending for it. It reports
// whether id was enabled. When it returns, no change of id is being delivered,
// except to the caller if it is itself inside that callback.
func (m *Manager) Disable(id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return false, err
	}
	e := m.entries[id]
	if e == nil {
		return false, nil
	}
	m.order[e.index] = nil
	m.dropLocked(e)
	if len(m.order) > 32 && len(m.entries) < len(m.order)/2 {
		m.compactLocked()
	}
	m.afterChange()
	m.kickLoop()
	m.awaitLocked(func() bool { return !m.busyWith(func(x *entry) bool { return x == e }) })
	return true, nil
}

// Clear disables every plugin and returns how many there were.
func (m *Manager) Clear() (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return 0, err
	}
	n := len(m.entries)
	for _, e := range m.order {
		if e != nil {
			m.dropLocked(e)
		}
	}
	m.order = nil
	m.afterChange()
	m.kickLoop()
	m.awaitLocked(func() bool { return !m.busyWith(func(x *entry) bool { return x.disabled }) })
	return n, nil
}

// dropLocked ends everything about e except its place in m.order.
func (m *Manager) dropLocked(e *entry) {
	delete(m.entries, e.id)
	e.disabled = true
	if c := m.queue.takeBack(e); c != nil {
		m.discardLocked(c.snap)
	}
	if e.safe != nil {
		m.dropSafe(e.safe)
	}
	m.removed = append(m.removed, e)
	m.forgetRefusal(e)
	m.forgetUnreadable(e)
	m.noteLocked(Event{Kind: Disabled, ID: e.id, Path: e.path})
}

// compactLocked closes the gaps in m.order.
func (m *Manager) compactLocked() {
	kept := m.order[:0]
	for _, e := range m.order {
		if e != nil {
			e.index = len(kept)
			kept = append(kept, e)
		}
	}
	clear(m.order[len(kept):])
	m.order = kept
}

// IsEnabled reports whether id is enabled.
func (m *Manager) IsEnabled(id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return false, err
	}
	return m.entries[id] != nil, nil
}

// Plugins returns the enabled ids in the order of enabling.
func (m *Manager) Plugins() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(m.entries))
	for _, e := range m.order {
		if e != nil {
			ids = append(ids, e.id)
		}
	}
	return ids, nil
}

// SetGlobalEnabled pauses (false) or resumes (true) the delivery of changes.
// Each plugin that changed meanwhile is told once after resuming. When pausing
// returns, no change is being delivered, except to the caller itself.
func (m *Manager) SetGlobalEnabled(on bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return err
	}
	m.paused = !on
	m.afterChange()
	m.kickLoop()
	m.awaitLocked(func() bool { return !m.paused || m.running == nil || m.running.e == nil })
	return nil
}

// IsGlobalEnabled reports whether delivery is not paused.
func (m *Manager) IsGlobalEnabled() (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.paused, m.usable()
}

// Close stops everything, ends a waiting Dispatch, waits for a running callback
// (unless called from inside it; then the rest follows when it has returned)
// and runs the release functions of the callbacks. Closing again does nothing.
func (m *Manager) Close() {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return
	}
	m.closed = true
	close(m.done)
	m.queue.clear()
	m.afterChange()
	reload, event, wakeup, validator := m.reload, m.event, m.wakeup, m.validator
	m.reload, m.event, m.wakeup, m.validator = nil, nil, nil, nil
	for _, e := range m.entries {
		if e.safe != nil {
			m.dropSafe(e.safe)
		}
	}
	inside := m.insideLocked()
	if !inside {
		m.awaitLocked(func() bool { return m.running == nil })
	}
	m.mu.Unlock()
	reload.done(m)
	event.done(m)
	wakeup.done(m)
	validator.done(m)
	finish := func() {
		m.goroutines.Wait()
		m.mu.Lock()
		defer m.mu.Unlock()
		for m.running != nil {
			m.changed.Wait()
		}
		m.vet.store.close()
		if m.ready != nil {
			m.ready.close()
			m.ready = nil
		}
	}
	if inside {
		m.contained(finish)
	} else {
		finish()
	}
}

// usable is nil unless the manager is closed or has had a fault.
func (m *Manager) usable() error {
	switch {
	case m.closed:
		return errClosed()
	case m.failed != "":
		return fail(ErrPanic, "the manager is unusable after a contained fault (%s); destroy it", m.failed)
	}
	return nil
}

func errClosed() error { return fail(ErrClosed, "the manager is closed") }

// kickLoop has the loop look at what callers changed.
func (m *Manager) kickLoop() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// insideLocked reports whether the caller is inside a callback of this manager.
func (m *Manager) insideLocked() bool {
	if m.running == nil && m.vet.asking == nil {
		return false
	}
	id := threadID()
	return m.running != nil && m.running.thread == id || m.vet.asking != nil && m.vet.asking.thread == id
}

// busyWith reports whether a callback about such an entry is running.
func (m *Manager) busyWith(about func(*entry) bool) bool {
	r, a := m.running, m.vet.asking
	return r != nil && r.e != nil && about(r.e) || a != nil && about(a.e)
}

// awaitLocked waits until ok, unless called from inside a callback.
func (m *Manager) awaitLocked(ok func() bool) {
	if m.insideLocked() {
		return
	}
	for !ok() {
		m.changed.Wait()
	}
}

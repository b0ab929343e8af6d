// SPDX-License-Identifier: MIT

package engine

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"time"

	"github.com/qtforge/hotreload/core/internal/deliver"
	"github.com/qtforge/hotreload/core/internal/fsys"
	snapshots "github.com/qtforge/hotreload/core/internal/snapshot"
	"github.com/qtforge/hotreload/core/internal/verify"
)

// Between settling and the queue a plugin with safe reload is validated: a worker
// copies, hashes and verifies the version, and then the host's validator is asked,
// one version at a time. A notification meanwhile supersedes the version.
//
//	decide ──► worker: strict modes, copy, stable?, hash, verify ──► validator ──► validated ──► queue

// candidate is a version that is being validated.
type candidate struct {
	p          *plugin
	files      pluginFiles
	info       fsys.Info // of all its files, when it was found complete
	payload    fsys.Info
	first      time.Time // first notification of the change
	superseded bool      // behind Engine.mu, or its plugin is disabled
	generation uint64    // the one that it would be

	snap *snapshot
	err  error // nil: fit to be delivered
}

// snapshot is a copy of a version.
type snapshot struct {
	snapshots.Snapshot
	asked *deliver.Slot[Validator] // of whom it was asked, nil = of nobody; behind Engine.mu once it was vetted
}

var (
	errSame       = errors.New("the content is what was told last")
	errSuppressed = errors.New("the content is known to fail")
)

// Candidate is a version that a validator function is asked about.
type Candidate struct {
	ID           string
	Path         string // as registered
	Snapshot     string
	SnapshotSize int64
	SnapshotHash string // SHA-256 in hexadecimal
	Generation   uint64 // the one it will be if nothing comes in between
}

// Validator accepts (nil) or rejects a version. It runs on a goroutine of the
// manager that is locked to its thread.
type Validator func(Candidate) error

// SetValidator sets the function that is asked about every version of plugins
// with safe reload, after the built-in validations, those that wait to be
// delivered included; nil removes it. It runs on a goroutine of its own, one call
// at a time. Otherwise as SetReloadCallback.
func (m *Engine) SetValidator(fn Validator, release func()) error {
	err := setSlot(m, &m.validator, fn, fn == nil, release, nil)
	if err == nil {
		m.askAgain()
	}
	return err
}

// askAgain takes back the changes that wait and that the present validator was not
// asked about.
func (m *Engine) askAgain() {
	m.mu.Lock()
	defer m.mu.Unlock()
	var outdated []*plugin
	m.gate.Changes(func(c *pendingChange) {
		if m.outdated(c.snap) {
			outdated = append(outdated, c.p)
		}
	})
	for _, p := range outdated {
		c := m.withdraw(p)
		m.validateAnew(p, &c.info, c.snap)
	}
	m.afterChange()
	m.turn()
}

// validateAnew has a version checked again that was validated already.
func (m *Engine) validateAnew(p *plugin, in *fsys.Info, snap *snapshot) {
	p.withdrawn(in)
	m.discardLocked(snap)
	m.checkAgain(p)
}

// outdated reports whether the validator is one that a snapshot was not put to.
func (m *Engine) outdated(s *snapshot) bool {
	return s != nil && m.validator != nil && s.asked != m.validator
}

// vetter is what validation needs, all behind Engine.mu.
type vetter struct {
	store *snapshots.Store
	trash []*snapshot // could not be removed yet: Windows, still loaded
	live  int         // snapshots on the disk
	bytes int64       // of them
	busy  int         // candidates
	// The validator's turn.
	asks   []*candidate  // that wait for it
	serves bool          // a goroutine asks it
	asking *run          // the call under way
	late   chan struct{} // closed when the latest call, timed out, has returned
}

// openStore opens the store of snapshots when the first plugin needs it.
func (m *Engine) openStore() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil || m.vet.store != nil {
		return err
	}
	open := snapshots.OpenStandard
	if dir := m.opts.SnapshotDir; dir != nil {
		open = func() (*snapshots.Store, error) { return snapshots.Open(*dir) }
	}
	store, err := open()
	if err != nil {
		return storeError(err)
	}
	store.Step = m.opts.step
	m.vet.store = store
	m.workers.do(store.Base(), func(func(string)) { store.Sweep() })
	return nil
}

// storeError classifies why the snapshot directory cannot be used.
func storeError(err error) error {
	base, ok := errors.AsType[*snapshots.BaseError](err)
	switch {
	case ok && base.Insecure != "":
		return &Error{Kind: ErrPermissionDenied, Msg: err.Error()}
	case ok && base.Err == nil:
		return &Error{Kind: ErrInvalidArgument, Msg: err.Error()}
	}
	return &Error{Kind: ErrIO, Msg: err.Error(), Err: errors.Unwrap(err)}
}

// closeStore removes the store, if it can be removed within closesWithin.
func (m *Engine) closeStore() {
	if m.vet.store == nil {
		return
	}
	closed := make(chan struct{})
	m.contained(func() {
		defer close(closed)
		m.vet.store.Close()
	})
	waited := time.NewTimer(closesWithin)
	defer waited.Stop()
	select {
	case <-closed:
	case <-waited.C:
	}
}

// discardLocked has a snapshot removed.
func (m *Engine) discardLocked(s *snapshot) {
	if s == nil {
		return
	}
	trash := append(m.vet.trash, s)
	m.vet.trash = nil
	m.workers.do(s.Root, func(func(string)) { m.remove(trash) })
}

// remove removes snapshots. It runs on a worker.
func (m *Engine) remove(trash []*snapshot) {
	for _, s := range trash {
		err := s.Remove()
		m.mu.Lock()
		if err != nil && !errors.Is(err, fs.ErrNotExist) && runtime.GOOS == "windows" {
			m.vet.trash = append(m.vet.trash, s) // it is still loaded
		} else {
			m.vet.live--
			m.vet.bytes -= s.Bytes
		}
		m.mu.Unlock()
	}
}

// inspect makes a snapshot of a candidate and verifies it. It runs on a worker.
func (m *Engine) inspect(c *candidate, at func(string)) (*snapshot, error) {
	p, s := c.p, c.p.safe
	step := m.opts.step
	if step == nil {
		step = func(string) {}
	}
	stopped := func() bool {
		at(c.files.path)
		m.mu.Lock()
		defer m.mu.Unlock()
		return c.superseded || m.closed
	}
	step("begun")
	if stopped() {
		return nil, fsys.ErrStopped
	}
	c.payload = m.payloadOf(s, c.info.Remote)
	for i, f := range s.files {
		var open string
		if s.o.strictModes {
			open = m.opts.strict(f.Path)
		}
		switch in, err := m.opts.disk.Stat(f.Path); {
		case err != nil && i == 0:
			return nil, snapshots.ErrChanged // it may be on its way back
		case err != nil:
			return nil, verify.RejectForNow("%q, which belongs to it, is missing", f.Path)
		case in.Kind != fsys.Regular && i > 0:
			return nil, verify.RejectForNow("%q, which belongs to it, is no regular file", f.Path)
		case open != "":
			return nil, verify.RejectForNow("others could exchange the file: %s", open)
		}
	}
	if s.o.strictModes && s.checks.AllowList != "" {
		if _, err := m.opts.disk.Stat(s.checks.AllowList); err != nil { // which others could be about to make
			return nil, verify.RejectForNow("the allow-list: %v", err)
		}
		if why := m.opts.strict(s.checks.AllowList); why != "" {
			return nil, verify.RejectForNow("others could exchange the allow-list: %s", why)
		}
	}
	if !m.isPayload(s, c.payload, &c.info) {
		return nil, snapshots.ErrChanged
	}
	m.mu.Lock()
	baseline, _ := p.hostKnows()
	same := baseline.Exists() && s.payload == c.payload
	m.mu.Unlock()
	if same {
		return nil, errSame // only a signature or the like has changed
	}
	taken, err := m.vet.store.Take(s.files, snapshots.Limits{MaxBytes: s.o.maxSize, Opened: s.opened}, stopped)
	if err != nil {
		if in, _ := m.statFiles(&c.files, at); in.Fingerprint != c.info.Fingerprint {
			err = snapshots.ErrChanged // whatever it was, the file is another one by now
		}
		if large, ok := errors.AsType[*snapshots.TooLargeError](err); ok {
			err = verify.Reject("it has %d bytes (all files up to %q), more than the limit of %d (max_size)", large.Bytes, large.Name, large.Limit)
		}
		return nil, err
	}
	snap := &snapshot{Snapshot: *taken}
	m.mu.Lock()
	m.vet.live++
	m.vet.bytes += snap.Bytes
	baseline, baselineHash := p.hostKnows()
	bad := s.bad(snap.Sum)
	m.mu.Unlock()
	in, _ := m.statFiles(&c.files, at)
	if in.Fingerprint != c.info.Fingerprint || !m.isPayload(s, snap.Source, &c.info) || m.hasWriter(&c.files, at) {
		return snap, snapshots.ErrChanged
	}
	if in.Changed != c.info.Changed { // chmod, or rewritten with its size and time during the copy
		if sum, err := snapshots.SumOf(s.files, snapshots.Limits{MaxBytes: s.o.maxSize}, stopped); err != nil || sum != snap.Sum {
			return snap, snapshots.ErrChanged
		}
	}
	step("stable")
	if m.opts.IgnoreUnchangedContent && baseline.Exists() && baselineHash != nil && *baselineHash == snap.Sum {
		return snap, errSame
	}
	if bad {
		return snap, errSuppressed
	}
	if err := s.checks.Check(s.copies(snap), stopped); err != nil {
		return snap, err
	}
	step("validated")
	return snap, nil
}

// opened says why a file that is open must not be copied.
func (s *safeState) opened(f *os.File) error {
	err := s.checks.Opened(f)
	if errors.Is(err, verify.ErrExchanged) {
		return snapshots.ErrChanged
	}
	return err
}

// copies are the files of a snapshot to be checked.
func (s *safeState) copies(snap *snapshot) []verify.File {
	var files []verify.File
	for i, f := range snap.Files {
		v := verify.File{Path: f.Path, Name: f.Name, Hash: f.Hash}
		if i < len(s.signatures) {
			v.Signature = s.signatures[i]
		}
		files = append(files, v)
	}
	return files
}

// ask calls the host's validator, if there is one.
func (m *Engine) ask(c *candidate) error {
	v := &m.vet
	if v.late != nil { // calls do not overlap
		select {
		case <-v.late:
		case <-m.done:
			return fsys.ErrStopped
		}
		v.late = nil
	}
	m.mu.Lock()
	if m.validator == nil || c.superseded || m.closed {
		m.mu.Unlock()
		return nil
	}
	slot := m.validator.Hold()
	c.snap.asked = slot
	v.asking = &run{p: c.p}
	m.mu.Unlock()
	asked := Candidate{ID: c.p.id, Path: c.p.registeredPath(), Snapshot: c.snap.Files[0].Path, SnapshotSize: c.snap.Files[0].Size,
		SnapshotHash: hex.EncodeToString(c.snap.Files[0].Hash[:]), Generation: c.generation}
	verdict, returned := make(chan error, 1), make(chan struct{})
	m.spawn(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(returned)
		defer func() {
			slot.Done() // inside the callback still: the release function may close the manager
			m.mu.Lock()
			defer m.mu.Unlock()
			v.asking = nil
			m.afterChange()
		}()
		m.mu.Lock()
		v.asking.thread = deliver.ThreadID()
		m.mu.Unlock()
		verdict <- slot.Fn(asked)
	})
	var timeout <-chan time.Time
	if d := c.p.safe.o.validatorTimeout; d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case err := <-verdict:
		<-returned
		return refusal(err)
	case <-returned:
		select {
		case err := <-verdict:
			return refusal(err)
		default: // it panicked; the manager has failed
			return fsys.ErrStopped
		}
	case <-m.done:
		return fsys.ErrStopped
	case <-timeout:
		v.late = returned
		o := c.p.safe.o
		if o.acceptOnTimeout {
			return nil
		}
		return verify.Reject("the validator gave no verdict within %v", o.validatorTimeout)
	}
}

func refusal(err error) error {
	if err != nil {
		return &verify.Rejection{Why: Printable(err.Error(), maxMessage)}
	}
	return nil
}

// sumOf is what the sum of a snapshot of these files would be now.
func sumOf(files []snapshots.Member) (fsys.Hash, error) {
	return snapshots.SumOf(files, snapshots.Limits{}, func() bool { return false })
}

// validate begins to validate a version that was found complete.
func (m *Engine) validate(w *work, in fsys.Info, first time.Time) {
	p := w.p
	c := &candidate{p: p, files: m.filesOf(p), info: in, first: first, generation: uint64(p.generation) + 1}
	w.candidate = c
	m.vet.busy++
	m.workers.do(m.whereabouts(p), func(at func(string)) {
		snap, err := m.inspect(c, at)
		if err != nil && snap != nil {
			m.remove([]*snapshot{snap})
		}
		m.step(func() {
			c.snap, c.err = snap, err
			if err != nil || m.validator == nil || c.superseded {
				m.validated(c)
				return
			}
			m.vet.asks = append(m.vet.asks, c)
			if !m.vet.serves {
				m.vet.serves = true
				m.spawn(m.askValidator)
			}
		})
	})
}

// askValidator puts the candidates to the validator that wait for it.
func (m *Engine) askValidator() {
	for {
		m.mu.Lock()
		if len(m.vet.asks) == 0 || m.closed {
			m.vet.serves = false
			m.mu.Unlock()
			return
		}
		c := m.vet.asks[0]
		m.vet.asks = m.vet.asks[1:]
		m.mu.Unlock()
		err := m.ask(c)
		m.step(func() {
			if c.err = err; err != nil {
				m.discardLocked(c.snap)
			}
			m.validated(c)
		})
	}
}

// supersede gives a candidate up and returns when its change was first noticed.
func (m *Engine) supersede(w *work) (first time.Time) {
	c := w.candidate
	w.candidate, c.superseded = nil, true
	c.p.withdrawn(&c.info)
	return c.first
}

// validated acts on what validation found.
func (m *Engine) validated(c *candidate) {
	p := c.p
	m.vet.busy--
	if c.superseded || p.disabled() {
		if c.err == nil {
			m.discardLocked(c.snap)
		}
		return
	}
	w := m.intake.settling[p]
	rejection, isRejection := errors.AsType[*verify.Rejection](c.err)
	if errors.Is(c.err, snapshots.ErrChanged) {
		m.notify(p, 0, time.Now()) // which takes over when the change began
		return
	}
	w.candidate = nil
	switch {
	case c.err == nil:
		m.deliverValidated(c)
	case c.err == errSame:
		m.nothingNew(c)
	case c.err == errSuppressed:
		m.suppressed(c)
	case isRejection:
		if !rejection.Passing {
			w.machine.Rejected(versionOf(&c.info))
			w.examined = c.info
		}
		m.reject(c, rejection)
	default:
		m.snapshotFailed(c)
	}
	m.rest(w)
}

func (m *Engine) deliverValidated(c *candidate) {
	if m.outdated(c.snap) {
		m.validateAnew(c.p, &c.info, c.snap)
		return
	}
	s := c.p.safe
	s.rejected, s.trouble, s.again = "", "", 0
	sum := c.snap.Sum
	m.enqueueChange(&pendingChange{p: c.p, info: c.info, hash: &sum, first: c.first, complete: time.Now(), snap: c.snap, payload: c.payload})
}

// nothingNew takes the present version for what the host knows.
func (m *Engine) nothingNew(c *candidate) {
	_, h := c.p.hostKnows()
	c.p.setBaseline(versionOf(&c.info), h)
	c.p.safe.payload = c.payload
	m.stats.Unchanged++
	m.stats.supersede(c.p, &c.info)
}

func (m *Engine) suppressed(c *candidate) {
	m.stats.supersede(c.p, &c.info)
	c.p.setBaseline(versionOf(&c.info), nil)
	c.p.safe.payload = c.payload
	m.stats.Suppressed++
}

// rejected says once per reason that a version is refused. One that is so for
// now is looked at again later, and at every hint.
func (m *Engine) reject(c *candidate, r *verify.Rejection) {
	p, s, why := c.p, c.p.safe, r.Why
	if r.Passing {
		s.again = min(max(2*s.again, minAgain), maxAgain)
		m.checkLater(p, s.again)
	}
	ev := Event{Kind: Rejected, ID: p.id, Path: p.registeredPath(), Message: why}
	if c.snap != nil {
		own := c.snap.Files[0]
		ev.SnapshotSize, ev.SnapshotHash = own.Size, hex.EncodeToString(own.Hash[:])
	}
	if mark := ev.SnapshotHash + " " + why; mark != s.rejected {
		s.rejected = mark
		m.stats.Rejected++
		m.enqueueEvent(ev)
	}
}

// snapshotFailed says once per reason why, and tries again later; a change of the file is tried at once.
func (m *Engine) snapshotFailed(c *candidate) {
	if errors.Is(c.err, fsys.ErrStopped) {
		return
	}
	s := c.p.safe
	s.again = min(max(2*s.again, minAgain), maxAgain)
	m.stats.SnapshotFailures++
	why := c.err.Error()
	mark := why
	if p, ok := errors.AsType[*fs.PathError](c.err); ok {
		if _, copying := snapshots.Below(m.vet.store.Base(), p.Path); copying {
			mark = p.Op + ": " + p.Err.Error() // the copy's place is another one at each try
		}
	}
	if mark != s.trouble {
		s.trouble = mark
		m.healthLocked(HealthSnapshotFailed, c.p.id, c.p.registeredPath(), message("no snapshot could be made, so the new version is not told yet: %v", why))
	}
	m.checkLater(c.p, s.again)
}

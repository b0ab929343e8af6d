package core

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	snapshots "github.com/qtforge/hotreload/core/internal/snapshot"
	"github.com/qtforge/hotreload/core/internal/verify"
)

// Between settling and the queue a plugin with safe reload is vetted: copied,
// hashed, validated. That takes time and calls the host's validator, so it runs
// on a goroutine of its own, the worker; the result comes back to the loop. A
// sign of activity meanwhile makes the result void.
//
//	loop ──job──► worker: strict modes, copy, stable?, hash, validate ──job──► loop ──► queue

// vetJob is one version on its way.
type vetJob struct {
	e       *entry
	info    fsys.Info // of all its files, when it was found whole
	payload fsys.Info
	first   time.Time // first sign of the change
	void    bool      // behind Manager.mu: overtaken, or its entry is gone
	number  uint64    // what generation it would be

	snap *snapshot
	err  error // nil: fit to be told
}

// snapshot is a copy of a version.
type snapshot struct {
	snapshots.Snapshot
	asked *slot[Validator] // of whom it was asked, nil = of nobody; behind Manager.mu once it was vetted
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

// Validator accepts (nil) or refuses a version. It runs on a goroutine of the
// manager that is locked to its thread.
type Validator func(Candidate) error

// SetValidator sets the function that is asked about every version of plugins
// with safe reload, after the built-in validations, those that wait to be
// delivered included; nil removes it. It runs on a goroutine of its own, one call
// at a time. Otherwise as SetReloadCallback.
func (m *Manager) SetValidator(fn Validator, release func()) error {
	err := setSlot(m, &m.validator, fn, fn == nil, release, nil)
	if err == nil {
		m.askAgain()
	}
	return err
}

// askAgain takes back the changes that wait and that the present validator was not
// asked about.
func (m *Manager) askAgain() {
	m.mu.Lock()
	defer m.mu.Unlock()
	var outdated []*entry
	for _, c := range m.queue.changes.items {
		if c != nil && !c.gone() && m.outdated(c.snap) {
			outdated = append(outdated, c.e)
		}
	}
	for _, e := range outdated {
		c := m.queue.takeBack(e)
		m.vetAnewLocked(e, &c.info, c.snap)
	}
	m.afterChange()
}

// vetAnewLocked has the loop come to a version anew that was vetted already.
func (m *Manager) vetAnewLocked(e *entry, in *fsys.Info, snap *snapshot) {
	e.withdraw(in)
	m.discardLocked(snap)
	m.hinted = append(m.hinted, e)
	m.kickLoop()
}

// outdated reports whether the validator is one that a snapshot was not put to.
func (m *Manager) outdated(s *snapshot) bool {
	return s != nil && m.validator != nil && s.asked != m.validator
}

// vetter is what the worker shares with the others, all behind Manager.mu.
type vetter struct {
	store *snapshots.Store
	ready bool // the worker runs
	jobs  []*vetJob
	trash []*snapshot
	wake  chan struct{}
	live  int   // snapshots on the disk
	bytes int64 // of them
	busy  int   // jobs not concluded
	// The validator's call under way.
	asking *run
	late   chan struct{} // closed when the latest call, timed out, has returned
}

// startVetting starts the worker when the first plugin needs it.
func (m *Manager) startVetting() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil || m.vet.ready {
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
	m.vet.ready = true
	m.vet.wake = make(chan struct{}, 1)
	m.spawn(m.vetThread)
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

func (m *Manager) closeStore() {
	if m.vet.store != nil {
		m.vet.store.Close()
	}
}

func (m *Manager) wakeVetter() {
	select {
	case m.vet.wake <- struct{}{}:
	default:
	}
}

// discardLocked has a snapshot removed.
func (m *Manager) discardLocked(s *snapshot) {
	if s == nil {
		return
	}
	m.vet.trash = append(m.vet.trash, s)
	m.wakeVetter()
}

// vetThread is the worker.
func (m *Manager) vetThread() {
	v := &m.vet
	v.store.Sweep()
	for {
		m.mu.Lock()
		var j *vetJob
		if len(v.jobs) > 0 {
			j, v.jobs = v.jobs[0], v.jobs[1:]
		}
		trash := v.trash
		v.trash = nil
		m.mu.Unlock()
		kept := m.empty(trash)
		if j == nil {
			if len(kept) > 0 { // Windows: still loaded
				m.mu.Lock()
				v.trash = append(v.trash, kept...)
				m.mu.Unlock()
			}
			select {
			case <-m.done:
				return
			case <-v.wake:
			}
			continue
		}
		j.snap, j.err = m.vetOne(j)
		if j.err != nil && j.snap != nil {
			m.empty([]*snapshot{j.snap})
		}
		select {
		case <-m.done:
			return
		case m.vetted <- j:
		}
	}
}

// empty removes snapshots and returns those that cannot be removed yet.
func (m *Manager) empty(trash []*snapshot) (kept []*snapshot) {
	for _, s := range trash {
		if err := s.Remove(); err != nil && !errors.Is(err, fs.ErrNotExist) && runtime.GOOS == "windows" {
			kept = append(kept, s)
			continue
		}
		m.mu.Lock()
		m.vet.live--
		m.vet.bytes -= s.Bytes
		m.mu.Unlock()
	}
	return kept
}

// vetOne makes and examines one snapshot.
func (m *Manager) vetOne(j *vetJob) (*snapshot, error) {
	e := j.e
	s := e.safe()
	step := m.opts.step
	if step == nil {
		step = func(string) {}
	}
	stopped := func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return j.void || m.closed
	}
	step("begun")
	if stopped() {
		return nil, fsys.ErrStopped
	}
	j.payload = m.payloadOf(s, j.info.Remote)
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
	if !m.isPayload(s, j.payload, &j.info) {
		return nil, snapshots.ErrChanged
	}
	m.mu.Lock()
	told, _ := e.knows()
	same := told.Exists() && s.payload == j.payload
	m.mu.Unlock()
	if same {
		return nil, errSame // only a signature or the like has changed
	}
	taken, err := m.vet.store.Take(s.files, snapshots.Limits{MaxBytes: s.o.maxSize, Opened: s.opened}, stopped)
	if err != nil {
		if in, _ := m.statOf(e, &j.info); in.Fingerprint != j.info.Fingerprint {
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
	told, toldHash := e.knows()
	bad := s.bad(snap.Sum)
	m.mu.Unlock()
	in, _ := m.statOf(e, &j.info)
	if in.Fingerprint != j.info.Fingerprint || !m.isPayload(s, snap.Source, &j.info) || m.written(e) {
		return snap, snapshots.ErrChanged
	}
	if in.Changed != j.info.Changed { // chmod, or rewritten with its size and time during the copy
		if sum, err := snapshots.SumOf(s.files, snapshots.Limits{MaxBytes: s.o.maxSize}, stopped); err != nil || sum != snap.Sum {
			return snap, snapshots.ErrChanged
		}
	}
	step("stable")
	if m.opts.IgnoreUnchangedContent && told.Exists() && toldHash != nil && *toldHash == snap.Sum {
		return snap, errSame
	}
	if bad {
		return snap, errSuppressed
	}
	if err := s.checks.Check(s.copies(snap), stopped); err != nil {
		return snap, err
	}
	step("validated")
	return snap, m.ask(j, snap)
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
func (m *Manager) ask(j *vetJob, snap *snapshot) error {
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
	if m.validator == nil || j.void || m.closed {
		m.mu.Unlock()
		return nil
	}
	slot := m.validator.hold()
	snap.asked = slot
	v.asking = &run{e: j.e}
	m.mu.Unlock()
	c := Candidate{ID: j.e.id(), Path: j.e.path(), Snapshot: snap.Files[0].Path, SnapshotSize: snap.Files[0].Size,
		SnapshotHash: hex.EncodeToString(snap.Files[0].Hash[:]), Generation: j.number}
	verdict, returned := make(chan error, 1), make(chan struct{})
	m.spawn(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(returned)
		defer func() {
			slot.done(m) // inside the callback still: the release function may close the manager
			m.mu.Lock()
			defer m.mu.Unlock()
			v.asking = nil
			m.afterChange()
		}()
		m.mu.Lock()
		v.asking.thread = threadID()
		m.mu.Unlock()
		verdict <- slot.fn(c)
	})
	var timeout <-chan time.Time
	if d := j.e.safe().o.validatorTimeout; d > 0 {
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
		o := j.e.safe().o
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

// vetVersion sends a version that was found whole to the worker.
func (l *loop) vetVersion(e *entry, in fsys.Info, first time.Time) {
	j := &vetJob{e: e, info: in, first: first}
	e.safe().job = j
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	j.number = uint64(e.generation) + 1
	l.m.vet.jobs = append(l.m.vet.jobs, j)
	l.m.vet.busy++
	l.m.wakeVetter()
}

// overtake makes a vetting under way void and returns when its change began.
func (l *loop) overtake(s *safeState) (first time.Time) {
	j := s.job
	if j == nil {
		return first
	}
	s.job = nil
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	j.void = true
	j.e.withdraw(&j.info)
	return j.first
}

// vetted acts on what the worker found.
func (l *loop) vetted(j *vetJob) {
	e, m := j.e, l.m
	m.mu.Lock()
	m.vet.busy--
	void := j.void || e.disabled()
	if void && j.err == nil {
		m.discardLocked(j.snap)
	}
	m.mu.Unlock()
	if void {
		return
	}
	s := e.safe()
	refused, isRefused := errors.AsType[*verify.Rejection](j.err)
	switch {
	case j.err == nil:
		s.job = nil
		m.enqueueVetted(j)
	case j.err == errSame:
		s.job = nil
		m.nothingNew(j)
	case j.err == errSuppressed:
		s.job = nil
		m.suppressed(j)
	case isRefused:
		s.job = nil
		if !refused.Passing {
			w := l.begin(e)
			w.machine.Rejected(versionOf(&j.info))
			w.examined = j.info
		}
		m.rejected(j, refused)
	case errors.Is(j.err, snapshots.ErrChanged):
		l.hint(e, 0, time.Now()) // which takes over when the change began
	default:
		s.job = nil
		m.snapshotFailed(j)
	}
	if w := l.work[e]; w != nil && !w.machine.Settling() {
		l.rest(w)
	}
}

func (m *Manager) enqueueVetted(j *vetJob) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.outdated(j.snap) {
		m.vetAnewLocked(j.e, &j.info, j.snap)
		return
	}
	s := j.e.safe()
	s.rejected, s.trouble, s.again = "", "", 0
	sum := j.snap.Sum
	m.addChangeLocked(&pendingChange{e: j.e, info: j.info, hash: &sum, first: j.first, whole: time.Now(), snap: j.snap, payload: j.payload})
	m.afterChange()
}

// nothingNew takes the present version for what the host knows.
func (m *Manager) nothingNew(j *vetJob) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, h := j.e.knows()
	j.e.setTold(versionOf(&j.info), h)
	j.e.safe().payload = j.payload
	m.unchanged.Add(1)
	m.stats.supersede(j.e, &j.info)
}

func (m *Manager) suppressed(j *vetJob) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.supersede(j.e, &j.info)
	j.e.setTold(versionOf(&j.info), nil)
	j.e.safe().payload = j.payload
	m.stats.Suppressed++
}

// rejected says once per reason that a version is refused. One that is so for
// now is looked at again later, and at every hint.
func (m *Manager) rejected(j *vetJob, r *verify.Rejection) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, s, why := j.e, j.e.safe(), r.Why
	if r.Passing {
		s.again = min(max(2*s.again, minAgain), maxAgain)
		m.lookAgainLocked(e, s.again)
	}
	ev := Event{Kind: Rejected, ID: e.id(), Path: e.path(), Message: why}
	if j.snap != nil {
		own := j.snap.Files[0]
		ev.SnapshotSize, ev.SnapshotHash = own.Size, hex.EncodeToString(own.Hash[:])
	}
	if mark := ev.SnapshotHash + " " + why; mark != s.rejected {
		s.rejected = mark
		m.stats.Rejected++
		m.noteLocked(ev)
	}
}

// snapshotFailed says once per reason why, and tries again later; a change of the file is tried at once.
func (m *Manager) snapshotFailed(j *vetJob) {
	if errors.Is(j.err, fsys.ErrStopped) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := j.e.safe()
	s.again = min(max(2*s.again, minAgain), maxAgain)
	m.stats.SnapshotFailures++
	why := j.err.Error()
	mark := why
	if p, ok := errors.AsType[*fs.PathError](j.err); ok {
		if _, copying := snapshots.Below(m.vet.store.Base(), p.Path); copying {
			mark = p.Op + ": " + p.Err.Error() // the copy's place is another one at each try
		}
	}
	if mark != s.trouble {
		s.trouble = mark
		m.healthLocked(HealthSnapshotFailed, j.e.id(), j.e.path(), message("no snapshot could be made, so the new version is not told yet: %v", why))
	}
	m.lookAgainLocked(j.e, s.again)
}

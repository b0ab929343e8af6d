// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"os"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	snapshots "github.com/qtforge/hotreload/core/internal/snapshot"
	"github.com/qtforge/hotreload/core/internal/verify"
)

// candidate is a version that is being validated.
type candidate struct {
	p          *plugin
	files      pluginFiles
	info       fsys.Info // of all its files, when it was found complete
	loadable   fsys.Info
	first      time.Time // first notification of the change
	begun      time.Time // when its validation began
	superseded bool      // behind Engine.mu, or its plugin is disabled
	generation uint64    // the one that it would be
	decided    decided

	snap *snapshot
	err  error // nil: fit to be delivered
}

var (
	errKnown      = errors.New("the content is what was delivered last")
	errSuppressed = errors.New("the content is known to fail")
)

// inspect makes a snapshot of a candidate and verifies it. It runs on a worker.
func (m *Engine) inspect(c *candidate, at func(string)) (*snapshot, error) {
	p, s := c.p, c.p.safe
	step := m.opts.step
	if step == nil {
		step = func(string) {}
	}
	stopped := func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return c.superseded || m.closed
	}
	step("begun")
	if stopped() {
		return nil, fsys.ErrStopped
	}
	c.loadable = m.statLoadable(s, &c.files, c.info.Remote, at)
	if err := m.checkFiles(c, at); err != nil {
		return nil, err
	}
	if !m.matchesVersion(s, &c.files, c.loadable, &c.info, at) {
		return nil, snapshots.ErrChanged
	}
	m.mu.Lock()
	baseline, _ := p.hostKnows()
	same := baseline.Exists() && s.loadable == c.loadable
	m.mu.Unlock()
	if same {
		return nil, errKnown // only a signature or the like has changed
	}
	limits := s.limits(c, at)
	limits.Opened = s.opened
	taken, err := m.validation.store.Take(s.files, limits, stopped)
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
	m.validation.live++
	m.validation.bytes += snap.Bytes
	baseline, baselineHash := p.hostKnows()
	bad := s.bad(snap.Sum)
	m.mu.Unlock()
	if !m.isStable(c, snap, stopped, at) {
		return snap, snapshots.ErrChanged
	}
	step("stable")
	if m.opts.IgnoreUnchangedContent && baseline.Exists() && baselineHash != nil && *baselineHash == snap.Sum {
		return snap, errKnown
	}
	if bad {
		return snap, errSuppressed
	}
	at(snap.Root)
	checks := s.checks
	checks.Commented = func(comment string) { snap.comment = comment }
	checks.Stated = func(st verify.Statement) error {
		snap.statement = st
		return m.admitVersion(s, st, at)
	}
	if err := checks.Check(s.copies(snap), func() bool {
		at(snap.Root)
		return stopped()
	}); err != nil {
		return snap, err
	}
	step("validated")
	return snap, nil
}

// places says of each file that is copied where it lies, by a path without links.
func (c *candidate) places() map[string]string {
	where := map[string]string{}
	for i, f := range c.p.safe.files {
		where[f.Path] = c.files.fileAt
		if i > 0 {
			where[f.Path] = c.files.companionAt(i - 1)
		}
	}
	return where
}

// limits are those of reading a candidate's files.
func (s *safeState) limits(c *candidate, at func(string)) snapshots.Limits {
	where := c.places()
	return snapshots.Limits{MaxBytes: s.o.maxSize, At: func(path string) {
		if w, known := where[path]; known {
			path = w
		}
		at(path)
	}}
}

// checkFiles says why the files of a version must not be copied: one is missing or no
// file, or others could exchange it.
func (m *Engine) checkFiles(c *candidate, at func(string)) error {
	s, where := c.p.safe, c.places()
	for i, f := range s.files {
		at(where[f.Path])
		var open string
		if s.o.strictModes {
			open = m.opts.strict(f.Path)
		}
		switch in, err := m.opts.disk.Stat(f.Path); {
		case err != nil && i == 0:
			return snapshots.ErrChanged // it may be on its way back
		case err != nil:
			return verify.RejectForNow("%q, which belongs to it, is missing", f.Path)
		case in.Kind != fsys.Regular && i > 0:
			return verify.RejectForNow("%q, which belongs to it, is no regular file", f.Path)
		case open != "":
			return verify.RejectForNow("others could exchange the file: %s", open)
		}
	}
	if s.o.strictModes && s.checks.AllowList != "" {
		at(s.checks.AllowList)
		if _, err := m.opts.disk.Stat(s.checks.AllowList); err != nil { // which others could be about to make
			return verify.RejectForNow("the allow-list: %v", err)
		}
		if why := m.opts.strict(s.checks.AllowList); why != "" {
			return verify.RejectForNow("others could exchange the allow-list: %s", why)
		}
	}
	return nil
}

// isStable reports whether the files are still those that were copied.
func (m *Engine) isStable(c *candidate, snap *snapshot, stopped func() bool, at func(string)) bool {
	s := c.p.safe
	in, _ := m.statFiles(&c.files, at)
	if in.Fingerprint != c.info.Fingerprint || !m.matchesVersion(s, &c.files, snap.Source, &c.info, at) || !c.decided.isOpen && m.hasWriter(&c.files, at) {
		return false
	}
	if in.Changed == c.info.Changed {
		return true
	}
	// chmod, or rewritten with its size and time during the copy
	sum, err := snapshots.SumOf(s.files, s.limits(c, at), stopped)
	return err == nil && sum == snap.Sum
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
		v := verify.File{Path: f.Path, Name: f.Name, Listed: s.listed[i], Hash: f.Hash, Private: snap.Base}
		if i < len(s.signatures) {
			v.Signature = s.signatures[i]
		}
		files = append(files, v)
	}
	return files
}

// SPDX-License-Identifier: MIT

package engine

import (
	"sync"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/record"
	snapshots "github.com/qtforge/hotreload/core/internal/snapshot"
	"github.com/qtforge/hotreload/core/internal/verify"
)

// This file is about versions that may only rise. What counts is what the host has
// reported as good, and what was delivered and has not failed. The former is
// remembered across restarts if there is a directory for that.

// mark is a version and what was signed as that version.
type mark struct {
	version verify.Version
	signed  fsys.Hash
	known   bool
}

func markOf(st verify.Statement) mark { return mark{st.Version, st.Signed, true} }

// raise makes k the other mark if that is newer.
func (k *mark) raise(other mark) {
	if other.known && (!k.known || other.version.Compare(k.version) > 0) {
		*k = other
	}
}

// accepted is the highest version of a plugin that was accepted.
type accepted struct {
	id, dir string // dir "" = not remembered

	// delivered is the highest version that was delivered and has left
	// safeState.delivered without a report that it failed. It is behind Engine.mu, and not
	// remembered across restarts.
	delivered mark

	mu      sync.Mutex // held while the file is read or written, which may take long
	good    mark
	written bool // good was in the file when it was read last
}

// openAccepted reads what is remembered of a plugin; nil if its versions need not rise.
// It may block as long as the file system does.
func openAccepted(id string, o *policy) (*accepted, error) {
	if !o.rising {
		return nil, nil
	}
	a := &accepted{id: id}
	if o.versionDir == "" {
		return a, nil
	}
	dir, err := resolve(o.versionDir)
	if err != nil {
		return nil, err
	}
	real, insecure, err := snapshots.PrivateDir(dir)
	switch {
	case insecure != "":
		return nil, fail(ErrPermissionDenied, "the version directory %q %s; choose another one", dir, insecure)
	case err == nil:
		a.dir = real
		if err = a.read(); err == nil {
			err = record.Try(real)
		}
	}
	if err != nil {
		return nil, &Error{Kind: ErrIO, Msg: message("the accepted versions cannot be remembered in %q", dir), Err: err}
	}
	return a, nil
}

// read takes over what the file says, which another process may have written.
func (a *accepted) read() error {
	a.written = false
	e, found, err := record.Read(a.dir, a.id)
	if err != nil || !found {
		return err
	}
	v, err := verify.ParseVersion(e.Version)
	if err != nil {
		return err
	}
	there := mark{v, e.Signed, true}
	a.good.raise(there)
	a.written = a.good == there
	return nil
}

// accept takes a version for good and remembers it.
func (a *accepted) accept(k mark) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.good.raise(k)
	return a.synchronize()
}

// synchronize makes the file and what is known here the newer one of both.
func (a *accepted) synchronize() error {
	if a.dir == "" {
		return nil
	}
	if err := a.read(); err != nil || a.written || !a.good.known {
		return err
	}
	unlock, err := record.Lock(a.dir)
	if err != nil {
		return err
	}
	defer unlock()
	// Another manager may have written a newer version meanwhile.
	if err := a.read(); err != nil || a.written {
		return err
	}
	return record.Write(a.dir, a.id, record.Entry{Version: a.good.version.String(), Signed: a.good.signed})
}

// present returns the version that others are compared with. If it cannot be remembered,
// no other one is accepted.
func (a *accepted) present() (mark, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.synchronize()
	return a.good, err
}

// admitVersion rejects a version that is older than one that was accepted, or that has
// its number and another content. It runs on a worker.
func (m *Engine) admitVersion(s *safeState, st verify.Statement, at func(string)) error {
	if s.accepted == nil {
		return nil
	}
	if s.accepted.dir != "" {
		at(s.accepted.dir)
	}
	highest, err := s.accepted.present()
	if err != nil {
		return verify.RejectForNow("the accepted version cannot be remembered in %q: %v", s.o.versionDir, err)
	}
	m.mu.Lock()
	highest.raise(s.accepted.delivered)
	for _, o := range s.delivered {
		highest.raise(markOf(o.snap.statement))
	}
	m.mu.Unlock()
	switch c := st.Version.Compare(highest.version); {
	case !highest.known || c > 0:
		return nil
	case c < 0:
		return verify.Reject("version %v is older than version %v, which was accepted before", st.Version, highest.version)
	case st.Signed != highest.signed:
		return verify.Reject("version %v was accepted before with another content (SHA-256 %x); a new build needs a higher version", st.Version, highest.signed)
	}
	return nil
}

// stillCounts has the version of a generation compared after its snapshot is given up.
// It is called with Engine.mu held.
func (s *safeState) stillCounts(o *deliveredVersion) {
	if s.accepted != nil {
		s.accepted.delivered.raise(markOf(o.snap.statement))
	}
}

// acceptVersion remembers a version that the host has reported as good.
// It is called without the lock, and may block for as long as the file system does.
func (s *safeState) acceptVersion(snap *snapshot) error {
	if s.accepted == nil {
		return nil
	}
	if err := s.accepted.accept(markOf(snap.statement)); err != nil {
		return &Error{Kind: ErrIO, Msg: message("the outcome is noted, but the accepted version %v cannot be remembered in %q", snap.statement.Version, s.o.versionDir), Err: err}
	}
	return nil
}

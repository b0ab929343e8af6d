// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"time"

	"github.com/qtforge/hotreload/core/internal/deliver"
	snapshots "github.com/qtforge/hotreload/core/internal/snapshot"
	"github.com/qtforge/hotreload/core/internal/verify"
)

// snapshot is a copy of a version.
type snapshot struct {
	snapshots.Snapshot
	comment   string                   // of its signer, once the signature holds
	statement verify.Statement         // likewise, if it fits
	asked     *deliver.Slot[Validator] // of whom it was asked, nil = of nobody; behind Engine.mu once it was validated

	// Behind Engine.mu.
	holders   int  // that still use its files
	discarded bool // to be removed when there is no holder any more
}

// HoldSnapshot keeps the snapshot of a generation, with its companion files, until
// release is called; nil if there is none (any more).
func (m *Engine) HoldSnapshot(id string, generation uint64) (release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.plugins.lookup(id)
	if p == nil || p.safe == nil {
		return nil
	}
	o := p.safe.deliveredAs(generation)
	if o == nil {
		return nil
	}
	s := o.snap
	s.holders++
	return sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if s.holders--; s.holders == 0 && s.discarded && !m.closed {
			m.discardLocked(s)
		}
	})
}

// openStore opens the store of snapshots when the first plugin needs it. Its file
// system may hang, and then only the caller.
func (m *Engine) openStore() error {
	m.mu.Lock()
	err, isOpen := m.usable(), m.validation.store != nil
	m.mu.Unlock()
	if err != nil || isOpen {
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
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil || m.validation.store != nil {
		return err // another call was faster; a store that has made nothing needs no Close
	}
	store.Step = m.opts.step
	m.validation.store = store
	m.workers.do(store.Base(), store.Sweep)
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
	if m.validation.store == nil {
		return
	}
	closed := make(chan struct{})
	m.contained(func() {
		defer close(closed)
		m.validation.store.Close()
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
	if s.holders > 0 {
		s.discarded = true
		return
	}
	trash := append(m.validation.trash, s)
	m.validation.trash = nil
	m.workers.do(s.Root, func(at func(string)) { m.remove(trash, at) })
}

// remove removes snapshots. It runs on a worker.
func (m *Engine) remove(trash []*snapshot, at func(string)) {
	for _, s := range trash {
		at(s.Root)
		err := s.Remove()
		m.mu.Lock()
		if err != nil && !errors.Is(err, fs.ErrNotExist) && runtime.GOOS == "windows" {
			m.validation.trash = append(m.validation.trash, s) // it is still loaded
		} else {
			m.validation.live--
			m.validation.bytes -= s.Bytes
		}
		m.mu.Unlock()
	}
}

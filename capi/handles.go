// SPDX-License-Identifier: MIT

package main

// #include "bridge.h"
import "C"

import (
	"maps"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/mattn/go-pointer"
	"github.com/qtforge/hotreload/core"
)

// maxTombstones is how many destroyed handles are remembered. go-pointer frees
// a key's byte when it is given up, malloc may hand the address out again, and
// a stale handle would then reach another manager, or free it twice. While a
// key is kept, using it after destruction has a definite answer.
const maxTombstones = 1024

// handles is the table of managers. A handle is a key, never memory to read.
// Finding a manager takes no lock, or calls from many threads would wait for it.
var handles struct {
	known  atomic.Pointer[map[uintptr]*manager] // never changed, but replaced
	latest atomic.Pointer[manager]              // of these; mostly the only one

	sync.Mutex
	dead []*manager // destroyed, oldest first
}

// manager is what a key leads to.
type manager struct {
	key  unsafe.Pointer               // as go-pointer holds it
	mask C.uint64_t                   // the signals that are blocked in callbacks on the library's threads
	core atomic.Pointer[core.Manager] // nil once destroyed
	host *cHost                       // whose manager it is; nil if it is nobody's
}

// newHandle returns a key for c.
func newHandle(c *core.Manager, mask C.uint64_t) uintptr { return newHandleOf(c, mask, nil) }

// newHandleOf returns a key for the manager of a host.
func newHandleOf(c *core.Manager, mask C.uint64_t, host *cHost) uintptr {
	m := &manager{mask: mask, host: host}
	m.core.Store(c)
	m.key = pointer.Save(m)
	handles.Lock()
	defer handles.Unlock()
	know(m, nil)
	C.hrmc_keep_key(m.key)
	handles.latest.Store(m)
	return uintptr(m.key)
}

// know adds one manager to the known ones and takes another one out; either may
// be nil.
func know(m, gone *manager) {
	known := map[uintptr]*manager{}
	if old := handles.known.Load(); old != nil {
		maps.Copy(known, *old)
	}
	if gone != nil {
		delete(known, uintptr(gone.key))
	}
	if m != nil {
		known[uintptr(m.key)] = m
	}
	handles.known.Store(&known)
}

func findHandle(h uintptr) *manager {
	if m := handles.latest.Load(); m != nil && uintptr(m.key) == h {
		return m
	}
	if known := handles.known.Load(); known != nil {
		return (*known)[h]
	}
	return nil
}

// lookup returns the manager of a handle, or why there is none.
func lookup(h uintptr) (*core.Manager, error) {
	c, _, err := lookupWithMask(h)
	return c, err
}

// lookupWithMask returns also the signals that are blocked in its callbacks.
func lookupWithMask(h uintptr) (*core.Manager, C.uint64_t, error) {
	m := findHandle(h)
	if m == nil {
		return nil, 0, handleError{h, "is not a manager"}
	}
	c := m.core.Load()
	if c == nil {
		return nil, m.mask, handleError{h, "was destroyed"}
	}
	return c, m.mask, nil
}

// bury makes a handle stale and returns its manager; only one caller gets it.
func bury(h uintptr) (*core.Manager, error) {
	m := findHandle(h)
	if m == nil {
		return nil, handleError{h, "is not a manager"}
	}
	c := m.core.Swap(nil)
	if c == nil {
		return nil, handleError{h, "was destroyed already"}
	}
	handles.Lock()
	defer handles.Unlock()
	handles.dead = append(handles.dead, m)
	if len(handles.dead) > maxTombstones {
		oldest := handles.dead[0]
		handles.dead = append(handles.dead[:0], handles.dead[1:]...)
		know(nil, oldest)
		handles.latest.CompareAndSwap(oldest, nil)
		C.hrmc_forget_key(oldest.key)
		pointer.Unref(oldest.key)
	}
	return c, nil
}

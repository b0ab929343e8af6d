package main

import (
	"sync"
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
var handles = struct {
	sync.RWMutex
	known map[uintptr]unsafe.Pointer // every key that go-pointer holds
	dead  []uintptr                  // destroyed, oldest first
}{known: map[uintptr]unsafe.Pointer{}}

// manager is what a key leads to.
type manager struct {
	mu   sync.Mutex
	core *core.Manager // nil once destroyed
}

// newHandle returns a key for m.
func newHandle(m *core.Manager) uintptr {
	p := pointer.Save(&manager{core: m})
	handles.Lock()
	defer handles.Unlock()
	handles.known[uintptr(p)] = p
	return uintptr(p)
}

func findHandle(h uintptr) *manager {
	handles.RLock()
	defer handles.RUnlock()
	p, ok := handles.known[h]
	if !ok {
		return nil
	}
	m, _ := pointer.Restore(p).(*manager)
	return m
}

// lookup returns the manager of a handle, or why there is none.
func lookup(h uintptr) (*core.Manager, error) {
	m := findHandle(h)
	if m == nil {
		return nil, handleError{h, "is not a manager"}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.core == nil {
		return nil, handleError{h, "was destroyed"}
	}
	return m.core, nil
}

// bury makes a handle stale and returns its manager; only one caller gets it.
func bury(h uintptr) (*core.Manager, error) {
	m := findHandle(h)
	if m == nil {
		return nil, handleError{h, "is not a manager"}
	}
	m.mu.Lock()
	c := m.core
	m.core = nil
	m.mu.Unlock()
	if c == nil {
		return nil, handleError{h, "was destroyed already"}
	}
	handles.Lock()
	defer handles.Unlock()
	handles.dead = append(handles.dead, h)
	if len(handles.dead) > maxTombstones {
		oldest := handles.dead[0]
		handles.dead = append(handles.dead[:0], handles.dead[1:]...)
		pointer.Unref(handles.known[oldest])
		delete(handles.known, oldest)
	}
	return c, nil
}

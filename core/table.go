package core

import (
	"hash/maphash"
	"sync/atomic"
)

// table finds entries by a hash of something in them. It is a map that holds no
// keys of its own: 8 bytes a slot, at most 7 of 8 in use.
// One goroutine at a time may change it; any number may look at the same time,
// without a lock, and see each element that is not being added or removed.
type table struct {
	slots atomic.Pointer[[]atomic.Pointer[entry]] // open addressing; a power of two
	live  int
	used  int // slots that are not empty, those of removed elements included
}

// vacated marks a slot whose entry was removed.
var vacated entry

var seed = maphash.MakeSeed()

func hashOf(s string) uint64 { return maphash.String(seed, s) }

// find returns the first element under the hash that is accepted.
func (t *table) find(hash uint64, accept func(*entry) bool) *entry {
	p := t.slots.Load()
	if p == nil {
		return nil
	}
	slots := *p
	mask := uint64(len(slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch x := slots[i].Load(); {
		case x == nil:
			return nil
		case x != &vacated && accept(x):
			return x
		}
	}
}

// add puts x in; hash must say of every element what it was added under.
func (t *table) add(x *entry, hash func(*entry) uint64) {
	if p := t.slots.Load(); p == nil || (t.used+1)*8 > len(*p)*7 {
		t.resize(hash)
	}
	t.put(*t.slots.Load(), x, hash(x))
	t.live++
}

func (t *table) put(slots []atomic.Pointer[entry], x *entry, hash uint64) {
	mask := uint64(len(slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch slots[i].Load() {
		case nil:
			t.used++
			slots[i].Store(x)
			return
		case &vacated:
			slots[i].Store(x)
			return
		}
	}
}

// remove takes x out if it is in.
func (t *table) remove(x *entry, hash func(*entry) uint64) {
	p := t.slots.Load()
	if p == nil {
		return
	}
	slots := *p
	mask := uint64(len(slots) - 1)
	for i := hash(x) & mask; ; i = (i + 1) & mask {
		switch slots[i].Load() {
		case nil:
			return
		case x:
			slots[i].Store(&vacated)
			t.live--
			if t.live == 0 || (len(slots) > 64 && t.live*8 < len(slots)) {
				t.resize(hash)
			}
			return
		}
	}
}

// resize makes a new array in which the elements take less than two thirds.
func (t *table) resize(hash func(*entry) uint64) {
	size := 4
	for size*2 < (t.live+1)*3 {
		size *= 2
	}
	slots := make([]atomic.Pointer[entry], size)
	t.used = 0
	t.all(func(x *entry) { t.put(slots, x, hash(x)) })
	t.slots.Store(&slots)
}

// all visits every element; meanwhile none may be added or removed.
func (t *table) all(visit func(*entry)) {
	p := t.slots.Load()
	if p == nil {
		return
	}
	for i := range *p {
		if x := (*p)[i].Load(); x != nil && x != &vacated {
			visit(x)
		}
	}
}

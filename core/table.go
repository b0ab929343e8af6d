package core

import (
	"hash/maphash"
	"sync/atomic"
)

// table finds entries by a hash of something in them. It is a map that holds no
// keys of its own: 9 bytes a slot, at most 7 of 8 in use. One goroutine at a
// time may change it; any number may look at the same time, without a lock, and
// find each entry that is not just being added or removed.
type table struct {
	slots atomic.Pointer[slots]
	live  int
	used  int // slots that are not empty, those of removed entries included
}

// slots is open addressing with linear probing; the length is a power of two.
type slots struct {
	entries []atomic.Pointer[entry]
	tags    []atomic.Uint32 // four to each: what is in a slot, so that few entries need be asked
}

// The tags; any other are 8 bits of an entry's hash.
const (
	empty   = 0
	vacated = 1
)

func tagOf(hash uint64) uint32 { return max(uint32(hash>>56), vacated+1) }

func (s *slots) tag(i uint64) uint32 { return s.tags[i/4].Load() >> (i % 4 * 8) & 0xff }

func (s *slots) setTag(i uint64, tag uint32) {
	shift := i % 4 * 8
	word := &s.tags[i/4]
	word.Store(word.Load()&^(0xff<<shift) | tag<<shift)
}

var seed = maphash.MakeSeed()

func hashOf(s string) uint64 { return maphash.String(seed, s) }

// find returns the first entry under the hash that is accepted.
func (t *table) find(hash uint64, accept func(*entry) bool) *entry {
	s := t.slots.Load()
	if s == nil {
		return nil
	}
	mask, want := uint64(len(s.entries)-1), tagOf(hash)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch s.tag(i) {
		case empty:
			return nil
		case want:
			if e := s.entries[i].Load(); e != nil && accept(e) {
				return e
			}
		}
	}
}

// add puts e in; hash must say of every entry what it was added under.
func (t *table) add(e *entry, hash func(*entry) uint64) {
	if s := t.slots.Load(); s == nil || (t.used+1)*8 > len(s.entries)*7 {
		t.resize(hash)
	}
	t.put(t.slots.Load(), e, hash(e))
	t.live++
}

func (t *table) put(s *slots, e *entry, hash uint64) {
	mask := uint64(len(s.entries) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch s.tag(i) {
		case empty:
			t.used++
		case vacated:
		default:
			continue
		}
		s.entries[i].Store(e)
		s.setTag(i, tagOf(hash))
		return
	}
}

// remove takes e out if it is in.
func (t *table) remove(e *entry, hash func(*entry) uint64) {
	s := t.slots.Load()
	if s == nil {
		return
	}
	mask := uint64(len(s.entries) - 1)
	for i := hash(e) & mask; s.tag(i) != empty; i = (i + 1) & mask {
		if s.entries[i].Load() != e {
			continue
		}
		s.setTag(i, vacated)
		s.entries[i].Store(nil)
		t.live--
		if t.live == 0 || (len(s.entries) > 64 && t.live*8 < len(s.entries)) {
			t.resize(hash)
		}
		return
	}
}

// resize makes new slots, of which the entries take less than two thirds.
func (t *table) resize(hash func(*entry) uint64) {
	size := 4
	for size*2 < (t.live+1)*3 {
		size *= 2
	}
	s := &slots{entries: make([]atomic.Pointer[entry], size), tags: make([]atomic.Uint32, size/4)}
	t.used = 0
	t.all(func(e *entry) { t.put(s, e, hash(e)) })
	t.slots.Store(s)
}

// all visits every entry; meanwhile none may be added or removed.
func (t *table) all(visit func(*entry)) {
	s := t.slots.Load()
	if s == nil {
		return
	}
	for i := range s.entries {
		if e := s.entries[i].Load(); e != nil {
			visit(e)
		}
	}
}

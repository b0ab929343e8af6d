package core

import (
	"hash/maphash"
	"sync/atomic"
	"unsafe"
)

// table finds things by a hash of something in them. It is a map that holds no
// keys of its own: 9 bytes a slot, at most 7 of 8 in use. One goroutine at a
// time may change it; any number may look at the same time, without a lock, and
// find each thing that is not just being added or removed. P is a pointer: for
// all of these there is one code, while each T would have its own.
type table[P any] struct {
	slots atomic.Pointer[slots]
	live  int
	used  int // slots that are not empty, those of removed things included
}

// slots is open addressing with linear probing; the length is a power of two.
type slots struct {
	things []unsafe.Pointer // atomic
	tags   []atomic.Uint32  // four to each: what is in a slot, so that few things need be asked
}

// The tags; any other are 8 bits of a hash.
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

func (s *slots) thing(i uint64) unsafe.Pointer { return atomic.LoadPointer(&s.things[i]) }

// A thing as the slots have it, and as it is.
func (t *table[P]) in(x P) unsafe.Pointer  { return *(*unsafe.Pointer)(unsafe.Pointer(&x)) }
func (t *table[P]) out(x unsafe.Pointer) P { return *(*P)(unsafe.Pointer(&x)) }

// find returns the first thing under the hash that is accepted.
func (t *table[P]) find(hash uint64, accept func(P) bool) (none P) {
	s := t.slots.Load()
	if s == nil {
		return none
	}
	mask, want := uint64(len(s.things)-1), tagOf(hash)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch s.tag(i) {
		case empty:
			return none
		case want:
			if x := s.thing(i); x != nil && accept(t.out(x)) {
				return t.out(x)
			}
		}
	}
}

// add puts x in; hash must say of everything what it was added under.
func (t *table[P]) add(x P, hash func(P) uint64) {
	if s := t.slots.Load(); s == nil || (t.used+1)*8 > len(s.things)*7 {
		t.resize(hash)
	}
	t.put(t.slots.Load(), x, hash(x))
	t.live++
}

func (t *table[P]) put(s *slots, x P, hash uint64) {
	mask := uint64(len(s.things) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch s.tag(i) {
		case empty:
			t.used++
		case vacated:
		default:
			continue
		}
		atomic.StorePointer(&s.things[i], t.in(x))
		s.setTag(i, tagOf(hash))
		return
	}
}

// remove takes x out if it is in.
func (t *table[P]) remove(x P, hash func(P) uint64) {
	s := t.slots.Load()
	if s == nil {
		return
	}
	mask := uint64(len(s.things) - 1)
	for i := hash(x) & mask; s.tag(i) != empty; i = (i + 1) & mask {
		if s.thing(i) != t.in(x) {
			continue
		}
		s.setTag(i, vacated)
		atomic.StorePointer(&s.things[i], nil)
		t.live--
		if t.live == 0 || (len(s.things) > 64 && t.live*8 < len(s.things)) {
			t.resize(hash)
		}
		return
	}
}

// resize makes new slots, of which less than two thirds are in use.
func (t *table[P]) resize(hash func(P) uint64) {
	size := 4
	for size*2 < (t.live+1)*3 {
		size *= 2
	}
	s := &slots{things: make([]unsafe.Pointer, size), tags: make([]atomic.Uint32, size/4)}
	t.used = 0
	t.all(func(x P) { t.put(s, x, hash(x)) })
	t.slots.Store(s)
}

// all visits everything; meanwhile nothing may be added or removed.
func (t *table[P]) all(visit func(P)) {
	s := t.slots.Load()
	if s == nil {
		return
	}
	for i := range s.things {
		if x := s.thing(uint64(i)); x != nil {
			visit(t.out(x))
		}
	}
}

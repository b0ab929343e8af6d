// SPDX-License-Identifier: MIT

package table

import (
	"hash/maphash"
	"sync/atomic"
)

// Table finds things by a hash of something in them. The zero Table is empty. One
// goroutine at a time may change it. Any number may look at the same time, without
// a lock, and find each thing that is not just being added or removed.
type Table[T any] struct {
	slots atomic.Pointer[slots[T]]
	live  int
	used  int // slots that are not empty, those of removed things included
}

// slots is open addressing with linear probing; the length is a power of two.
type slots[T any] struct {
	things []atomic.Pointer[T]
	tags   []atomic.Uint32 // four to each: what is in a slot, so that few things need be compared
}

// The tags; any other are 8 bits of a hash.
const (
	empty   = 0
	vacated = 1
)

func tagOf(hash uint64) uint32 { return max(uint32(hash>>56), vacated+1) }

func (s *slots[T]) tag(i uint64) uint32 { return s.tags[i/4].Load() >> (i % 4 * 8) & 0xff }

func (s *slots[T]) setTag(i uint64, tag uint32) {
	shift := i % 4 * 8
	word := &s.tags[i/4]
	word.Store(word.Load()&^(0xff<<shift) | tag<<shift)
}

var seed = maphash.MakeSeed()

// Hash is the hash of a string, for Find, Add and Remove.
func Hash(s string) uint64 { return maphash.String(seed, s) }

// Len is how many things are in the table.
func (t *Table[T]) Len() int { return t.live }

// Find returns the first thing under the hash that is accepted, nil if there is none.
func (t *Table[T]) Find(hash uint64, accept func(*T) bool) *T {
	s := t.slots.Load()
	if s == nil {
		return nil
	}
	mask, want := uint64(len(s.things)-1), tagOf(hash)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch s.tag(i) {
		case empty:
			return nil
		case want:
			if x := s.things[i].Load(); x != nil && accept(x) {
				return x
			}
		}
	}
}

// Add puts x in. hash must say of everything what it was added under.
func (t *Table[T]) Add(x *T, hash func(*T) uint64) {
	if s := t.slots.Load(); s == nil || (t.used+1)*8 > len(s.things)*7 {
		t.resize(hash)
	}
	t.put(t.slots.Load(), x, hash(x))
	t.live++
}

func (t *Table[T]) put(s *slots[T], x *T, hash uint64) {
	mask := uint64(len(s.things) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch s.tag(i) {
		case empty:
			t.used++
		case vacated:
		default:
			continue
		}
		s.things[i].Store(x)
		s.setTag(i, tagOf(hash))
		return
	}
}

// Remove takes x out if it is in.
func (t *Table[T]) Remove(x *T, hash func(*T) uint64) {
	s := t.slots.Load()
	if s == nil {
		return
	}
	mask := uint64(len(s.things) - 1)
	for i := hash(x) & mask; s.tag(i) != empty; i = (i + 1) & mask {
		if s.things[i].Load() != x {
			continue
		}
		s.setTag(i, vacated)
		s.things[i].Store(nil)
		t.live--
		if t.live == 0 || (len(s.things) > 64 && t.live*8 < len(s.things)) {
			t.resize(hash)
		}
		return
	}
}

// resize makes new slots, of which less than two thirds are in use.
func (t *Table[T]) resize(hash func(*T) uint64) {
	size := 4
	for size*2 < (t.live+1)*3 {
		size *= 2
	}
	s := &slots[T]{things: make([]atomic.Pointer[T], size), tags: make([]atomic.Uint32, size/4)}
	t.used = 0
	t.All(func(x *T) { t.put(s, x, hash(x)) })
	t.slots.Store(s)
}

// All visits everything. Meanwhile nothing may be added or removed.
func (t *Table[T]) All(visit func(*T)) {
	s := t.slots.Load()
	if s == nil {
		return
	}
	for i := range s.things {
		if x := s.things[i].Load(); x != nil {
			visit(x)
		}
	}
}

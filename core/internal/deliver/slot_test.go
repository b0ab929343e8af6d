// SPDX-License-Identifier: MIT

package deliver

import (
	"sync"
	"testing"
)

// newOwner returns an owner that counts what it is told.
func newOwner() (o *Owner, changed *int) {
	changed = new(int)
	return &Owner{Lock: new(sync.Mutex), Changed: func() { *changed++ }, Contain: func(_ string, run func()) {
		defer func() { _ = recover() }()
		run()
	}}, changed
}

func TestCallbackIsReleasedOnceAfterItsLastCall(t *testing.T) {
	o, changed := newOwner()
	released := 0
	s := NewSlot(o, func() {}, func() { released++ })
	first, second := s.Hold(), s.Hold()
	s.Done() // no longer registered
	first.Done()
	if released != 0 || s.Released() {
		t.Fatal("released while a call is under way")
	}
	second.Done()
	if released != 1 || !s.Released() || *changed != 1 {
		t.Fatalf("released %d times (%v), announced %d times; want once", released, s.Released(), *changed)
	}
}

func TestReleaseFunctionThatPanicsIsContainedAndCountsAsReleased(t *testing.T) {
	o, _ := newOwner()
	s := NewSlot(o, func() {}, func() { panic("boom") })
	s.Done()
	if !s.Released() {
		t.Fatal("not released")
	}
}

func TestReleaseFunctionRunsWithoutTheLock(t *testing.T) {
	o, _ := newOwner()
	free := false
	NewSlot(o, func() {}, func() {
		if free = o.Lock.(*sync.Mutex).TryLock(); free {
			o.Lock.Unlock()
		}
	}).Done()
	if !free {
		t.Fatal("the lock is held")
	}
}

func TestSlotThatIsNotSetCanBeHeldAndGivenBack(t *testing.T) {
	var s *Slot[func()]
	if s.Hold() != nil {
		t.Fatal("nil is held as something")
	}
	s.Done()
}

func TestCallbackWithoutReleaseFunctionIsReleasedToo(t *testing.T) {
	o, _ := newOwner()
	s := NewSlot(o, func() {}, nil)
	s.Done()
	if !s.Released() {
		t.Fatal("not released")
	}
}

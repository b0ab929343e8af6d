// SPDX-License-Identifier: MIT

package deliver

import "sync"

// Owner is what slots need of the object that they belong to.
type Owner struct {
	Lock    sync.Locker                    // over every slot's count
	Contain func(where string, run func()) // runs a release function and contains a panic
	Changed func()                         // a slot was released; called with the lock held
}

// Slot holds a registered callback until the last call that could see it has
// returned, and then runs its release function, once. A nil slot holds none.
type Slot[F any] struct {
	Fn F

	owner    *Owner
	release  func()
	refs     int // the registration, and each call under way
	released bool
}

// NewSlot returns the slot of a registration, which is given back by Done. release may
// be nil.
func NewSlot[F any](o *Owner, fn F, release func()) *Slot[F] {
	return &Slot[F]{Fn: fn, owner: o, release: release, refs: 1}
}

// Hold keeps the callback over a call. The caller holds the owner's lock.
func (s *Slot[F]) Hold() *Slot[F] {
	if s != nil {
		s.refs++
	}
	return s
}

// Done gives back the registration, or what Hold has returned. The caller does not
// hold the owner's lock.
func (s *Slot[F]) Done() {
	if s == nil {
		return
	}
	o := s.owner
	o.Lock.Lock()
	s.refs--
	last := s.refs == 0
	o.Lock.Unlock()
	if !last {
		return
	}
	if s.release != nil {
		o.Contain("a release function", s.release)
	}
	o.Lock.Lock()
	defer o.Lock.Unlock()
	s.released = true
	o.Changed()
}

// Released reports whether the callback can run no more and its release function has
// returned. The caller holds the owner's lock.
func (s *Slot[F]) Released() bool { return s.released }

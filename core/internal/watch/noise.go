// SPDX-License-Identifier: MIT

package watch

import (
	"math"
	"time"
)

// A program that writes logs beside the plugins may cause hundreds of thousands of
// notifications a second. While it does, the source is asked to leave out writes. That a
// writer has closed a file is notified all the same, and for most changes that is enough.
// What only a write says is found by a comparison when writes are asked for again:
// truncate(2), and a writer that does not close the file.

// Sparing is a Source that can leave out writes.
type Sparing interface {
	Source
	// Spare has the directory at path, which is watched with its files, no longer report
	// what is written in them. Nothing else is left out, and no event is lost by it. Add
	// has writes reported again.
	Spare(path string) error
}

// spared is a directory whose writes the source leaves out.
type spared struct {
	until  time.Time
	ending bool // the source was asked to report writes again
}

const (
	// noisyWrites is from how many writes on, within a second, that concern no plugin a
	// directory is noisy, and noisyParts how many times as many plugins make one more
	// necessary: the comparison must cost less than the notifications. A few writes cost little,
	// and while they are left out, who opens a plugin's file for writing counts as its writer.
	noisyWrites = 200
	noisyParts  = 10
	// sparedFor is how long its writes are left out, and sparedForEach how long at least for
	// each plugin in it: a comparison of it takes about a fiftieth of that.
	sparedFor     = time.Second
	sparedForEach = 100 * time.Microsecond
)

// countNoise counts a write in a directory that concerns no plugin.
func (s *Set) countNoise(d *dir, now time.Time) {
	if second := uint32(now.Unix()); d.second != second {
		d.second, d.writes = second, 0
	}
	if d.writes++; d.writes%noisyWrites != 0 || CloseWrite == 0 || d.state != watched || d.needsWrites || s.spared[d] != nil || s.asked[d] != nil {
		return
	}
	plugins := 0
	s.foldersAt(d, func(f *Folder) {
		plugins += f.size()
		f.Leaves(func(l *Leaf) { d.needsWrites = d.needsWrites || l.writes })
	})
	if d.needsWrites || int(d.writes) < noisyWrites+min(plugins/noisyParts, math.MaxUint16-2*noisyWrites) {
		return
	}
	if s.spared == nil {
		s.spared = map[*dir]*spared{}
	}
	sp := &spared{until: now.Add(max(sparedFor, time.Duration(plugins)*sparedForEach))}
	s.spared[d], d.wasSpared = sp, true
	s.orders = append(s.orders, Order{Path: d.path(), Spare: true, dir: d, spared: sp})
}

// SparedUntil is when writes are to be asked for again somewhere; zero: nowhere.
func (s *Set) SparedUntil() (first time.Time) {
	for _, sp := range s.spared {
		if !sp.ending && (first.IsZero() || sp.until.Before(first)) {
			first = sp.until
		}
	}
	return first
}

// EndSparing asks for writes again where they were left out for long enough.
func (s *Set) EndSparing(now time.Time) {
	for d, sp := range s.spared {
		if !sp.ending && !now.Before(sp.until) {
			sp.ending = true
			s.orders = append(s.orders, Order{Path: d.path(), Files: true, dir: d, spared: sp})
		}
	}
}

// answerSpared takes over what the source has answered to an order about writes.
func (s *Set) answerSpared(o *Order, err error) {
	d := o.dir
	if s.spared[d] != o.spared {
		return // the directory is not watched any more, or anew
	}
	switch {
	case o.Spare && err == nil:
		return
	case o.Spare:
		d.needsWrites = true // the source cannot leave them out
	case err != nil:
		s.suspectDir(d)
	default:
		s.foldersAt(d, func(f *Folder) { s.restored = append(s.restored, f) })
	}
	s.forgetSpared(d)
}

func (s *Set) forgetSpared(d *dir) {
	if delete(s.spared, d); len(s.spared) == 0 {
		s.spared = nil
	}
}

// Restored visits the folders whose writes are notified again. What was written in them
// meanwhile was not.
func (s *Set) Restored(visit func(*Folder)) {
	restored := s.restored
	s.restored = nil
	for _, f := range restored {
		if f.refs > 0 {
			visit(f)
		}
	}
}

// NeedsWrites notes that writes must be notified where a leaf's file is, because nothing
// else says that somebody writes the file.
func (s *Set) NeedsWrites(l *Leaf) {
	l.writes = true
	f := s.last(l)
	if f.dir == nil || !f.reached {
		return
	}
	d := s.leader(f.dir)
	if d == nil || d.needsWrites {
		return
	}
	d.needsWrites = true
	if sp := s.spared[d]; sp != nil {
		sp.until = time.Time{}
	}
}

// foldersAt visits the folders that lead to a directory, or to another path of it.
func (s *Set) foldersAt(d *dir, visit func(*Folder)) {
	for _, at := range append([]*dir{d}, s.followers[d.id]...) {
		for f := at.folders; f != nil; f = f.next {
			if f.reached {
				visit(f)
			}
		}
	}
}

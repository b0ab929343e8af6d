// SPDX-License-Identifier: MIT

package watch

import (
	"errors"
	"io/fs"
)

// Order is what a [Set] wants of the source. Carrying it out may block, because the
// source looks its path up: a worker does it, without any lock. All orders go one after
// another, as the set gave them, and each is owed an Answer.
type Order struct {
	Path   string
	Remove bool // Source.Remove; otherwise Source.Add
	Files  bool // for Source.Add
	Spare  bool // Sparing.Spare
	asked  *asked
	dir    *dir    // with spared
	spared *spared // of an order about writes
}

// Do carries the order out.
func (o *Order) Do(src Source) error {
	switch {
	case o.Remove:
		src.Remove(o.Path)
		return nil
	case o.Spare:
		if s, can := src.(Sparing); can {
			return s.Spare(o.Path)
		}
		return errors.ErrUnsupported
	}
	return src.Add(o.Path, o.Files)
}

// asked is what the source was asked to watch: a directory, with the folders that are to
// be walked to when it has answered, or a file.
type asked struct {
	dir     *dir
	waiting []*Folder
	file    *file
}

// mostOrders is how many orders are carried out before their answers are taken over.
const mostOrders = 64

// Orders returns the next orders to be carried out.
func (s *Set) Orders() (next []Order) {
	s.spread()
	n := min(len(s.orders), mostOrders)
	next, s.orders = s.orders[:n:n], s.orders[n:]
	if len(s.orders) == 0 {
		s.orders = nil
	}
	return next
}

// HasOrders reports whether Orders would return any.
func (s *Set) HasOrders() bool {
	s.spread()
	return len(s.orders) > 0
}

// ask has the source watch a directory.
func (s *Set) ask(d *dir) *asked {
	a := &asked{dir: d}
	if before := s.asked[d]; before != nil {
		a.waiting = before.waiting
	}
	s.asked[d] = a
	s.orders = append(s.orders, Order{Path: d.path(), Files: d.files, asked: a})
	return a
}

// withdraw notes that the answer about a directory is of no interest any more. It reports
// whether there was a question.
func (s *Set) withdraw(d *dir) bool {
	a := s.asked[d]
	if a == nil {
		return false
	}
	delete(s.asked, d)
	for _, f := range a.waiting {
		s.markStale(f)
	}
	return true
}

// await has a folder walked to again when the source has answered about the directories
// on the way. It reports whether the source was asked about any.
func (s *Set) await(f *Folder) bool {
	s.chain(f, func(d *dir) {
		if d.state == asking {
			f.awaiting = true
			a := s.asked[d]
			a.waiting = append(a.waiting, f)
		}
	})
	return f.awaiting
}

func (s *Set) isAwaiting(f *Folder) (is bool) {
	s.chain(f, func(d *dir) { is = is || d.state == asking })
	return is
}

// Answer takes over what the source has answered to an order.
func (s *Set) Answer(o *Order, err error) {
	switch {
	case o.Remove:
		return
	case o.spared != nil:
		s.answerSpared(o, err)
		return
	case o.asked.file != nil:
		if f := o.asked.file; f.asked == o.asked {
			s.answerFile(f, err)
		}
		return
	case s.asked[o.asked.dir] != o.asked:
		return // nobody waits for it any more
	}
	d := o.asked.dir
	if delete(s.asked, d); len(s.asked) == 0 {
		s.asked = map[*dir]*asked{} // a map does not shrink
	}
	switch was := d.state; {
	case err == nil:
		s.become(d, watched)
		s.reportWatched("directory", d.path())
	case was.isPolled():
		return // there is no room yet
	default:
		s.orders = append(s.orders, Order{Path: d.path(), Remove: true}) // it may be watched for names already
		if errors.Is(err, fs.ErrNotExist) {
			s.become(d, vanished)
			break
		}
		s.become(d, polled)
		s.reportPolled("directory", d.path(), err.Error())
	}
	for _, f := range o.asked.waiting {
		if !s.isAwaiting(f) {
			f.awaiting = false
			s.markStale(f)
		}
	}
}

// SPDX-License-Identifier: MIT

package watch

// What notifications do not say: files on some file systems may change without any, and a
// watch may be deaf.

func (s *Set) setUnreliable(f *Folder, is bool) {
	if f.unreliable == is {
		return
	}
	if f.unreliable = is; is {
		s.unreliable++
	} else {
		s.unreliable--
	}
}

// CountUnreliable is how many folders, and files that are watched themselves, may change
// without notifications.
func (s *Set) CountUnreliable() int {
	if s.polling {
		return 0
	}
	watched, _ := s.CountFiles()
	return s.unreliable + watched
}

// Unreliable visits the folders, and the leaves at mount points, that may change without
// notifications and are not polled.
func (s *Set) Unreliable(folders func(*Folder), leaves func(*Leaf)) {
	if s.unreliable > 0 {
		for _, f := range s.folders {
			isPolled := false
			s.chain(f, func(d *dir) { isPolled = isPolled || d.state.isPolled() })
			if f.unreliable && !isPolled {
				folders(f)
			}
		}
	}
	for _, f := range s.files {
		if f.state == watched {
			for _, l := range f.leaves {
				leaves(l)
			}
		}
	}
}

// IsStaleMount reports whether a directory on a leaf's path is the mount of one that was
// deleted.
func (s *Set) IsStaleMount(l *Leaf) bool { return l.folder.IsStaleMount || s.last(l).IsStaleMount }

// IsUnreliable reports whether a leaf's file may change without notifications.
func (s *Set) IsUnreliable(l *Leaf) bool { return s.mounted[l] != nil || s.last(l).unreliable }

// Turnover grows whenever watches come or go, or a path may lead elsewhere.
func (s *Set) Turnover() uint64 { return s.turnover }

// IsNotified reports whether each change of a leaf's file is notified, as far as is known.
func (s *Set) IsNotified(l *Leaf) bool {
	if m := s.mounted[l]; m != nil {
		return m.state == watched
	}
	f := s.last(l)
	if f.dir == nil || !f.reached {
		return false
	}
	d := s.leader(f.dir)
	return d != nil && d.state == watched
}

// Distrust notes that a change of a leaf's file was not notified: its watch is asked for
// anew. If that has happened before, what is watched is polled, too. It returns the path
// of that.
func (s *Set) Distrust(l *Leaf) (path string, polling bool) {
	const why = "its notifications do not arrive"
	if m := s.mounted[l]; m != nil {
		path, polling = m.path, s.isMissedAgain(m.path)
		if polling {
			m.state = doubted
			s.reportPolled("file", path, why)
		} else {
			s.renewFile(m, Differs)
		}
		return path, polling
	}
	d := s.leader(s.last(l).dir)
	path = d.path()
	if polling = s.isMissedAgain(path); polling {
		s.become(d, doubted)
		s.reportPolled("directory", path, why)
		return path, polling
	}
	for _, f := range s.folders {
		s.chain(f, func(c *dir) {
			if c == d {
				s.markStale(f)
			}
		})
	}
	s.unwatch(d)
	return path, polling
}

func (s *Set) isMissedAgain(path string) bool {
	again := s.missed[path]
	s.missed[path] = true
	return again
}

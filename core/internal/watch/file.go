// SPDX-License-Identifier: MIT

package watch

import (
	"path/filepath"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// file is a mount point that is a file: docker run -v file:file, Kubernetes' subPath. The
// system notifies of what becomes of it in the directory of the file that was mounted, so
// that it is watched itself. Leaves that end at the same file share it.
type file struct {
	id     fsys.ID
	path   string // what the source knows it by
	leaves []*Leaf
	state  watchState // asking, watched, polled or silent
	asked  *asked
}

// Mounted notes that a leaf ends at a file that is a mount point. fileSystem is the name of
// its file system if that sends no notifications. news says that it was not watched until
// now; when it is, the leaf is noted.
func (s *Set) Mounted(l *Leaf, id fsys.ID, fileSystem string) (news bool) {
	was := s.mounted[l]
	if was != nil && (was.id == id || was.state == silent && fileSystem != "") { // such a file's numbers may drift
		return false
	}
	s.Unmounted(l)
	f := s.files[id]
	if f == nil {
		_, path := s.Whereabouts(l)
		f = &file{id: id, path: filepath.Clean(path)}
		if other := s.filesAt[f.path]; other != nil {
			s.renewFile(other, Differs)
		}
		s.files[id], s.filesAt[f.path] = f, f
		s.watchFile(f, fileSystem)
	}
	f.leaves = append(f.leaves, l)
	s.mounted[l] = f
	return true
}

// Unmounted notes that a leaf does not end at a mount point. It reports whether it did.
func (s *Set) Unmounted(l *Leaf) (did bool) {
	f := s.mounted[l]
	if f == nil {
		return false
	}
	delete(s.mounted, l)
	if f.leaves = without(f.leaves, l); len(f.leaves) == 0 {
		s.dropFile(f)
		delete(s.reported, f.path)
	}
	return true
}

// IsMounted reports whether a leaf is known to end at a mount point.
func (s *Set) IsMounted(l *Leaf) bool { return s.mounted[l] != nil }

// CountFiles is how many files are watched themselves, and how many are polled because
// they cannot be.
func (s *Set) CountFiles() (themselves, polled int) {
	for _, f := range s.files {
		switch {
		case f.state == watched:
			themselves++
		case f.state.isPolled() && !s.polling:
			polled++
		}
	}
	return themselves, polled
}

func (s *Set) watchFile(f *file, fileSystem string) {
	switch {
	case s.polling:
		f.state = polled
	case fileSystem != "":
		f.state = silent
		s.reportPolled("file", f.path, fileSystem+" sends no notifications")
	default:
		f.state = asking
		s.askForFile(f)
	}
}

func (s *Set) askForFile(f *file) {
	f.asked = &asked{file: f}
	s.orders = append(s.orders, Order{Path: f.path, Files: true, asked: f.asked})
}

// answerFile takes over whether a file is watched.
func (s *Set) answerFile(f *file, err error) {
	f.asked = nil
	was := f.state
	switch {
	case err == nil:
		f.state = watched
		s.reportWatched("file", f.path)
	case was == polled:
		return
	default:
		f.state = polled
		s.reportPolled("file", f.path, err.Error())
	}
	s.turnover++
	for _, l := range f.leaves {
		s.Touch(l, Differs) // what happened before the watch was not noticed
	}
}

// dropFile ends the watch of a file.
func (s *Set) dropFile(f *file) {
	if f.asked != nil || f.state == watched || f.state == doubted {
		s.orders = append(s.orders, Order{Path: f.path, Remove: true})
	}
	f.asked = nil
	s.turnover++
	delete(s.files, f.id)
	delete(s.filesAt, f.path)
	for _, l := range f.leaves {
		delete(s.mounted, l)
	}
}

// renewFile forgets that leaves end at a file; the next check of each finds out.
func (s *Set) renewFile(f *file, signs Signs) {
	for _, l := range f.leaves {
		s.Touch(l, signs)
	}
	s.dropFile(f)
}

// noteFile passes a notification about a watched file on.
func (s *Set) noteFile(f *file, signs Signs) {
	if signs&Replaced != 0 {
		s.renewFile(f, signs) // the source has ended the watch
		return
	}
	for _, l := range f.leaves {
		s.Touch(l, signs)
	}
}

// PolledFiles visits the leaves that end at a file that is polled. It asks again for
// watches of those that could not be had.
func (s *Set) PolledFiles(visit func(*Leaf)) {
	if s.polling {
		return
	}
	for _, f := range s.files {
		if !f.state.isPolled() {
			continue
		}
		if f.state == polled && f.asked == nil {
			s.askForFile(f)
		}
		for _, l := range f.leaves {
			visit(l)
		}
	}
}

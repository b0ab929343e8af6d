package core

import (
	"github.com/qtforge/hotreload/core/internal/watch"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// watchSet knows which directories must be watched for which plugins, and whom
// a notification concerns. Watched is the path as a path: for every directory
// and link on the way to a file, the directory that holds its name. Only the
// loop uses it.
//
//	entry ──► places: (folder, name) for its own name and each link it goes through
//	folder: a directory as spelled, shared by all plugins in it ──► its way: steps (watch, name)
//	watch: a real directory, one per inode, shared by all folders
//
// There may be as many of each as there are directories, so that they are small,
// and what leads to them holds no keys of its own.
type watchSet struct {
	src     watch.Source
	disk    fsys.Disk
	polling bool               // poll everything
	folders []*folder          // all that somebody needs
	linked  table[*folder]     // of these, those that links lead to, by path as spelled
	byPath  table[*watchedDir] // by the path given to the source
	byID    table[*watchedDir] // each but the dead
	steps   table[*step]       // by what they look up where
	polled  int                // watches
	noted   []*step            // whose names notifications were about
	shaken  bool               // some way is not what it was
	// neighbour was resolved last, by a way without links and detours; or nil.
	neighbour *folder
	through   map[*entry][]place // the places after the first, of paths that lead through links

	// report is told when a directory begins or ceases to be polled.
	report func(code HealthCode, dir, why string)
	// stale is told of a folder that must be resolved again, leaf of an entry
	// whose file may have changed, and why; both only take note.
	stale func(*folder)
	leaf  func(*entry, signs)
}

// signs are what notifications said about a name.
type signs uint8

const (
	replaced   signs = 1 << iota // it appeared or went
	written                      // its content was written
	closed                       // somebody who held it open for writing closed it
	attributes                   // nothing but its attributes changed

	// No signs: in an entry's state, that the loop has taken it up, and that it
	// has its place in the watch set.
	watching
	placed
	untold // that the version which Enable saw is to be told too
	unseen // that its first look is still to come

	noSigns = watching | placed | untold | unseen
)

// place is a name in a folder that an entry's path goes through: its own, and
// one more for every link that stands there.
type place struct {
	f    *folder
	name string
}

func newWatchSet(src watch.Source, d fsys.Disk, polling bool) *watchSet {
	return &watchSet{src: src, disk: d, polling: polling, through: map[*entry][]place{}}
}

// place gives an entry its own place, so that notifications find it. It reports
// whether its directory was not watched yet.
func (s *watchSet) place(e *entry) (fresh bool) {
	if e.state&placed != 0 {
		return false
	}
	fresh = e.folder.refs == 0
	s.hold(e.folder)
	e.folder.addLeaf(e)
	e.state |= placed
	return fresh
}

// link follows the entry's path through its links, takes the places that it
// goes through now in exchange for the former ones, and returns what stands at
// the end.
func (s *watchSet) link(e *entry) (in fsys.Info) {
	s.place(e)
	f, name := e.folder, e.name()
	was := s.through[e]
	var now []place
	for range fsys.MaxLinks - 1 {
		if f.real == nil {
			break
		}
		var target string
		if in, target = s.linkAt(f, name); target == "" {
			break
		}
		var dir string
		dir, name = fsys.SplitPath(fsys.ResolveLink(f.path(), target))
		f = s.linkedFolder(f, dir)
		if len(now) < len(was) && was[len(now)] == (place{f, name}) {
			f.refs--
		} else {
			f.pass(fsys.NameKey(name), e)
		}
		now = append(now, place{f, name})
	}
	for i, p := range was {
		if i >= len(now) || now[i] != p {
			s.leave(p, e)
		}
	}
	if now != nil {
		s.through[e] = now
	} else if was != nil {
		delete(s.through, e)
	}
	return in
}

// remove ends the watching of an entry's path, which link began.
func (s *watchSet) remove(e *entry) {
	for _, p := range s.through[e] {
		s.leave(p, e)
	}
	delete(s.through, e)
	e.folder.removeLeaf(e)
	e.state &^= placed
	s.releaseFolder(e.folder)
}

// remote reports whether the entry's file lies on a file system that sends no
// notifications.
func (s *watchSet) remote(e *entry) bool {
	f := e.folder
	if places := s.through[e]; places != nil {
		f = places[len(places)-1].f
	}
	return f.real != nil && f.real.remote
}

// linkAt says what stands at a name in a folder, and where it leads if it is a
// link.
func (s *watchSet) linkAt(f *folder, name string) (in fsys.Info, target string) {
	path := fsys.JoinPath(f.path(), name)
	in, err := s.disk.Lstat(path)
	if err != nil {
		return fsys.Info{}, ""
	}
	if in.Kind == fsys.Link {
		target, _ = s.disk.Readlink(path)
	}
	return in, target
}

func (s *watchSet) leave(p place, e *entry) {
	passing, name := p.f.more.passing, fsys.NameKey(p.name)
	if rest := without(passing[name], e); len(rest) > 0 {
		passing[name] = rest
	} else {
		delete(passing, name)
	}
	s.releaseFolder(p.f)
}

// linkedFolder returns the folder to which a link in another one leads, with one
// more reference.
func (s *watchSet) linkedFolder(from *folder, dir string) *folder {
	f := from
	if dir != from.dir() {
		f = s.linked.find(hashOf(dir), func(f *folder) bool { return f.dir() == dir })
	}
	if f == nil {
		f = newFolder(dir, len(dir), 0)
		s.linked.add(f, dirHash)
	}
	s.hold(f)
	return f
}

func dirHash(f *folder) uint64 { return hashOf(f.dir()) }

// hold takes one more reference on a folder, which the first one has resolved.
func (s *watchSet) hold(f *folder) {
	if f.refs++; f.refs == 1 {
		f.index = uint32(len(s.folders))
		s.folders = append(s.folders, f)
		if !s.beside(f) {
			s.resolve(f)
		}
	}
}

func (s *watchSet) releaseFolder(f *folder) {
	if f.refs--; f.refs > 0 {
		return
	}
	last := len(s.folders) - 1
	s.folders[f.index] = s.folders[last]
	s.folders[f.index].index = f.index
	s.folders[last] = nil
	s.folders = s.folders[:last]
	s.linked.remove(f, dirHash)
	if s.neighbour == f {
		s.neighbour = nil
	}
	way, real := f.leave()
	s.drop(way, real)
}

// hint passes on to leaf whom a notification about path concerns, and notes
// whose way it does.
func (s *watchSet) hint(path string, why signs) {
	if why&replaced != 0 {
		if w := s.watchAt(path); w != nil {
			s.lost(w)
		}
	}
	dir, name := fsys.SplitPath(path)
	w := s.watchAt(dir)
	if w == nil {
		return
	}
	name = fsys.NameKey(name)
	hash := hashOf(name)
	if why&(replaced|attributes) != 0 {
		s.steps.find(w.hashWith(hash), func(st *step) bool {
			if st.w == w && st.name() == name {
				s.note(st, why)
			}
			return false // there may be more
		})
	}
	for f := w.here; f != nil; f = f.here {
		f.findLeaves(name, hash, func(e *entry) { s.leaf(e, why) })
		if f.more != nil {
			for _, e := range f.more.passing[name] {
				s.leaf(e, why)
			}
		}
	}
}

func without[T comparable](s []T, x T) []T {
	for i, y := range s {
		if y == x {
			s[i] = s[len(s)-1]
			return s[:len(s)-1]
		}
	}
	return s
}

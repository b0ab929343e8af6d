// SPDX-License-Identifier: MIT

package watch

import (
	"hash/maphash"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/table"
)

// dir is a directory that some path goes through. The dirs are a tree: each is
// known by its path without links.
type dir struct {
	parent  *dir    // nil for a root
	name    string  // of a root its whole path
	id      fsys.ID // what stood there at the last walk
	folders *Folder // the first of those that lead here; Folder.next has the others
	number  uint32  // for the hash of its children
	refs    uint32  // of folders, of lookups in it, and of its children
	state   watchState
	files   bool // what is written in it matters, not only names
	suspect bool // another directory may stand there: see Set.spread
	folds   bool // names that differ in case only are one name there

	second      uint32 // when writes were counted last, in seconds
	writes      uint16 // in that second, that concerned no leaf
	needsWrites bool   // writes in it must be notified
	wasSpared   bool   // they were left out
}

// watchState is how a dir is watched.
type watchState uint8

const (
	unwatched watchState = iota
	asking               // the source was asked to watch it, and has not answered
	watched              // by the source
	follower             // the same directory at another path is: a bind mount
	polled               // it cannot be watched
	silent               // its file system sends no notifications, so that it is polled
	vanished             // it was gone when it was to be watched: polled until the next notification
	doubted              // it is watched, but notifications did not arrive: polled, too
)

func (d *dir) path() string {
	if d.parent == nil {
		return d.name
	}
	return fsys.JoinPath(d.parent.path(), d.name)
}

// isAt reports whether d's path is this one, in this spelling.
func (d *dir) isAt(path string) bool {
	for ; d.parent != nil; d = d.parent {
		parent, name := fsys.SplitPath(path)
		if name != d.name {
			return false
		}
		path = parent
	}
	return path == d.name
}

// below reports whether d is e or in it.
func (d *dir) below(e *dir) bool {
	for ; d != nil; d = d.parent {
		if d == e {
			return true
		}
	}
	return false
}

func (state watchState) isPolled() bool {
	return state == polled || state == silent || state == vanished || state == doubted
}

var idSeed = maphash.MakeSeed()

func hashOfID(id fsys.ID) uint64 { return maphash.Comparable(idSeed, id) }

func idHash(d *dir) uint64 { return hashOfID(d.id) }

func childHash(parent *dir, key string) uint64 {
	h := table.Hash(key)
	if parent != nil {
		h ^= uint64(parent.number) * 0x9e3779b97f4a7c15
	}
	return h
}

func dirHash(d *dir) uint64 { return childHash(d.parent, fsys.NameKey(d.name)) }

// child returns what is known of a name in a directory (nil: of a root).
func (s *Set) child(parent *dir, name string) *dir {
	key := fsys.NameKey(name)
	return s.dirs.Find(childHash(parent, key), func(d *dir) bool {
		return d.parent == parent && fsys.NameKey(d.name) == key
	})
}

// dirAt returns the dir of a path without links, nil if none is known.
func (s *Set) dirAt(path string) *dir {
	root, rest := fsys.SplitRoot(path)
	d := s.child(nil, root)
	for d != nil {
		var name string
		if name, rest = fsys.NextName(rest); name == "" {
			break
		}
		d = s.child(d, name)
	}
	return d
}

// acquire returns the dir at a path, where a walk has just found a directory with
// this id, with one more reference. A watch of it is asked for, or it is polled; fresh
// says that neither was so before.
func (s *Set) acquire(path string, id fsys.ID, fileSystem string, files bool) (d *dir, fresh bool) {
	if d = s.dirAt(path); d == nil {
		d = s.newDir(path)
	}
	d.refs++
	if d.state == silent && fileSystem != "" && d.id != id && s.followers[d.id] == nil && s.watchOf(id) == nil {
		s.byID.Remove(d, idHash) // FUSE and network file systems give a directory other numbers now and then
		d.id = id
		s.byID.Add(d, idHash)
	}
	if d.state != unwatched && d.id != id {
		s.suspectDir(d) // another directory stands there, unheard of
		s.unwatch(d)
	}
	d.id = id
	switch {
	case d.state == unwatched:
		d.files = files
		s.watch(d, fileSystem)
		return d, true
	case files && !d.files:
		d.files = true
		s.widen(s.leader(d))
	}
	return d, false
}

// newDir makes the dir of a path, and those above it.
func (s *Set) newDir(path string) *dir {
	parentPath, name := fsys.SplitPath(path)
	var parent *dir
	if name == "" {
		name = path
	} else {
		if parent = s.dirAt(parentPath); parent == nil {
			parent = s.newDir(parentPath)
		}
		parent.refs++
	}
	s.number++
	d := &dir{parent: parent, name: name, number: s.number}
	s.dirs.Add(d, dirHash)
	return d
}

// release gives a reference back.
func (s *Set) release(d *dir) {
	for d != nil {
		if d.refs--; d.refs > 0 {
			return
		}
		s.unwatch(d)
		if len(s.reported) > 0 {
			delete(s.reported, d.path())
		}
		s.dirs.Remove(d, dirHash)
		d = d.parent
	}
}

// watch asks for a watch of d, or else marks it for polling. fileSystem is the
// name of d's file system if that sends no notifications.
func (s *Set) watch(d *dir, fileSystem string) {
	if leader := s.watchOf(d.id); leader != nil {
		s.become(d, follower)
		s.followers[d.id] = append(s.followers[d.id], d)
		if d.files && !leader.files {
			s.widen(leader)
		}
		return
	}
	s.byID.Add(d, idHash)
	switch {
	case fileSystem != "":
		s.become(d, silent)
		if !s.polling {
			s.reportPolled("directory", d.path(), fileSystem+" sends no notifications")
		}
	case s.polling:
		s.become(d, polled)
	default:
		s.become(d, asking)
		s.ask(d)
	}
}

// become changes how a dir is watched, and counts.
func (s *Set) become(d *dir, state watchState) {
	count := func(n int) {
		switch {
		case d.state.isPolled():
			s.polled += n
		case d.state == asking:
			s.asking += n
		}
	}
	s.turnover++
	count(-1)
	d.state = state
	count(1)
}

// watchOf returns the dir with this id that is watched or polled.
func (s *Set) watchOf(id fsys.ID) *dir {
	return s.byID.Find(hashOfID(id), func(d *dir) bool { return d.id == id })
}

// leader is the dir that is watched or polled on behalf of d.
func (s *Set) leader(d *dir) *dir {
	if d.state == follower {
		return s.watchOf(d.id)
	}
	return d
}

// widen has the source report what is written in a directory, too.
func (s *Set) widen(d *dir) {
	d.files = true
	if d.state == watched || d.state == asking {
		s.become(d, asking)
		s.ask(d)
	}
}

// unwatch ends what watch began.
func (s *Set) unwatch(d *dir) {
	was := d.state
	s.become(d, unwatched)
	switch {
	case was == unwatched:
		return
	case was == follower:
		if rest := without(s.followers[d.id], d); len(rest) > 0 {
			s.followers[d.id] = rest
		} else {
			delete(s.followers, d.id)
		}
		return
	}
	if s.withdraw(d) || was == watched || was == doubted {
		s.orders = append(s.orders, Order{Path: d.path(), Remove: true})
	}
	s.forgetSpared(d)
	s.byID.Remove(d, idHash)
	for _, f := range s.followers[d.id] {
		s.become(f, unwatched) // until its folders are walked to again
		s.suspectDir(f)
	}
	delete(s.followers, d.id)
}

// suspectDir notes that another directory may stand at d, which is found out when
// its folders are walked to again.
func (s *Set) suspectDir(d *dir) {
	d.suspect, s.shaken = true, true
}

// spread acts on what was noted since the last time. Of every suspect directory, and
// of those in it, the watch is asked for anew, and the folders there are walked to
// again.
func (s *Set) spread() {
	defer func() { s.renewing = false }()
	for s.shaken {
		s.shaken = false
		for _, f := range s.folders {
			if f.isSuspect() {
				if !s.renewing {
					f.news = Moved
				}
				s.markStale(f)
			}
		}
		var renewed []*dir
		s.dirs.All(func(d *dir) {
			if d.isSuspect() {
				renewed = append(renewed, d)
			}
		})
		for _, d := range renewed {
			d.suspect = false
		}
		for _, d := range renewed {
			s.unwatch(d)
		}
	}
}

func (d *dir) isSuspect() bool {
	for ; d != nil; d = d.parent {
		if d.suspect {
			return true
		}
	}
	return false
}

package core

import (
	"errors"
	"hash/maphash"
	"io/fs"
	"slices"
	"strings"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// watchedDir is one real directory.
type watchedDir struct {
	path   string
	id     fsys.ID
	here   *folder // the first of those that are this directory
	refs   uint32
	polled polled
	remote bool // its file system sends no notifications
	files  bool // what is written in it matters, not only names: it is no mere step
	dead   bool // the directory has left its path; the source has dropped it
}

// polled is whether a directory is polled instead of watched.
type polled uint8

const (
	not polled = iota
	yes
	fleetingly // it was gone when it was to be watched: a notification will follow
)

func hashOfFile(id fsys.ID) uint64 { return maphash.Comparable(seed, id) }

func idHash(w *watchedDir) uint64   { return hashOfFile(w.id) }
func pathHash(w *watchedDir) uint64 { return hashOf(w.path) }

// hashWith is that of a name in the directory.
func (w *watchedDir) hashWith(name uint64) uint64 { return name ^ w.id.Inode*0x9e3779b97f4a7c15 }

// watchAt returns the watch that the source knows by path.
func (s *watchSet) watchAt(path string) *watchedDir {
	return s.byPath.find(hashOf(path), func(w *watchedDir) bool { return w.path == path })
}

// acquire returns the watch on the real directory at path with one more
// reference, nil if there is no directory. files: it is where plugins are. in is
// what was just seen there, if anything was.
func (s *watchSet) acquire(path string, files bool, in fsys.Info) *watchedDir {
	if in.Kind == fsys.Missing {
		in, _ = s.disk.Lstat(path)
	}
	if in.Kind != fsys.Directory {
		return nil
	}
	id := in.ID()
	if w := s.byID.find(hashOfFile(id), func(w *watchedDir) bool { return w.id == id }); w != nil {
		w.refs++
		if files && !w.files {
			w.files = true
			if w.polled == not {
				s.begin(w)
			}
		}
		return w
	}
	if w := s.watchAt(path); w != nil {
		s.lost(w) // another directory stood here
	}
	w := &watchedDir{path: path, id: id, refs: 1, files: files}
	s.byPath.add(w, pathHash)
	s.byID.add(w, idHash)
	s.begin(w)
	return w
}

// begin has the source watch w, or else marks it for polling.
func (s *watchSet) begin(w *watchedDir) {
	why := ""
	switch {
	case s.polling:
		why = "polling was asked for"
		w.remote = s.disk.Silent(w.path) != ""
	default:
		if kind := s.disk.Silent(w.path); kind != "" {
			why, w.remote = kind+" sends no notifications", true
		} else if err := s.src.Add(w.path, w.files); err != nil {
			s.src.Remove(w.path) // it may be watched as a step already
			why = err.Error()
			if errors.Is(err, fs.ErrNotExist) { // gone since lstat
				w.polled = fleetingly
			}
		}
	}
	if why == "" {
		return
	}
	s.polled++
	if w.polled != fleetingly {
		w.polled = yes
		if !s.polling {
			s.report(HealthPolling, w.path, why)
		}
	}
}

// retry tries again to watch what had to be polled for want of room.
func (s *watchSet) retry() {
	s.byID.all(func(w *watchedDir) {
		if w.polled == not || s.polling || w.remote || s.src.Add(w.path, w.files) != nil {
			return
		}
		if w.polled == yes {
			s.report(HealthWatching, w.path, "")
		}
		w.polled = not
		s.polled--
	})
}

// renew asks the source for every watch anew: the source may have lost some,
// and with them the notification about that. An inode number proves nothing: a
// directory that is made anew may get that of the former one. Parents come first,
// so that they report what becomes of the directories in them from then on.
func (s *watchSet) renew() {
	var all []*watchedDir
	s.byID.all(func(w *watchedDir) {
		if w.polled == not {
			all = append(all, w)
		}
	})
	slices.SortFunc(all, func(a, b *watchedDir) int { return strings.Compare(a.path, b.path) })
	for _, w := range all {
		in, err := s.disk.Lstat(w.path)
		if err != nil || in.Kind != fsys.Directory || in.ID() != w.id || s.src.Add(w.path, w.files) != nil {
			s.lost(w)
		}
	}
}

func (s *watchSet) release(w *watchedDir) {
	if w.refs--; w.refs == 0 {
		s.bury(w)
	}
}

// bury takes w out of the tables: nobody needs it, or its directory has left
// its path. Folders that still hold it find another when they are resolved.
func (s *watchSet) bury(w *watchedDir) {
	if w.dead {
		return
	}
	w.dead = true
	if w.polled == not {
		s.src.Remove(w.path)
	} else {
		w.polled = not
		s.polled--
	}
	s.byPath.remove(w, pathHash)
	s.byID.remove(w, idHash)
}

// lost buries a watch whose directory may have left its path, in which case the
// source has dropped it, and has its users look for what is there now.
func (s *watchSet) lost(w *watchedDir) {
	s.bury(w)
	s.shaken = true
}

package core

import (
	"path/filepath"
	"unsafe"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// step is one name on the way to folders. Those whose ways begin in the same
// manner share these steps.
type step struct {
	w       *watchedDir
	prev    *step
	text    *byte  // name
	textLen uint16 // of it
	noted   signs  // said of the name since the last spread
	refs    uint32 // of folders whose way ends here, and of next steps
}

// name is what is looked up, as nameKey has it.
func (st *step) name() string { return unsafe.String(st.text, st.textLen) }

func stepHash(st *step) uint64 { return st.w.hashWith(hashOf(st.name())) }

// resolve walks from the root to the folder, watching each directory before it
// looks a name up in it, so that no change after the look goes unseen. It
// reports whether the folder is another directory than before, or has come
// within or out of reach.
func (s *watchSet) resolve(f *folder) (changed bool) {
	var way *step
	cur, todo := fsys.SplitRoot(f.dir())
	var seen fsys.Info // of cur, if it was looked at just now
	links, clean, ok := 0, true, true
	for ok {
		var name string
		if name, todo = fsys.NextName(todo); name == "" {
			break
		}
		if name == ".." {
			cur, seen, clean = filepath.Dir(cur), fsys.Info{}, false
			continue
		}
		w := s.acquire(cur, false, seen)
		if w == nil {
			ok = false
			break
		}
		way = s.extend(way, w, fsys.NameKey(name))
		next := fsys.JoinPath(cur, name)
		in, err := s.disk.Lstat(next)
		seen = fsys.Info{}
		switch {
		case err != nil:
			ok = false
		case in.Kind == fsys.Directory:
			cur, seen = f.spelt(next), in
		case in.Kind == fsys.Link:
			target, err := s.disk.Readlink(next)
			if links++; err != nil || target == "" || links > fsys.MaxLinks {
				ok = false
				break
			}
			rest := todo
			cur, todo = fsys.SplitRoot(fsys.ResolveLink(cur, target))
			todo += string(filepath.Separator) + rest
		default:
			ok = false
		}
	}
	oldWay, oldReal := f.leave()
	f.way = way
	if ok {
		f.enter(s.acquire(cur, true, seen), cur)
	}
	s.neighbour = nil
	if ok && clean && links == 0 && cur == f.dir() {
		s.neighbour = f
	}
	s.drop(oldWay, oldReal)
	for st := way; st != nil; st = st.prev {
		if st.w.dead {
			s.stale(f) // it left its path during the walk
			break
		}
	}
	return f.real != oldReal
}

// beside resolves a folder that stands beside the one resolved before, on whose
// way nothing has happened that was heard of: that way is watched already, and
// what is yet to be heard of it concerns both. It reports whether it could.
func (s *watchSet) beside(f *folder) bool {
	if s.neighbour == nil || s.polled > 0 || s.shaken {
		return false
	}
	st, dir := s.neighbour.way, f.dir()
	known, _ := fsys.SplitPath(s.neighbour.dir())
	parent, name := fsys.SplitPath(dir)
	if st == nil || parent != known || name == "" || name == "." || name == ".." {
		return false
	}
	in, err := s.disk.Lstat(dir)
	if err != nil || in.Kind != fsys.Directory {
		return false
	}
	st.w.refs++
	if st.prev != nil {
		st.prev.refs++
	}
	f.way = s.extend(st.prev, st.w, fsys.NameKey(name))
	f.enter(s.acquire(dir, true, in), dir)
	s.neighbour = f
	return true
}

// enter makes w the folder's real directory, to which path leads without links.
func (f *folder) enter(w *watchedDir, path string) {
	if f.real = w; w == nil {
		return
	}
	f.here, w.here = w.here, f
	if w.path != path {
		f.rare().path = path
	} else if f.more != nil {
		f.more.path = ""
	}
}

// leave takes the folder off its way and returns what it held.
func (f *folder) leave() (*step, *watchedDir) {
	way, real := f.way, f.real
	if real != nil {
		at := &real.here
		for *at != f {
			at = &(*at).here
		}
		*at = f.here
	}
	f.way, f.real, f.here = nil, nil, nil
	return way, real
}

// extend returns the way that goes on from prev by looking name up in w. It takes
// over the references on both.
func (s *watchSet) extend(prev *step, w *watchedDir, name string) *step {
	st := s.steps.find(w.hashWith(hashOf(name)), func(st *step) bool {
		return st.w == w && st.prev == prev && st.name() == name
	})
	if st == nil {
		st = &step{w: w, prev: prev, text: unsafe.StringData(name), textLen: uint16(len(name)), refs: 1}
		s.steps.add(st, stepHash)
		return st
	}
	st.refs++
	s.release(w)
	if prev != nil {
		prev.refs-- // st has one already, so that it is not the last
	}
	return st
}

// drop gives back what a folder held.
func (s *watchSet) drop(way *step, real *watchedDir) {
	for st := way; st != nil; st = st.prev {
		if st.refs--; st.refs > 0 {
			break
		}
		s.steps.remove(st, stepHash)
		s.release(st.w)
	}
	if real != nil {
		s.release(real)
	}
}

// note takes down what was said of a step's name.
func (s *watchSet) note(st *step, why signs) {
	if st.noted == 0 {
		s.noted = append(s.noted, st)
	}
	st.noted |= why
	s.shaken = true
}

// spread passes on to stale the folders whose way is not what it was. It asks
// them all, once for everything noted since the last time.
func (s *watchSet) spread() {
	if !s.shaken {
		return
	}
	s.shaken, s.neighbour = false, nil
	for _, f := range s.folders {
		if f.shaken() {
			s.stale(f)
		}
	}
	for i, st := range s.noted {
		st.noted, s.noted[i] = 0, nil
	}
	s.noted = s.noted[:0]
}

// shaken reports whether the folder may be elsewhere than it was, or within reach.
func (f *folder) shaken() bool {
	for st := f.way; st != nil; st = st.prev {
		if st.w.dead || st.noted&replaced != 0 || st.noted != 0 && f.real == nil {
			return true
		}
	}
	return f.real != nil && f.real.dead
}

// polled reports whether a directory on the folder's way is polled, or itself.
func (f *folder) polled() bool {
	for st := f.way; st != nil; st = st.prev {
		if st.w.polled != not {
			return true
		}
	}
	return f.real != nil && f.real.polled != not
}

package core

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"unsafe"
)

// watchSet knows which directories must be watched for which plugins, and whom
// a notification concerns. Watched is the path as a path: for every directory
// and link on the way to a file, the directory that holds its name. Only the
// loop uses it.
//
//	entry ──► places: (folder, name) for its own name and each link it goes through
//	folder: a directory as spelled, shared by all plugins in it ──► its way: steps (watch, name)
//	watch: a real directory, one per inode, shared by all folders
type watchSet struct {
	src     Source
	disk    disk
	polling bool               // poll everything
	folders map[string]*folder // by path as spelled
	byPath  map[string]*watch  // by the path given to the source
	byID    map[fileID]*watch
	polled  map[*watch]bool
	path    pathBuffer
	through map[*entry][]place // the places after the first, of paths that lead through links

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
	// has its places in the watch set.
	watching
	placed
	untold // that the version which Enable saw is to be told too

	noSigns = watching | placed | untold
)

type fileID struct{ dev, ino uint64 }

func (in *fileInfo) id() fileID { return fileID{in.fp.dev, in.fp.ino} }

// watch is one real directory.
type watch struct {
	path     string
	id       fileID
	refs     int
	why      string // why it is polled; "" if it is watched
	fleeting bool
	remote   bool // its file system sends no notifications
	files    bool // what is written in it matters, not only names: it is no mere step
	dead     bool // the directory has left its path; the source has dropped it
	names    map[string][]*step
	here     []*folder // folders that are this directory
}

// folder is a directory as it was spelled, links and all.
type folder struct {
	spelled string
	refs    int
	real    *watch              // nil while it cannot be reached
	path    string              // the way to real without links
	way     *step               // the last step to it
	leaves  table               // entries that were registered here, by nameKey
	passing map[string][]*entry // entries whose path comes here through a link
	stale   bool                // noted as such by the loop
}

// step is one name on the way to folders. Those whose ways begin in the same
// manner share these steps.
type step struct {
	w    *watch
	name string // as nameKey has it
	prev *step
	next []*step
	ends []*folder // whose way ends with this step
	refs int       // of ends and next
}

// place is a name in a folder that an entry's path goes through: its own, and
// one more for every link that stands there.
type place struct {
	f    *folder
	name string
}

const maxLinks = 40 // as the Linux kernel has it

func newWatchSet(src Source, d disk, polling bool) *watchSet {
	return &watchSet{src: src, disk: d, polling: polling,
		folders: map[string]*folder{}, byPath: map[string]*watch{}, byID: map[fileID]*watch{}, polled: map[*watch]bool{},
		through: map[*entry][]place{}}
}

// remove ends the watching of an entry's path, which link began.
func (s *watchSet) remove(e *entry) {
	for _, p := range s.through[e] {
		s.leave(p, e)
	}
	delete(s.through, e)
	f := e.origin.folder
	f.leaves.remove(e, leafHash)
	e.state &^= placed
	s.releaseFolder(f)
}

func leafHash(e *entry) uint64 { return hashOf(nameKey(e.name())) }

// link follows the entry's path through its links, takes the places that it
// goes through now in exchange for the former ones, and returns what stands at
// the end.
func (s *watchSet) link(e *entry) (in fileInfo) {
	f, name := s.folder(e.origin.dir), e.name()
	if e.state&placed != 0 {
		f.refs-- // folder counted it again
	} else {
		e.origin.folder = f
		f.leaves.add(e, leafHash)
		e.state |= placed
	}
	was := s.through[e]
	var now []place
	for range maxLinks - 1 {
		if f.real == nil {
			break
		}
		var target string
		if in, target = s.linkAt(f, name); target == "" {
			break
		}
		var dir string
		dir, name = splitPath(resolveLink(f.path, target))
		f = s.folder(dir)
		if len(now) < len(was) && was[len(now)] == (place{f, name}) {
			f.refs--
		} else {
			f.pass(nameKey(name), e)
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

// remote reports whether the entry's file lies on a file system that sends no
// notifications.
func (s *watchSet) remote(e *entry) bool {
	f := e.origin.folder
	if places := s.through[e]; places != nil {
		f = places[len(places)-1].f
	}
	return f.real != nil && f.real.remote
}

// linkAt says what stands at a name in a folder, and where it leads if it is a
// link.
func (s *watchSet) linkAt(f *folder, name string) (in fileInfo, target string) {
	path := s.path.join(f.path, name)
	in, err := s.disk.lstat(path)
	if err != nil {
		return fileInfo{}, ""
	}
	if in.kind == kindLink {
		target, _ = s.disk.readlink(path)
	}
	return in, target
}

func (s *watchSet) leave(p place, e *entry) {
	name := nameKey(p.name)
	if rest := without(p.f.passing[name], e); len(rest) > 0 {
		p.f.passing[name] = rest
	} else {
		delete(p.f.passing, name)
	}
	s.releaseFolder(p.f)
}

func (f *folder) pass(key string, e *entry) {
	if f.passing == nil {
		f.passing = map[string][]*entry{}
	}
	f.passing[key] = append(f.passing[key], e)
}

// folder returns the folder spelled so, with one more reference.
func (s *watchSet) folder(spelled string) *folder {
	f := s.folders[spelled]
	if f == nil {
		f = &folder{spelled: spelled}
		s.folders[spelled] = f
		s.resolve(f)
	}
	f.refs++
	return f
}

func (s *watchSet) releaseFolder(f *folder) {
	if f.refs--; f.refs > 0 {
		return
	}
	delete(s.folders, f.spelled)
	s.drop(f, f.way, f.real)
	f.way, f.real = nil, nil
}

// resolve walks from the root to the folder, watching each directory before it
// looks a name up in it, so that no change after the look goes unseen. It
// reports whether the folder is another directory than before, or has come
// within or out of reach.
func (s *watchSet) resolve(f *folder) (changed bool) {
	oldWay, oldReal := f.way, f.real
	var way *step
	root, todo := splitRoot(f.spelled)
	cur, ok := root, true
	links := 0
	for len(todo) > 0 && ok {
		name := todo[0]
		todo = todo[1:]
		if name == ".." {
			cur = filepath.Dir(cur)
			continue
		}
		w := s.acquire(cur, false)
		if w == nil {
			ok = false
			break
		}
		way = s.extend(way, w, nameKey(name))
		next := s.path.join(cur, name)
		in, err := s.disk.lstat(next)
		switch {
		case err != nil:
			ok = false
		case in.kind == kindDir:
			cur = f.spelt(next)
		case in.kind == kindLink:
			target, err := s.disk.readlink(next)
			if links++; err != nil || target == "" || links > maxLinks {
				ok = false
				break
			}
			var parts []string
			cur, parts = splitRoot(resolveLink(cur, target))
			todo = append(parts, todo...)
		default:
			ok = false
		}
	}
	f.way, f.real = way, nil
	if way != nil {
		way.ends = append(way.ends, f)
	}
	if ok {
		if f.real, f.path = s.acquire(cur, true), cur; f.real != nil {
			f.real.here = append(f.real.here, f)
		}
	}
	s.drop(f, oldWay, oldReal)
	for st := way; st != nil; st = st.prev {
		if st.w.dead {
			s.stale(f) // it left its path during the walk
			break
		}
	}
	return f.real != oldReal
}

// spelt returns a copy of the path, which is a part of the folder's own spelling
// where no links lead elsewhere.
func (f *folder) spelt(path string) string {
	if strings.HasPrefix(f.spelled, path) {
		return f.spelled[:len(path)]
	}
	return strings.Clone(path)
}

// extend returns the way that goes on from prev by looking name up in w. It takes
// over the references on both.
func (s *watchSet) extend(prev *step, w *watch, name string) *step {
	for _, st := range w.names[name] {
		if st.prev == prev {
			st.refs++
			s.release(w)
			if prev != nil {
				prev.refs-- // st has one already, so that it is not the last
			}
			return st
		}
	}
	st := &step{w: w, name: name, prev: prev, refs: 1}
	if w.names == nil {
		w.names = map[string][]*step{}
	}
	w.names[name] = append(w.names[name], st)
	if prev != nil {
		prev.next = append(prev.next, st)
	}
	return st
}

// drop gives back what a folder held.
func (s *watchSet) drop(f *folder, way *step, real *watch) {
	if way != nil {
		way.ends = without(way.ends, f)
	}
	for st := way; st != nil; {
		prev := st.prev
		if st.refs--; st.refs > 0 {
			break
		}
		if rest := without(st.w.names[st.name], st); len(rest) > 0 {
			st.w.names[st.name] = rest
		} else {
			delete(st.w.names, st.name)
		}
		if prev != nil {
			prev.next = without(prev.next, st)
		}
		s.release(st.w)
		st = prev
	}
	if real != nil {
		real.here = without(real.here, f)
		s.release(real)
	}
}

// folders visits those whose way leads through the step.
func (st *step) folders(visit func(*folder)) {
	for _, f := range st.ends {
		visit(f)
	}
	for _, next := range st.next {
		next.folders(visit)
	}
}

// acquire returns the watch on the real directory at path with one more
// reference, nil if there is no directory. files: it is where plugins are.
func (s *watchSet) acquire(path string, files bool) *watch {
	in, err := s.disk.lstat(path)
	if err != nil || in.kind != kindDir {
		return nil
	}
	if w := s.byID[in.id()]; w != nil {
		w.refs++
		if files && !w.files {
			w.files = true
			if w.why == "" {
				s.begin(w)
			}
		}
		return w
	}
	if w := s.byPath[path]; w != nil {
		s.lost(w) // another directory stood here
	}
	w := &watch{path: path, id: in.id(), refs: 1, files: files}
	s.byPath[path], s.byID[w.id] = w, w
	s.begin(w)
	return w
}

// begin has the source watch w, or else marks it for polling.
func (s *watchSet) begin(w *watch) {
	switch {
	case s.polling:
		w.why = "polling was asked for"
		w.remote = s.disk.silent(w.path) != ""
	default:
		if kind := s.disk.silent(w.path); kind != "" {
			w.why, w.remote = kind+" sends no notifications", true
		} else if err := s.src.Add(w.path, w.files); err != nil {
			s.src.Remove(w.path) // it may be watched as a step already
			w.why = err.Error()
			w.fleeting = errors.Is(err, fs.ErrNotExist) // gone since lstat: a hint will follow
		}
	}
	if w.why != "" {
		s.polled[w] = true
		if !s.polling && !w.fleeting {
			s.report(HealthPolling, w.path, w.why)
		}
	}
}

// retry tries again to watch what had to be polled for want of room.
func (s *watchSet) retry(w *watch) {
	if s.polling || w.dead || w.remote || s.src.Add(w.path, w.files) != nil {
		return
	}
	w.why = ""
	delete(s.polled, w)
	if !w.fleeting {
		s.report(HealthWatching, w.path, "")
	}
}

func (s *watchSet) release(w *watch) {
	if w.refs--; w.refs == 0 {
		s.bury(w)
	}
}

// bury takes w out of the tables: nobody needs it, or its directory has left
// its path. Folders that still hold it find another when they are resolved.
func (s *watchSet) bury(w *watch) {
	if w.dead {
		return
	}
	w.dead = true
	if w.why == "" {
		s.src.Remove(w.path)
	}
	delete(s.polled, w)
	if s.byPath[w.path] == w {
		delete(s.byPath, w.path)
	}
	if s.byID[w.id] == w {
		delete(s.byID, w.id)
	}
}

// hint passes on to stale and leaf whom a notification about path concerns.
func (s *watchSet) hint(path string, why signs) {
	if w := s.byPath[path]; w != nil && why&replaced != 0 {
		s.lost(w)
	}
	dir, name := splitPath(path)
	w := s.byPath[dir]
	if w == nil {
		return
	}
	name = nameKey(name)
	for _, st := range w.names[name] {
		st.folders(func(f *folder) {
			if why&replaced != 0 || (why&attributes != 0 && f.real == nil) {
				s.stale(f)
			}
		})
	}
	hash := hashOf(name)
	for _, f := range w.here {
		f.leaves.find(hash, func(e *entry) bool {
			if nameKey(e.name()) == name {
				s.leaf(e, why)
			}
			return false // there may be more
		})
		for _, e := range f.passing[name] {
			s.leaf(e, why)
		}
	}
}

// lost buries a watch whose directory may have left its path, in which case the
// source has dropped it, and has its users look for what is there now.
func (s *watchSet) lost(w *watch) {
	s.bury(w)
	for _, f := range w.users() {
		s.stale(f)
	}
}

// users are all folders whose way leads through w.
func (w *watch) users() []*folder {
	users := append([]*folder(nil), w.here...)
	for _, steps := range w.names {
		for _, st := range steps {
			st.folders(func(f *folder) { users = append(users, f) })
		}
	}
	return users
}

// entries are those whose path goes through the folder.
func (f *folder) entries(visit func(*entry)) {
	f.leaves.all(visit)
	for _, es := range f.passing {
		for _, e := range es {
			visit(e)
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

// splitRoot separates an absolute path into its root ("/", `C:\`) and names.
func splitRoot(path string) (root string, names []string) {
	v := len(filepath.VolumeName(path))
	root = path[:v] + string(filepath.Separator)
	for _, n := range strings.FieldsFunc(path[v:], isSeparator) {
		if n != "." {
			names = append(names, n)
		}
	}
	return root, names
}

// splitPath separates the last name from an absolute path.
func splitPath(path string) (dir, name string) {
	i := len(path) - 1
	for i >= 0 && !isSeparator(rune(path[i])) {
		i--
	}
	dir, name = path[:i+1], path[i+1:]
	if v := len(filepath.VolumeName(path)); len(dir) > v+1 {
		dir = dir[:len(dir)-1]
	}
	return dir, name
}

func isSeparator(c rune) bool { return c == '/' || c == filepath.Separator }

func joinPath(dir, name string) string {
	if isSeparator(rune(dir[len(dir)-1])) {
		return dir + name
	}
	return dir + string(filepath.Separator) + name
}

// pathBuffer joins paths without allocating.
type pathBuffer []byte

// join returns a path in memory that the next call reuses.
func (b *pathBuffer) join(dir, name string) string {
	*b = append((*b)[:0], dir...)
	if !isSeparator(rune(dir[len(dir)-1])) {
		*b = append(*b, filepath.Separator)
	}
	*b = append(*b, name...)
	return unsafe.String(unsafe.SliceData(*b), len(*b))
}

// resolveLink is where a link with this text in the real directory dir leads.
func resolveLink(dir, text string) string {
	if filepath.IsAbs(text) {
		return text
	}
	return joinPath(dir, text)
}

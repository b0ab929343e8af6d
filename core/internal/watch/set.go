// SPDX-License-Identifier: MIT

package watch

import (
	"path/filepath"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/table"
)

// Set knows which directories must be watched for which files. Watched is the path
// as a path: for each directory and link on the way to a file, the directory that
// holds its name. One goroutine at a time uses a Set. None of its methods blocks: it
// never asks the disk itself.
//
//	Leaf, a file ──► Folder, a directory as spelled ──► dir, a directory in the tree of real ones
//
// A folder is walked to by a worker ([WalkTo]), and Apply takes the result over. The
// walk is repeated when Apply has begun to watch a directory, so that no change
// between the walk and the watch goes unnoticed.
type Set struct {
	src     Source
	polling bool // poll everything
	report  func(polling bool, dir, why string)

	folders   []*Folder            // all that a leaf or a link needs
	linked    map[string]*Folder   // of these, those that links lead to, by Dir
	dirs      table.Table[dir]     // all, by parent and name
	byID      table.Table[dir]     // those that are watched or polled
	followers map[fsys.ID][]*dir   // those that are the same directory as one in byID
	lookups   map[lookup][]*Folder // whose walk looked a link or a missing name up there
	through   map[*Leaf][]passed   // where links lead that stand at a leaf's own name
	stale     []*Folder            // to be walked to
	noted     []*Leaf              // whose files may have changed
	polled    int                  // directories
	number    uint32               // of the latest dir
	shaken    bool                 // some dir is suspect
	renewing  bool                 // only because Renew asks for every watch anew
}

// passed is a folder that a leaf's path goes through, by a link.
type passed struct {
	f    *Folder
	name string
}

// Leaf is a plugin's file. The engine has one in each plugin.
type Leaf struct {
	ID     uint32 // the engine's
	placed bool
	noted  Signs
	folder *Folder
	name   string
}

// NewLeaf returns the leaf of a name in a folder.
func NewLeaf(id uint32, in *Folder, name string) Leaf { return Leaf{ID: id, folder: in, name: name} }

// Folder is where the leaf was registered.
func (l *Leaf) Folder() *Folder { return l.folder }

// Name is the file's name in its folder.
func (l *Leaf) Name() string { return l.name }

// Path is the absolute path of the file, as registered.
func (l *Leaf) Path() string { return l.folder.text + l.name }

// Signs are what notifications said about a name.
type Signs uint8

// The signs.
const (
	Replaced   Signs = 1 << iota // the name appeared or went
	Written                      // the content was written
	Closed                       // a process that held the file open for writing closed it
	Attributes                   // nothing but attributes changed
	Differs                      // a comparison with the disk found another file
	Lost                         // notifications may have been lost
	Remounted                    // file systems may have been mounted anew
)

// NewSet returns a set that watches nothing. With polling it polls everything.
// report is called when a directory begins or ceases to be polled.
func NewSet(src Source, polling bool, report func(polling bool, dir, why string)) *Set {
	return &Set{src: src, polling: polling, report: report, linked: map[string]*Folder{},
		followers: map[fsys.ID][]*dir{}, lookups: map[lookup][]*Folder{}, through: map[*Leaf][]passed{}}
}

// SetSource exchanges the source for another one, which watches nothing yet.
func (s *Set) SetSource(src Source) {
	s.src = src
	s.Renew()
}

// Count is how many directories are watched, and how many are polled.
func (s *Set) Count() (watched, polled int) { return s.byID.Len() - s.polled, s.polled }

// Add begins to watch a leaf. Its folder is walked to if it is new.
func (s *Set) Add(l *Leaf) {
	l.placed = true
	s.hold(l.folder)
	l.folder.addLeaf(l)
}

// Remove ends what Add began. It may be called twice.
func (s *Set) Remove(l *Leaf) {
	if !l.placed {
		return
	}
	l.placed, l.noted = false, 0
	s.Through(l, nil)
	l.folder.removeLeaf(l)
	s.releaseFolder(l.folder)
}

// IsRemote reports whether the file lies on a file system that sends no
// notifications.
func (s *Set) IsRemote(l *Leaf) bool {
	f := s.last(l)
	return f.dir != nil && f.reached && s.leader(f.dir) != nil && s.leader(f.dir).state == silent
}

// last is the folder in which a leaf's path ends.
func (s *Set) last(l *Leaf) *Folder {
	if p := s.through[l]; p != nil {
		return p[len(p)-1].f
	}
	return l.folder
}

// Through takes over where the links lead that stand at a leaf's own name. changed says
// that this is news: what happened there until now was not noticed.
func (s *Set) Through(l *Leaf, places []Place) (changed bool) {
	was := s.through[l]
	var now []passed
	for i, p := range places {
		if i < len(was) && was[i].name == p.Name && was[i].f.Dir() == p.Dir {
			now = append(now, was[i])
			continue
		}
		changed = true
		f := s.linkedFolder(l.folder, p.Dir)
		s.hold(f)
		key := fsys.NameKey(p.Name)
		if f.extra().passing == nil {
			f.rare.passing = map[string][]*Leaf{}
		}
		f.rare.passing[key] = append(f.rare.passing[key], l)
		now = append(now, passed{f, p.Name})
	}
	for i, p := range was {
		if i < len(now) && now[i] == p {
			continue
		}
		passing, key := p.f.rare.passing, fsys.NameKey(p.name)
		if rest := without(passing[key], l); len(rest) > 0 {
			passing[key] = rest
		} else {
			delete(passing, key)
		}
		s.releaseFolder(p.f)
	}
	if now != nil {
		s.through[l] = now
	} else if was != nil {
		delete(s.through, l)
	}
	return changed
}

// IsWalked reports whether it is known where all folders are that a leaf's path goes
// through.
func (s *Set) IsWalked(l *Leaf) bool {
	for _, p := range s.through[l] {
		if !p.f.IsWalked() {
			return false
		}
	}
	return l.folder.IsWalked()
}

// linkedFolder returns the folder of a directory that a link beside a leaf, or a
// link elsewhere, leads to.
func (s *Set) linkedFolder(beside *Folder, dir string) *Folder {
	if dir == beside.Dir() {
		return beside
	}
	f := s.linked[dir]
	if f == nil {
		f = NewFolder(dir, len(dir), 0)
		s.linked[dir] = f
	}
	return f
}

func (s *Set) hold(f *Folder) {
	if f.refs++; f.refs == 1 {
		f.index = uint32(len(s.folders))
		s.folders = append(s.folders, f)
		s.markStale(f)
	}
}

func (s *Set) releaseFolder(f *Folder) {
	if f.refs--; f.refs > 0 {
		return
	}
	last := len(s.folders) - 1
	s.folders[f.index] = s.folders[last]
	s.folders[f.index].index = f.index
	s.folders[last] = nil
	s.folders = s.folders[:last]
	if s.linked[f.Dir()] == f {
		delete(s.linked, f.Dir())
	}
	s.leave(f)()
	f.stale, f.walking, f.watched, f.news = false, false, false, Known
}

func (s *Set) markStale(f *Folder) {
	if !f.stale && f.refs > 0 {
		f.stale = true
		s.stale = append(s.stale, f)
	}
}

// Errand is a walk that is to be made.
type Errand struct {
	Folder *Folder
	number uint32
}

// ToWalk returns the walks to be made. Of each the caller owes an Apply.
func (s *Set) ToWalk() []Errand {
	s.spread()
	var todo []Errand
	var later []*Folder
	for _, f := range s.stale {
		switch {
		case f.refs == 0 || !f.stale:
		case f.walking: // what that walk finds may be old
			later = append(later, f)
		default:
			f.stale, f.walking = false, true
			f.walks++
			todo = append(todo, Errand{f, f.walks})
		}
	}
	s.stale = later
	return todo
}

// Apply takes over what a walk has found. done says that the folder is watched where it
// is now; otherwise ToWalk returns the folder once more.
func (s *Set) Apply(e Errand, w *Walk) (done bool, news News) {
	f := e.Folder
	if !f.walking || f.walks != e.number {
		return false, Known // nobody needs it any more
	}
	f.walking = false
	if f.watched && f.leadsElsewhere(w) {
		f.news = Moved
	}
	release := s.leave(f)
	fresh := false
	acquire := func(path string, id fsys.ID, silent string, files bool) *dir {
		d, isFresh := s.acquire(f.spelled(path), id, silent, files)
		fresh = fresh || isFresh
		return d
	}
	var held []*dir
	for i := range w.Steps {
		st := &w.Steps[i]
		d := acquire(st.Dir, st.ID, st.Silent, false)
		held = append(held, d)
		f.dir = d
		if !w.entered(i) {
			at := lookup{d, fsys.NameKey(st.Name)}
			f.extra().via = append(f.extra().via, at)
			s.lookups[at] = append(s.lookups[at], f)
			d.refs++
		}
	}
	if w.Dir != "" {
		d := acquire(w.Dir, w.ID, w.Silent, true)
		held = append(held, d)
		f.dir = d
	}
	f.reached = w.Dir != ""
	if f.dir != nil {
		f.dir.refs++
		f.next, f.dir.folders = f.dir.folders, f
	}
	for _, d := range held {
		s.release(d)
	}
	release()
	s.spread()
	if fresh {
		s.markStale(f)
	}
	if f.stale {
		return false, Known
	}
	news, f.news, f.watched = f.news, Known, true
	return true, news
}

// leadsElsewhere reports whether a walk has ended at another path than the folder is.
func (f *Folder) leadsElsewhere(w *Walk) bool {
	reached := w.Dir != ""
	return reached != f.reached || reached && f.dir.path() != w.Dir
}

// leave takes a folder off its path chain. What release gives back is kept until
// another chain holds what it needs of that.
func (s *Set) leave(f *Folder) (release func()) {
	d := f.dir
	if d != nil {
		at := &d.folders
		for *at != f {
			at = &(*at).next
		}
		*at = f.next
	}
	f.dir, f.next, f.reached = nil, nil, false
	var via []lookup
	if f.rare != nil {
		via, f.rare.via = f.rare.via, nil
	}
	for _, v := range via {
		if rest := without(s.lookups[v], f); len(rest) > 0 {
			s.lookups[v] = rest
		} else {
			delete(s.lookups, v)
		}
	}
	return func() {
		for _, v := range via {
			s.release(v.in)
		}
		if d != nil {
			s.release(d)
		}
	}
}

// spelled returns path as a part of the folder's own text, where it is one: a path
// from a walk would keep memory of its own.
func (f *Folder) spelled(path string) string {
	if len(path) <= len(f.text) && f.text[:len(path)] == path {
		return f.text[:len(path)]
	}
	return path
}

// Note passes a notification on: Noted returns the leaves that it concerns, and
// ToWalk the folders.
func (s *Set) Note(e fsnotify.Event) {
	path, signs := filepath.Clean(e.Name), signsOf(e.Op)
	if signs&(Replaced|Attributes) != 0 {
		if d := s.dirAt(path); d != nil {
			s.noteDir(d, signs)
		}
	}
	parent, name := fsys.SplitPath(path)
	d := s.dirAt(parent)
	if d == nil || name == "" {
		return
	}
	s.noteIn(d, name, signs)
	for _, same := range s.followers[d.id] {
		if signs&(Replaced|Attributes) != 0 {
			if child := s.child(same, name); child != nil {
				s.noteDir(child, signs)
			}
		}
		s.noteIn(same, name, signs)
	}
}

// noteDir notes that another directory may stand at d, or that it may be possible
// now to go on from there.
func (s *Set) noteDir(d *dir, signs Signs) {
	if signs&Replaced != 0 {
		s.suspectDir(d)
		return
	}
	for _, f := range s.folders {
		if !f.reached && f.dir != nil && f.dir.below(d) {
			s.markStale(f)
		}
	}
}

func (s *Set) noteIn(d *dir, name string, signs Signs) {
	key := fsys.NameKey(name)
	if signs&(Replaced|Attributes) != 0 {
		for _, f := range s.lookups[lookup{d, key}] {
			if signs&Replaced != 0 {
				f.news = Moved
			}
			s.markStale(f)
		}
	}
	for f := d.folders; f != nil; f = f.next {
		if f.reached {
			f.find(key, func(l *Leaf) { s.Touch(l, signs) })
		}
	}
}

// Touch notes that a leaf's file may have changed.
func (s *Set) Touch(l *Leaf, signs Signs) {
	if l.noted == 0 {
		s.noted = append(s.noted, l)
	}
	switch {
	case signs&Replaced != 0:
		l.noted &^= Written | Closed // that was the former file
	case signs&Written != 0:
		l.noted &^= Closed // it was opened again
	}
	l.noted |= signs
}

// Noted visits the leaves whose files may have changed since the last time.
func (s *Set) Noted(visit func(*Leaf, Signs)) {
	noted := s.noted
	s.noted = nil
	for _, l := range noted {
		if signs := l.noted; signs != 0 {
			l.noted = 0
			visit(l, signs)
		}
	}
}

// Renew asks the source for every watch anew, and has every folder walked to: the
// source may have lost watches, and with them the notification about that. An inode
// number proves nothing: a directory that is made anew may get that of the former
// one.
func (s *Set) Renew() {
	s.spread()
	s.renewing = true
	s.dirs.All(func(d *dir) {
		if d.parent == nil {
			s.suspectDir(d)
		}
	})
	for _, f := range s.folders {
		f.news = max(f.news, Renewed)
		s.markStale(f)
	}
}

// Polled returns the folders that have a polled directory on their path chains. It
// tries again to watch what is polled only for want of room.
func (s *Set) Polled() []*Folder {
	if s.polled == 0 {
		return nil
	}
	var folders []*Folder
	for _, f := range s.folders {
		if s.isPolled(f) {
			folders = append(folders, f)
		}
	}
	if !s.polling {
		s.byID.All(func(d *dir) {
			if d.state != polled && d.state != vanished || s.src.Add(d.path(), d.files) != nil {
				return
			}
			if d.state == polled {
				s.report(false, d.path(), "")
			}
			d.state = watched
			s.polled--
		})
	}
	return folders
}

// isPolled reports whether a directory on the folder's path chain is polled.
func (s *Set) isPolled(f *Folder) bool {
	above := func(d *dir) bool {
		for ; d != nil; d = d.parent {
			if l := s.leader(d); l != nil && l.state.isPolled() {
				return true
			}
		}
		return false
	}
	if above(f.dir) {
		return true
	}
	if f.rare != nil {
		for _, v := range f.rare.via {
			if above(v.in) {
				return true
			}
		}
	}
	return false
}

// Compare has a folder walked to again if a walk has ended elsewhere than the folder
// is.
func (s *Set) Compare(f *Folder, w *Walk) {
	if f.walking || f.refs == 0 {
		return
	}
	if f.leadsElsewhere(w) || f.reached && f.dir.id != w.ID && w.Silent == "" {
		s.markStale(f)
	}
}

// Whereabouts are the paths, through no links as far as is known, of what stands at a
// leaf's name, and of the file at the end if that is a link.
func (s *Set) Whereabouts(l *Leaf) (name, file string) {
	name = fsys.JoinPath(s.WhereaboutsOf(l.folder), l.name)
	if p := s.through[l]; p != nil {
		last := p[len(p)-1]
		return name, fsys.JoinPath(s.WhereaboutsOf(last.f), last.name)
	}
	return name, name
}

// WhereaboutsOf is a folder's path, through no links as far as is known.
func (s *Set) WhereaboutsOf(f *Folder) string {
	if f.dir == nil || !f.reached || f.dir.isAt(f.Dir()) {
		return f.Dir()
	}
	return f.dir.path()
}

// Folders visits all folders.
func (s *Set) Folders(visit func(*Folder)) {
	for _, f := range s.folders {
		visit(f)
	}
}

func signsOf(op fsnotify.Op) (signs Signs) {
	if op.Has(fsnotify.Create | fsnotify.Remove | fsnotify.Rename) {
		signs |= Replaced
	}
	if op.Has(fsnotify.Write) {
		signs |= Written
	}
	if op.Has(CloseWrite) {
		signs |= Closed
	}
	if op.Has(fsnotify.Chmod) {
		signs |= Attributes
	}
	return signs
}

// SPDX-License-Identifier: MIT

package watch

import (
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/table"
)

// Set knows which directories must be watched for which files. Watched is the path
// as a path: for each directory and link on the way to a file, the directory that
// holds its name. One goroutine at a time uses a Set. None of its methods blocks: it
// asks neither the disk nor the source itself.
//
//	Leaf, a file ──► Folder, a directory as spelled ──► dir, a directory in the tree of real ones
//
// A folder is walked to by a worker ([WalkTo]), and Apply takes the result over. What
// is to be watched then is an [Order], which a worker carries out, too. The walk is
// repeated when Answer has taken over that a directory is watched, so that no change
// between the walk and the watch goes unnoticed.
type Set struct {
	polling bool // poll everything
	report  func(polling bool, what, path, why string)

	folders    []*Folder            // all that a leaf or a link needs
	linked     map[string]*Folder   // of these, those that links lead to, by Dir
	dirs       table.Table[dir]     // all, by parent and name
	byID       table.Table[dir]     // those that are watched or polled
	followers  map[fsys.ID][]*dir   // those that are the same directory as one in byID
	lookups    map[lookup][]*Folder // whose walk looked a link or a missing name up there
	through    map[*Leaf][]passed   // where links lead that stand at a leaf's own name
	stale      []*Folder            // to be walked to
	noted      []*Leaf              // whose files may have changed
	stirred    []*Folder            // with listeners that a name concerned
	orders     []Order              // to be carried out
	asked      map[*dir]*asked      // of which the source was asked
	files      map[fsys.ID]*file    // mount points that are files
	filesAt    map[string]*file     // the same by path
	mounted    map[*Leaf]*file      // the same by those that end there
	polled     int                  // directories
	asking     int                  // directories
	unreliable int                  // folders
	reported   map[string]string    // paths of which report was told that they are polled, and why
	missed     map[string]bool      // paths of which a notification did not arrive
	spared     map[*dir]*spared     // whose writes the source leaves out
	restored   []*Folder            // whose writes it reports again
	turnover   uint64               // grows whenever watches come or go
	number     uint32               // of the latest dir
	shaken     bool                 // some dir is suspect
	renewing   bool                 // only because Renew asks for every watch anew
}

// NewSet returns a set that watches nothing. With polling it polls everything.
// report is called when a "directory" or "file" begins or ceases to be polled.
func NewSet(polling bool, report func(polling bool, what, path, why string)) *Set {
	return &Set{polling: polling, report: report, linked: map[string]*Folder{}, asked: map[*dir]*asked{},
		reported: map[string]string{}, missed: map[string]bool{}, files: map[fsys.ID]*file{}, filesAt: map[string]*file{}, mounted: map[*Leaf]*file{},
		followers: map[fsys.ID][]*dir{}, lookups: map[lookup][]*Folder{}, through: map[*Leaf][]passed{}}
}

// NewSource notes that the orders go to another source from now on, which watches
// nothing yet.
func (s *Set) NewSource() {
	s.orders = nil
	s.dirs.All(func(d *dir) { s.withdraw(d) })
	s.Renew()
}

// reportPolled says, once, that a directory or file is polled.
func (s *Set) reportPolled(what, path, why string) {
	if _, known := s.reported[path]; !known {
		s.reported[path] = why
		s.report(true, what, path, why)
	}
}

// reportWatched says that what was reported to be polled is watched again.
func (s *Set) reportWatched(what, path string) {
	if _, known := s.reported[path]; known {
		delete(s.reported, path)
		s.report(false, what, path, "")
	}
}

// Count is how many directories are watched, and how many are polled.
func (s *Set) Count() (watched, polled int) { return s.byID.Len() - s.polled - s.asking, s.polled }

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
	s.Unmounted(l)
	s.Through(l, nil)
	l.folder.removeLeaf(l)
	s.releaseFolder(l.folder)
}

// IsRemote reports whether the file lies on a file system that sends no
// notifications.
func (s *Set) IsRemote(l *Leaf) bool {
	if m := s.mounted[l]; m != nil {
		return m.state == silent
	}
	f := s.last(l)
	return f.dir != nil && f.reached && s.leader(f.dir) != nil && s.leader(f.dir).state == silent
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
	f.stale, f.walking, f.awaiting, f.watched, f.news = false, false, false, false, Known
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
// is now; otherwise ToWalk returns the folder once more, now or after an Answer.
func (s *Set) Apply(e Errand, w *Walk) (done bool, news News) {
	f := e.Folder
	if !f.walking || f.walks != e.number {
		return false, Known // nobody needs it any more
	}
	f.walking, f.awaiting = false, false
	s.turnover++
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
			d.folds = st.Folds
			at := lookup{d, fsys.NameKey(st.Name)}
			f.extra().via = append(f.extra().via, at)
			s.lookups[at] = append(s.lookups[at], f)
			d.refs++
			s.setUnreliable(f, f.unreliable || st.Unreliable)
		}
	}
	if w.Dir != "" {
		d := acquire(w.Dir, w.ID, w.Silent, true)
		d.folds = w.Folds
		held = append(held, d)
		f.dir = d
		s.setUnreliable(f, f.unreliable || w.Unreliable)
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
	if !f.stale && !s.await(f) && fresh {
		s.markStale(f)
	}
	if f.stale || f.awaiting {
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
	s.setUnreliable(f, false)
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
func (s *Set) Note(e fsnotify.Event, now time.Time) {
	path, signs := filepath.Clean(e.Name), signsOf(e.Op)
	if f := s.filesAt[path]; f != nil {
		s.noteFile(f, signs)
	}
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
	if d.wasSpared && signs&Closed != 0 {
		signs |= Written // which may not have been notified
	}
	concerned := s.noteIn(d, name, signs)
	for _, same := range s.followers[d.id] {
		if signs&(Replaced|Attributes) != 0 {
			if child := s.child(same, name); child != nil {
				s.noteDir(child, signs)
			}
		}
		concerned = s.noteIn(same, name, signs) || concerned
	}
	if signs == Written && !concerned {
		s.countNoise(d, now)
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

// noteIn reports whether a leaf is concerned.
func (s *Set) noteIn(d *dir, name string, signs Signs) (concerned bool) {
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
			f.find(key, func(l *Leaf) {
				concerned = true
				s.Touch(l, signs)
			})
			s.stir(f, name, signs)
		}
	}
	return d.folds && s.noteFolded(d, name, signs) || concerned
}

// noteFolded is noteIn for what is spelled otherwise in a directory that folds names: a
// notification spells a name as it is on the disk.
func (s *Set) noteFolded(d *dir, name string, signs Signs) (concerned bool) {
	isOtherSpelling := func(of string) bool { return of != name && fsys.MayBeSame(of, name) }
	if signs&(Replaced|Attributes) != 0 {
		for at, folders := range s.lookups {
			if at.in != d || !isOtherSpelling(at.key) {
				continue
			}
			for _, f := range folders {
				if signs&Replaced != 0 {
					f.news = Moved
				}
				s.markStale(f)
			}
		}
	}
	for f := d.folders; f != nil; f = f.next {
		if !f.reached {
			continue
		}
		f.Leaves(func(l *Leaf) {
			if isOtherSpelling(f.nameOf(l)) {
				concerned = true
				s.Touch(l, signs)
			}
		})
	}
	return concerned
}

// Touch notes that a leaf's file may have changed.
func (s *Set) Touch(l *Leaf, signs Signs) {
	if l.noted == 0 {
		s.noted = append(s.noted, l)
	}
	l.noted = l.noted.and(signs)
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
	for _, f := range s.files {
		s.renewFile(f, Differs|Remounted)
	}
	clear(s.missed)
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
// asks again for watches of what is polled only for want of room.
func (s *Set) Polled() []*Folder {
	if s.polled == 0 {
		return nil
	}
	var folders []*Folder
	again := map[*dir]*asked{}
	for _, f := range s.folders {
		isPolled := false
		s.chain(f, func(d *dir) {
			isPolled = isPolled || d.state.isPolled()
			if s.polling || d.state != polled && d.state != vanished {
				return
			}
			if s.asked[d] == nil {
				again[d] = s.ask(d)
			}
			if a := again[d]; a != nil {
				a.waiting = append(a.waiting, f) // to be compared once the watch is there
			}
		})
		if isPolled {
			folders = append(folders, f)
		}
	}
	return folders
}

// chain visits the directories on a folder's path chain, at least once each. Of those
// that are the same directory it visits the one that is watched or polled.
func (s *Set) chain(f *Folder, visit func(*dir)) {
	above := func(d *dir) {
		for ; d != nil; d = d.parent {
			if l := s.leader(d); l != nil {
				visit(l)
			}
		}
	}
	above(f.dir)
	if f.rare != nil {
		for _, v := range f.rare.via {
			above(v.in)
		}
	}
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

// WalkAgain has a folder walked to again.
func (s *Set) WalkAgain(f *Folder) { s.markStale(f) }

// Folders visits all folders.
func (s *Set) Folders(visit func(*Folder)) {
	for _, f := range s.folders {
		visit(f)
	}
}

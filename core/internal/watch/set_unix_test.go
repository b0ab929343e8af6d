// SPDX-License-Identifier: MIT

//go:build unix

package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// fakeSource accepts every directory and says nothing.
type fakeSource struct {
	watched map[string]bool
	spared  map[string]bool
	refuse  error
}

func (*fakeSource) Events() <-chan fsnotify.Event { return nil }
func (*fakeSource) Errors() <-chan error          { return nil }
func (*fakeSource) Mounts() <-chan struct{}       { return nil }
func (*fakeSource) Close()                        {}
func (n *fakeSource) Remove(path string) {
	delete(n.watched, path)
	delete(n.spared, path)
}
func (n *fakeSource) Add(path string, _ bool) error {
	if n.refuse == nil {
		n.watched[path] = true
		delete(n.spared, path)
	}
	return n.refuse
}
func (n *fakeSource) Spare(path string) error {
	if n.refuse == nil {
		n.spared[path] = true
	}
	return n.refuse
}

// forest is a Set over real directories, with leaves in them.
type forest struct {
	t      *testing.T
	disk   fsys.Disk
	root   string
	src    *fakeSource
	now    time.Time
	set    *Set
	leaves []*Leaf
}

func newForest(t *testing.T) *forest {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := &forest{t: t, disk: fsys.OS{}, root: root, src: &fakeSource{watched: map[string]bool{}, spared: map[string]bool{}}}
	f.set = NewSet(false, func(bool, string, string, string) {})
	return f
}

func (f *forest) add(abs string) *Leaf {
	dir, name := fsys.SplitPath(abs)
	l := NewLeaf(uint32(len(f.leaves)), NewFolder(abs[:len(abs)-len(name)], len(dir), 0), name)
	f.leaves = append(f.leaves, &l)
	f.set.Add(&l)
	return &l
}

// carryOut carries out what the set asks of the source.
func (f *forest) carryOut() {
	for f.set.HasOrders() {
		orders := f.set.Orders()
		for i := range orders {
			f.set.Answer(&orders[i], orders[i].Do(f.src))
		}
	}
}

// settle makes every walk that is asked for, carries every order out, and follows every leaf.
func (f *forest) settle() {
	f.t.Helper()
	for range 100 {
		f.carryOut()
		errands := f.set.ToWalk()
		for _, e := range errands {
			w := WalkTo(f.disk, e.Folder.Dir(), func(string) {})
			f.set.Apply(e, &w)
		}
		for _, l := range f.leaves {
			places, _ := Follow(f.disk, l.Folder().Dir(), l.Name(), func(string) {})
			f.set.Through(l, places)
		}
		if len(errands) == 0 {
			return
		}
	}
	f.t.Fatal("the set does not come to rest")
}

func (f *forest) note(path string, op fsnotify.Op) {
	f.set.Note(fsnotify.Event{Name: path, Op: op}, f.now)
}

func (f *forest) noted() (ids []uint32) {
	f.set.Noted(func(l *Leaf, _ Signs) { ids = append(ids, l.ID) })
	return ids
}

func (f *forest) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// end is where the set ends when a leaf's path is followed, "" if nowhere.
func (f *forest) end(l *Leaf) string {
	folder, name := l.folder, l.name
	if p := f.set.through[l]; p != nil {
		folder, name = p[len(p)-1].f, p[len(p)-1].name
	}
	if !folder.reached {
		return ""
	}
	at := fsys.JoinPath(folder.dir.path(), name)
	if in, err := (fsys.OS{}).Lstat(at); err != nil || in.Kind != fsys.Regular {
		return ""
	}
	return at
}

func (f *forest) mustBeEmpty() {
	f.t.Helper()
	for _, l := range f.leaves {
		f.set.Remove(l)
	}
	f.carryOut()
	s := f.set
	if n := len(s.asked) + s.asking + len(s.files) + len(s.reported) + len(s.filesAt) + len(s.mounted) + s.unreliable + len(s.folders) + len(s.linked) + s.dirs.Len() + s.byID.Len() + len(s.followers) + len(s.lookups) + len(s.through) + s.polled + len(f.src.watched); n != 0 {
		f.t.Fatalf("left over: %d folders, %d dirs, %d watches, %d at the source, %d lookups", len(s.folders), s.dirs.Len(), s.byID.Len(), len(f.src.watched), len(s.lookups))
	}
}

// FuzzPathWalk builds a forest of directories and links from the input, walks
// paths through it and compares with where the system ends. It then changes the
// forest, each name with the notification that the change sends, and checks that
// the set ends where the system does again.
func FuzzPathWalk(f *testing.F) {
	f.Add([]byte("abcdefgh"))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 200, 100, 50, 25, 12})
	f.Add([]byte("links to links to links to ../links and back"))
	names := []string{"a", "b", "c", "a/b", "b/c", "c/a", "a/b/c", "b/a", "c/b"}
	targets := []string{"a", "../b", "b/c", "../../a", ".", "..", "c/../b", "/ROOT/a/b", "./c//b", "missing"}
	f.Fuzz(func(t *testing.T, program []byte) {
		fo := newForest(t)
		grow := func(program []byte) {
			for i := 0; i+1 < len(program) && i < 40; i += 2 {
				at := filepath.Join(fo.root, names[int(program[i])%len(names)])
				real, err := filepath.EvalSymlinks(filepath.Dir(at))
				if err != nil {
					continue
				}
				at = filepath.Join(real, filepath.Base(at))
				_ = os.RemoveAll(at)
				fo.note(at, fsnotify.Remove)
				switch op := int(program[i+1]); op % 3 {
				case 0:
					_ = os.Mkdir(at, 0o755)
				case 1:
					_ = os.WriteFile(at, []byte("x"), 0o644)
				case 2:
					to := targets[op/3%len(targets)]
					if to == "/ROOT/a/b" {
						to = filepath.Join(fo.root, "a/b")
					}
					_ = os.Symlink(to, at)
				}
				fo.note(at, fsnotify.Create)
			}
		}
		grow(program)
		for i, n := range names {
			abs := filepath.Join(fo.root, n)
			if i%2 == 1 {
				abs = fo.root + "/a/../" + n // not cleaned: ".." is the system's
			}
			fo.add(abs)
		}
		check := func(when string) {
			t.Helper()
			fo.settle()
			for _, l := range fo.leaves {
				want := ""
				if st, err := os.Stat(l.Path()); err == nil && st.Mode().IsRegular() {
					if want, err = filepath.EvalSymlinks(l.Path()); err != nil {
						t.Fatal(err)
					}
				}
				if got := fo.end(l); got != want {
					t.Fatalf("%s: %s leads to %q, the set ends at %q", when, l.Path(), want, got)
				}
			}
		}
		check("at first")
		if len(program) > 3 {
			grow(program[2:])
			check("after the change")
		}
		fo.mustBeEmpty()
	})
}

func TestDirectoryMadeAnewIsWatchedAnew(t *testing.T) {
	f := newForest(t)
	dir := filepath.Join(f.root, "plugins")
	f.must(os.Mkdir(dir, 0o755))
	f.add(filepath.Join(dir, "p.so"))
	f.settle()
	if !f.src.watched[dir] {
		t.Fatal("the directory is not watched")
	}
	delete(f.src.watched, dir) // with the directory the watch has gone; the inode number may return
	f.note("/"+dir, fsnotify.Create)
	f.settle()
	if !f.src.watched[dir] {
		t.Error("the directory that stands there now is not watched")
	}
	f.mustBeEmpty()
}

func TestDirectoryInTheRootIsFoundUnderTheNameThatAWatchOfTheRootReports(t *testing.T) {
	f := newForest(t)
	top := "/" + firstName(f.root)
	f.add(filepath.Join(f.root, "p.so"))
	f.settle()
	if errands := f.set.ToWalk(); len(errands) != 0 {
		t.Fatal("not at rest")
	}
	f.note("/"+top, fsnotify.Remove) // as fsnotify spells it: "//tmp"
	if errands := f.set.ToWalk(); len(errands) != 1 {
		t.Errorf("%d walks are asked for after %q was removed, want 1", len(errands), top)
	}
}

func firstName(path string) string {
	_, rest := fsys.SplitRoot(path)
	name, _ := fsys.NextName(rest)
	return name
}

func TestRenewAsksForEveryWatchAnew(t *testing.T) {
	f := newForest(t)
	for i := range 3 {
		dir := filepath.Join(f.root, fmt.Sprint(i))
		f.must(os.Mkdir(dir, 0o755))
		f.add(filepath.Join(dir, "p.so"))
	}
	f.settle()
	want := len(f.src.watched)
	clear(f.src.watched)
	f.set.Renew()
	f.settle()
	if len(f.src.watched) != want {
		t.Errorf("%d directories are watched, want %d", len(f.src.watched), want)
	}
	f.mustBeEmpty()
}

func TestNotificationReachesTheLeavesOfItsName(t *testing.T) {
	f := newForest(t)
	folder := NewFolder(f.root+"/", len(f.root), 0)
	for i := range 2 * manyLeaves {
		l := NewLeaf(uint32(i), folder, fmt.Sprint(i, ".so"))
		f.leaves = append(f.leaves, &l)
		f.set.Add(&l)
	}
	f.must(os.Symlink("5.so", filepath.Join(f.root, "link.so")))
	f.add(filepath.Join(f.root, "link.so"))
	f.settle()
	for name, want := range map[string][]uint32{"other": nil, "7.so": {7}, "link.so": {2 * manyLeaves}, "5.so": {5, 2 * manyLeaves}} {
		f.note(filepath.Join(f.root, name), fsnotify.Write)
		ids := f.noted()
		slices.Sort(ids)
		if !slices.Equal(ids, want) {
			t.Errorf("a write to %q concerns the leaves %v, want %v", name, ids, want)
		}
	}
	f.mustBeEmpty()
}

func TestFullSourceHasTheDirectoryPolledUntilThereIsRoom(t *testing.T) {
	f := newForest(t)
	var reports []bool
	f.set.report = func(polling bool, what, path, why string) { reports = append(reports, polling) }
	f.src.refuse = errors.New("no space left on device")
	f.add(filepath.Join(f.root, "p.so"))
	f.settle()
	if watched, polled := f.set.Count(); watched != 0 || polled == 0 {
		t.Fatalf("%d watched, %d polled", watched, polled)
	}
	n := len(reports)
	if len(f.set.Polled()) != 1 {
		t.Error("the folder is not among those to poll")
	}
	f.src.refuse = nil
	f.set.Polled()
	f.settle()
	if watched, polled := f.set.Count(); watched == 0 || polled != 0 {
		t.Errorf("%d watched, %d polled after there is room again", watched, polled)
	}
	if len(reports) != 2*n || reports[len(reports)-1] {
		t.Errorf("reports %v", reports)
	}
	f.mustBeEmpty()
}

// Some FUSE file systems give a directory another inode number at each look.
func TestDirectoryWhoseInodeNumberDriftsIsPolledOnce(t *testing.T) {
	f := newForest(t)
	reports := 0
	f.set.report = func(bool, string, string, string) { reports++ }
	folder := NewFolder("/fuse/", len("/fuse"), 0)
	l := NewLeaf(1, folder, "p.so")
	f.leaves = append(f.leaves, &l)
	f.set.Add(&l)
	walk := func(inode uint64) *Walk {
		root := Step{Dir: "/", ID: fsys.ID{Dev: 1, Inode: 1}, Name: "fuse", Passed: true}
		return &Walk{Steps: []Step{root}, Dir: "/fuse", ID: fsys.ID{Dev: 2, Inode: inode}, Silent: "FUSE"}
	}
	inode := uint64(10)
	for range 10 {
		f.carryOut()
		for _, e := range f.set.ToWalk() {
			inode++
			f.set.Apply(e, walk(inode))
		}
	}
	if !folder.IsWalked() || !folder.WasWatched() {
		t.Fatal("the folder is walked to for ever")
	}
	walks := inode
	for range 10 {
		inode++
		f.set.Compare(folder, walk(inode))
	}
	for _, e := range f.set.ToWalk() {
		done, news := f.set.Apply(e, walk(inode))
		t.Errorf("a walk after number %d: done %v, news %v", walks, done, news)
	}
	f.set.Renew()
	for _, e := range f.set.ToWalk() {
		f.carryOut()
		inode++
		if done, news := f.set.Apply(e, walk(inode)); done && news != Renewed {
			t.Errorf("news %v, want Renewed", news)
		}
	}
	if reports != 1 {
		t.Errorf("%d reports that the directory is polled", reports)
	}
}

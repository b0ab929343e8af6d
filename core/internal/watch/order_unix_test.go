// SPDX-License-Identifier: MIT

//go:build unix

package watch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// walk makes the walks that are asked for, without carrying orders out.
func (f *forest) walk() (errands int) {
	for _, e := range f.set.ToWalk() {
		errands++
		w := WalkTo(fsys.OS{}, e.Folder.Dir(), func(string) {})
		f.set.Apply(e, &w)
	}
	return errands
}

func TestFolderIsWalkedToAgainOnceTheSourceHasAnswered(t *testing.T) {
	f := newForest(t)
	l := f.add(filepath.Join(f.root, "p.so"))
	for f.walk() > 0 {
	}
	if l.Folder().IsWalked() || l.Folder().WasWatched() {
		t.Fatal("the folder counts as walked to before the source has answered")
	}
	for f.set.HasOrders() {
		if f.walk() > 0 {
			t.Fatal("the folder is walked to before the source has answered about each directory")
		}
		for _, o := range f.set.Orders() {
			f.set.Answer(&o, o.Do(f.src))
		}
	}
	if f.walk() != 1 || !l.Folder().WasWatched() {
		t.Fatal("the folder is not walked to after the last answer")
	}
	f.mustBeEmpty()
}

func TestAnswerAboutADirectoryThatIsNotNeededAnyMore(t *testing.T) {
	for name, again := range map[string]bool{"nobody needs it": false, "it was asked for again": true} {
		t.Run(name, func(t *testing.T) {
			f := newForest(t)
			l := f.add(filepath.Join(f.root, "p.so"))
			f.walk()
			orders := f.set.Orders()
			f.set.Remove(l)
			if again {
				f.set.Add(l)
				f.walk()
			}
			for _, o := range orders {
				f.set.Answer(&o, errors.New("late"))
			}
			f.settle()
			if _, polled := f.set.Count(); polled != 0 || f.src.watched[f.root] != again {
				t.Errorf("%d directories are polled; the source watches %v", polled, f.src.watched)
			}
			f.mustBeEmpty()
		})
	}
}

// Whatever was ordered before: the other source is asked for everything.
func TestAnotherSourceIsAskedForEverything(t *testing.T) {
	f := newForest(t)
	f.add(filepath.Join(f.root, "p.so"))
	f.walk()
	f.set.Orders() // the first source does not return from these
	f.src = &fakeSource{watched: map[string]bool{}}
	f.set.NewSource()
	f.settle()
	if watched, polled := f.set.Count(); !f.src.watched[f.root] || watched != len(f.src.watched) || polled != 0 {
		t.Errorf("%d watched, %d polled; the source watches %v", watched, polled, f.src.watched)
	}
	f.mustBeEmpty()
}

func TestDirectoryThatWentBeforeItWasWatchedIsNotReported(t *testing.T) {
	f := newForest(t)
	f.set.report = func(polling bool, what, path, why string) { t.Errorf("reported: %s %s %s", what, path, why) }
	f.src.refuse = fs.ErrNotExist
	f.add(filepath.Join(f.root, "p.so"))
	f.settle()
	if _, polled := f.set.Count(); polled == 0 {
		t.Error("it is not polled meanwhile")
	}
	f.src.refuse = nil
	f.set.Polled()
	f.settle()
	if _, polled := f.set.Count(); polled != 0 {
		t.Error("it is polled for ever")
	}
	f.mustBeEmpty()
}

// mount tells the set that a leaf ends at a mount point.
func (f *forest) mount(l *Leaf, inode uint64, fileSystem string) bool {
	return f.set.Mounted(l, fsys.ID{Dev: 1, Inode: inode}, fileSystem)
}

func TestFileThatIsAMountPointIsWatchedUntilNobodyNeedsIt(t *testing.T) {
	f := newForest(t)
	f.must(os.WriteFile(filepath.Join(f.root, "p.so"), nil, 0o644))
	l, other := f.add(filepath.Join(f.root, "p.so")), f.add(filepath.Join(f.root, "q.so"))
	f.settle()
	f.noted()
	if !f.mount(l, 7, "") || f.set.IsWalked(l) || !f.mount(other, 7, "") || f.mount(l, 7, "") {
		t.Fatal("the file is not asked for, or more than once")
	}
	f.settle()
	if ids := f.noted(); len(ids) != 2 || !f.set.IsWalked(l) || !f.src.watched[l.Path()] || len(f.src.watched) == 0 {
		t.Errorf("noted %v; the source watches %v", ids, f.src.watched)
	}
	f.note(l.Path(), fsnotify.Write)
	if ids := f.noted(); len(ids) != 2 {
		t.Errorf("a write is noted for %v", ids)
	}
	f.set.Unmounted(l)
	if f.settle(); !f.src.watched[l.Path()] {
		t.Error("the watch has ended although a leaf ends there")
	}
	f.set.Unmounted(other)
	if f.settle(); f.src.watched[l.Path()] {
		t.Error("the watch has not ended")
	}
	f.mustBeEmpty()
}

// The source ends the watch of a file that is renamed or removed.
func TestFileThatIsAMountPointIsAskedForAnewAfterItWasRenamed(t *testing.T) {
	f := newForest(t)
	l := f.add(filepath.Join(f.root, "p.so"))
	f.mount(l, 7, "")
	f.settle()
	f.noted()
	delete(f.src.watched, l.Path())
	f.note(l.Path(), fsnotify.Rename)
	if ids := f.noted(); !slices.Equal(ids, []uint32{l.ID}) || f.set.IsMounted(l) {
		t.Fatalf("noted %v", ids)
	}
	f.mount(l, 7, "")
	if f.settle(); !f.src.watched[l.Path()] {
		t.Error("it is not watched")
	}
	f.mustBeEmpty()
}

func TestFileThatIsAMountPointIsPolledWhereItCannotBeWatched(t *testing.T) {
	f := newForest(t)
	var reports []string
	f.set.report = func(polling bool, what, path, why string) { reports = append(reports, what+": "+why) }
	l, fuse := f.add(filepath.Join(f.root, "p.so")), f.add(filepath.Join(f.root, "q.so"))
	f.settle()
	f.src.refuse = errors.New("no room")
	f.mount(l, 7, "")
	f.settle()
	for inode := range uint64(5) { // its number drifts
		f.mount(fuse, 8+inode, "FUSE")
	}
	if want := []string{"file: no room", "file: FUSE sends no notifications"}; !slices.Equal(reports, want) {
		t.Errorf("reports %q, want %q", reports, want)
	}
	polled := func() (ids []uint32) {
		f.set.PolledFiles(func(l *Leaf) { ids = append(ids, l.ID) })
		slices.Sort(ids)
		return ids
	}
	if ids := polled(); !slices.Equal(ids, []uint32{l.ID, fuse.ID}) || !f.set.IsRemote(fuse) || f.set.IsRemote(l) {
		t.Errorf("polled: %v", ids)
	}
	f.src.refuse = nil
	polled()
	f.settle()
	if ids := polled(); !slices.Equal(ids, []uint32{fuse.ID}) {
		t.Errorf("polled once there is room: %v", ids)
	}
	if watched, polled := f.set.CountFiles(); watched != 1 || polled != 1 {
		t.Errorf("%d files are watched, %d polled", watched, polled)
	}
	f.mustBeEmpty()
}

// Every watch is asked for anew whenever a file system is mounted.
func TestThatADirectoryIsPolledIsReportedOnceAndSoIsItsEnd(t *testing.T) {
	f := newForest(t)
	var reports []bool
	f.set.report = func(polling bool, what, path, why string) {
		if path == f.root {
			reports = append(reports, polling)
		}
	}
	f.src.refuse = errors.New("no room")
	f.add(filepath.Join(f.root, "p.so"))
	for range 3 {
		f.settle()
		f.set.Renew()
	}
	f.src.refuse = nil
	for range 3 {
		f.settle()
		f.set.Renew()
	}
	f.settle()
	if !slices.Equal(reports, []bool{true, false}) {
		t.Errorf("reports %v, want one that it is polled and one that it is watched again", reports)
	}
	f.mustBeEmpty()
}

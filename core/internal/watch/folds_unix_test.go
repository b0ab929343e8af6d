// SPDX-License-Identifier: MIT

//go:build unix

package watch

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// foldingDisk is a disk with one directory in which case does not matter, as far as it says.
type foldingDisk struct {
	fsys.OS
	dir string
}

func (d foldingDisk) Folds(dir string) bool { return dir == d.dir }

func TestNamesAreComparedAsTheirDirectoryDoes(t *testing.T) {
	f := newForest(t)
	folding, exact := filepath.Join(f.root, "folding"), filepath.Join(f.root, "exact")
	f.disk = foldingDisk{dir: folding}
	for _, dir := range []string{folding, exact} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		dir, registered, notified string
		heard                     bool
	}{
		{folding, "plugin.so", "Plugin.SO", true},
		{folding, "plugin.so", "plugin.so", true},
		{folding, "plugin.so", "other.so", false},
		{folding, "\u00e4.so", "a\u0308.so", true}, // two forms of one letter
		{folding, "Gr\u00fc\u00dfe.so", "GR\u00dcSSE.so", true},
		{exact, "plugin.so", "Plugin.SO", false},
		{exact, "plugin.so", "plugin.so", true},
		{exact, "\u00e4.so", "a\u0308.so", fsys.NameKey("A") == "a"},
	} {
		l := f.add(filepath.Join(c.dir, c.registered))
		f.settle()
		f.set.Noted(func(*Leaf, Signs) {})
		f.set.Note(fsnotify.Event{Name: filepath.Join(c.dir, c.notified), Op: fsnotify.Create}, time.Time{})
		heard := false
		f.set.Noted(func(of *Leaf, _ Signs) { heard = heard || of == l })
		if heard != c.heard {
			t.Errorf("%s in %s: %s was notified, heard: %v", c.registered, filepath.Base(c.dir), c.notified, heard)
		}
		f.set.Remove(l)
	}
}

// The directory on the way is not there yet, and then it is, spelled otherwise.
func TestAMissingDirectoryAppearsInAnotherSpelling(t *testing.T) {
	f := newForest(t)
	f.disk = foldingDisk{dir: f.root}
	f.add(filepath.Join(f.root, "plugins", "p.so"))
	f.settle()
	f.set.Note(fsnotify.Event{Name: filepath.Join(f.root, "Plugins"), Op: fsnotify.Create}, time.Time{})
	if len(f.set.ToWalk()) == 0 {
		t.Error("the path is not walked again")
	}
}

//go:build unix

package core

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fsnotify/fsnotify"
)

// A sign of a link before the first look at it does not keep the file behind it,
// in a directory of its own, from being watched.
func TestASignOfALinkBeforeItsFirstLook(t *testing.T) {
	m, l, _, _ := stepped(t, 1)
	target := pluginFiles(t, 1, 1)[0]
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"before", "linked"} { // the second one waits
		if err := m.Enable(id, link, EnableOptions{}); err != nil {
			t.Fatal(err)
		}
		l.commands()
		l.first()
	}
	l.notified(fsnotify.Event{Name: link, Op: fsnotify.Chmod})
	l.reconcile()
	l.settle()
	if _, err := m.Disable("before"); err != nil {
		t.Fatal(err)
	}
	l.commands()
	if err := os.WriteFile(target, []byte("v1"), 0o644); err != nil {
		t.Fatal(err)
	}
	l.notified(fsnotify.Event{Name: target, Op: fsnotify.Write})
	l.reconcile()
	l.settle()
	if n := m.queue.pending(); n != 1 {
		t.Errorf("%d changes to tell, want 1", n)
	}
}

func TestDisabledBeforeItsDirectoryWasWatched(t *testing.T) {
	m, l, _, _ := stepped(t, 1)
	l.takeUp()
	if err := m.Enable("short", pluginFiles(t, 1, 1)[0], EnableOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Disable("short"); err != nil {
		t.Fatal(err)
	}
	l.takeUp()
	if n := len(l.ws.folders); n != 1 {
		t.Errorf("%d directories are watched, want 1", n)
	}
}

// A directory is taken up beside another one whose parent was exchanged unheard
// of: as soon as that is heard of, both are watched where they are now.
func TestADirectoryBesideOneThatHasMovedAway(t *testing.T) {
	m, l, _, _ := stepped(t, 1)
	base := t.TempDir()
	parent := filepath.Join(base, "parent")
	enable := func(id string) *folder {
		t.Helper()
		path := filepath.Join(parent, id, "plugin.so")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("v0"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := m.Enable(id, path, EnableOptions{}); err != nil {
			t.Fatal(err)
		}
		l.takeUp()
		return m.lookup(id).folder
	}
	enable("one")
	if err := os.Rename(parent, parent+" away"); err != nil {
		t.Fatal(err)
	}
	two := enable("two")
	if l.ws.neighbour != two {
		t.Fatal("it was not taken up beside the other one")
	}
	for e := range l.src.Events() {
		l.notified(e)
		l.reconcile()
		if e.Name == parent && e.Op.Has(fsnotify.Create) {
			break
		}
	}
	for path, w := range map[string]*watchedDir{base: two.way.prev.w, parent: two.way.w, two.dir(): two.real} {
		if in, err := l.disk.Lstat(path); err != nil || w == nil || w.dead || w.id != in.ID() {
			t.Errorf("not what is at %q is watched (%v)", path, err)
		}
	}
}

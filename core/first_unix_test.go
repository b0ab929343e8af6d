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

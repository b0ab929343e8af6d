// SPDX-License-Identifier: MIT

package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// bound is far beyond what any step takes.
const bound = 20 * time.Second

// tempDir is a new directory by a path without links.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// If this fails after an update of fsnotify, see closewrite_linux.go.
func TestSourceReportsThatAWriterHasClosedItsFile(t *testing.T) {
	if CloseWrite == 0 {
		t.Fatal("fsnotify has no operation named CLOSE_WRITE any more")
	}
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dir := tempDir(t)
	if err := s.Add(dir, true); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	var heard fsnotify.Op
	for deadline := time.After(bound); !heard.Has(CloseWrite); {
		select {
		case e := <-s.Events():
			heard |= e.Op
		case <-deadline:
			t.Fatalf("heard only %v", heard)
		}
	}
	if !heard.Has(fsnotify.Create) {
		t.Error("the creation was not heard any more")
	}
}

// fsnotify sends the error of a watch that vanished with its lock held; the
// loop, inside Remove, once waited for that lock while the error waited for the
// loop.
func TestSourceDoesNotDeadlockOnADirectoryMovedAndDeleted(t *testing.T) {
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	busy, moved := tempDir(t), filepath.Join(tempDir(t), "moved")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.Mkdir(moved, 0o755))
	check(s.Add(busy, true))
	check(s.Add(moved, true))
	for i := range Buffer + 16 { // the reader of the kernel's queue stalls
		check(os.WriteFile(filepath.Join(busy, fmt.Sprint(i)), nil, 0o644))
	}
	check(os.Rename(moved, moved+".away"))
	check(os.Remove(moved + ".away"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range s.Events() {
			if e.Name == filepath.Join(busy, "last") {
				return
			}
			s.Remove("/no/such/watch") // needs the lock
			if e.Name == filepath.Join(busy, fmt.Sprint(Buffer)) {
				check(os.WriteFile(filepath.Join(busy, "last"), nil, 0o644))
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(bound):
		t.Fatal("the source is stuck")
	}
}

// A link that stands on the path since it was walked may lead to a file system that hangs.
func TestSourceFollowsNoLink(t *testing.T) {
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dir := tempDir(t)
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := os.MkdirAll(filepath.Join(real, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, filepath.Join(link, "sub")} {
		if err := s.Add(path, true); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Add(%q) = %v, want that it does not exist", path, err)
		}
	}
	if err := s.Add(filepath.Join(real, "sub"), true); err != nil {
		t.Error(err)
	}
}

// The directory at a is removed and b moved to its place before fsnotify has
// read either. Added again, a is the watch of b; removing that once ended in a
// panic.
func TestSourceSurvivesADirectoryMovedOverAnother(t *testing.T) {
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	busy, dir := tempDir(t), tempDir(t)
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	check(os.Mkdir(a, 0o755))
	check(os.Mkdir(b, 0o755))
	for _, path := range []string{busy, a, b} {
		check(s.Add(path, true))
	}
	for i := range Buffer + 16 { // the reader of the kernel's queue stalls
		check(os.WriteFile(filepath.Join(busy, fmt.Sprint(i)), nil, 0o644))
	}
	check(os.Remove(a))
	check(os.Rename(b, a))
	check(s.Add(a, true))
	s.Remove(a)
	s.Remove(b)
	check(s.Add(a, true))
	go func() { _ = os.WriteFile(filepath.Join(a, "f"), nil, 0o644) }()
	for deadline := time.After(bound); ; {
		select {
		case e := <-s.Events():
			if e.Name == filepath.Join(a, "f") {
				return
			}
		case <-deadline:
			t.Fatal("what becomes of the directory is not reported")
		}
	}
}

// A plugin in a first-level directory is looked for under a clean name.
func TestNamesInTheRootDirectoryAreNotClean(t *testing.T) {
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Add("/", false); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/", "hotreload-test-")
	if err != nil {
		t.Skip("not allowed to make a directory in /")
	}
	defer os.Remove(dir)
	for deadline := time.After(bound); ; {
		select {
		case e := <-s.Events():
			if filepath.Clean(e.Name) == dir {
				return
			}
		case <-deadline:
			t.Fatal("what becomes of a directory in / is not reported")
		}
	}
}

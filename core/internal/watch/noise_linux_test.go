// SPDX-License-Identifier: MIT

package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// heardUntil is what a source says of each file until it says that last has appeared.
func heardUntil(t *testing.T, s Source, last string) map[string]fsnotify.Op {
	t.Helper()
	heard := map[string]fsnotify.Op{}
	for deadline := time.After(bound); ; {
		select {
		case e := <-s.Events():
			heard[e.Name] |= e.Op
			if e.Name == last && e.Op.Has(fsnotify.Create) {
				return heard
			}
		case <-deadline:
			t.Fatalf("%s is not heard of; heard %v", last, heard)
		}
	}
}

// If this fails after an update of fsnotify, see closewrite_linux.go.
func TestSourceLeavesOutWritesUntilTheyAreAskedForAgain(t *testing.T) {
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dir := tempDir(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(s.Add(dir, true))
	for i, leftOut := range []bool{false, true, false} {
		if leftOut {
			check(s.(Sparing).Spare(dir))
		} else {
			check(s.Add(dir, true))
		}
		f, last := filepath.Join(dir, fmt.Sprint("f", i)), filepath.Join(dir, fmt.Sprint("last", i))
		check(os.WriteFile(f, []byte("x"), 0o644))
		check(os.Chmod(f, 0o600))
		check(os.Rename(f, f+"to"))
		check(os.Remove(f + "to"))
		check(os.WriteFile(last, nil, 0o644))
		heard := heardUntil(t, s, last)
		want := fsnotify.Create | CloseWrite | fsnotify.Chmod | fsnotify.Rename
		if !leftOut {
			want |= fsnotify.Write
		}
		if heard[f] != want {
			t.Errorf("with writes left out (%v): heard %v of the file, want %v", leftOut, heard[f], want)
		}
		if want := fsnotify.Create | fsnotify.Remove; heard[f+"to"] != want {
			t.Errorf("with writes left out (%v): heard %v of its new name, want %v", leftOut, heard[f+"to"], want)
		}
	}
}

func TestNothingElseIsLostWhenWritesBeginAndCeaseToBeLeftOut(t *testing.T) {
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dir := tempDir(t)
	if err := s.Add(dir, true); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := s.(Sparing).Spare(dir); err != nil {
				t.Error(err)
				return
			}
			if err := s.Add(dir, true); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	const files = 500
	path := func(i int) string { return filepath.Join(dir, fmt.Sprint(i)) }
	made := make(chan error, 1)
	go func() {
		for i := range files + 1 {
			if err := os.WriteFile(path(i), []byte("x"), 0o644); err != nil {
				made <- err
				return
			}
		}
		made <- nil
	}()
	heard := heardUntil(t, s, path(files))
	close(stop)
	<-stopped
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	for i := range files {
		if !heard[path(i)].Has(fsnotify.Create | CloseWrite) {
			t.Fatalf("of file %d was heard %v", i, heard[path(i)])
		}
	}
}

func TestSourceKnowsHowMuchTheKernelKeeps(t *testing.T) {
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	k := s.(Keeping)
	if k.Room() <= 0 || k.Waiting() != 0 {
		t.Errorf("of %d notifications that the kernel keeps, %d wait before the first", k.Room(), k.Waiting())
	}
	dir := tempDir(t)
	if err := s.Add(dir, false); err != nil {
		t.Fatal(err)
	}
	const files = Buffer + 1<<16/32 // more than may be anywhere else
	for i := range files {
		if err := os.Mkdir(filepath.Join(dir, fmt.Sprint(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if n := k.Waiting(); n <= 0 || n > files {
		t.Errorf("%d of %d notifications wait", n, files)
	}
}

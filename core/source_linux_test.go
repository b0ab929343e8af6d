package core

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fsnotify sends the error of a watch that vanished with its lock held; the
// loop, inside Remove, once waited for that lock while the error waited for the
// loop.
func TestSourceDoesNotDeadlockOnADirectoryMovedAndDeleted(t *testing.T) {
	s, err := newFsnotifySource()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	busy, moved := t.TempDir(), filepath.Join(t.TempDir(), "moved")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.Mkdir(moved, 0o755))
	check(s.Add(busy, true))
	check(s.Add(moved, true))
	for i := range sourceBuffer + 16 { // the reader of the kernel's queue stalls
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
			if e.Name == filepath.Join(busy, fmt.Sprint(sourceBuffer)) {
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

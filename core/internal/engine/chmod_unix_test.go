// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// statWatch counts the looks at one file.
type statWatch struct {
	fsys.OS
	path *string
	n    *atomic.Int32
}

func (d statWatch) Stat(path string) (fsys.Info, error) {
	if path == *d.path {
		d.n.Add(1)
	}
	return d.OS.Stat(path)
}

// A snapshot holds what was checked whatever becomes of the file's mode: chmod(1)
// again and again must not have a slow validator begin anew each time.
func TestModeChangesDoNotHoldUpAVersionThatIsValidated(t *testing.T) {
	var path string
	var looks, calls atomic.Int32
	h := newWokenQuiet(t, Options{disk: statWatch{path: &path, n: &looks}})
	path = h.file
	inside, leave := make(chan struct{}, 100), make(chan struct{})
	t.Cleanup(func() { close(leave) })
	h.must(h.m.SetValidator(func(Candidate) error {
		calls.Add(1)
		inside <- struct{}{}
		<-leave
		return nil
	}, nil))
	h.put(h.file, "v1")
	h.enable(Safe{})
	<-inside
	chmod := func() {
		for i := range 5 {
			before := looks.Load()
			h.must(os.Chmod(h.file, 0o700+os.FileMode(i)))
			h.until("the mode was noticed", func() bool { return looks.Load() > before })
		}
	}
	chmod()
	leave <- struct{}{}
	h.until("it waits for the host", func() bool { return h.stats().Validating == 0 })
	chmod()
	if s := h.stats(); s.Superseded != 0 || s.Snapshots != 1 {
		t.Errorf("%d versions superseded, %d snapshots; want 0 and 1", s.Superseded, s.Snapshots)
	}
	if ev := h.hears(FileChanged); h.read(ev.Snapshot) != "v1" {
		t.Errorf("event %+v", ev)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("validated %d times, want once", n)
	}
}

// touch(1) with a time is heard of as a change of attributes, too.
func TestModificationTimeSetWhileAVersionIsValidatedIsAnotherVersion(t *testing.T) {
	h := newWokenQuiet(t, Options{})
	inside, leave := make(chan struct{}, 100), make(chan struct{})
	t.Cleanup(func() { close(leave) })
	h.must(h.m.SetValidator(func(Candidate) error {
		inside <- struct{}{}
		<-leave
		return nil
	}, nil))
	h.put(h.file, "v1")
	h.enable(Safe{})
	<-inside
	epoch := time.Unix(315532800, 0)
	h.must(os.Chtimes(h.file, epoch, epoch))
	h.until("it was noticed", func() bool { return h.stats().Settling == 1 })
	leave <- struct{}{}
	<-inside
	leave <- struct{}{}
	if ev := h.hears(FileChanged); ev.Generation != 1 {
		t.Errorf("event %+v", ev)
	}
}

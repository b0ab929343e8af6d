// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// hearingDisk is a source that listens to silent directories.
type hearingDisk struct {
	*fakeDisk
	heard map[string]bool
}

func (d *hearingDisk) Heard() <-chan fsnotify.Event { return nil }
func (d *hearingDisk) Hear(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard[path] = true
}
func (d *hearingDisk) Deafen(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.heard, path)
}
func (d *hearingDisk) hears(path string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.heard[path]
}

// What was listened to ends with its source: no room for another one is no fault, and the
// next one listens again.
func TestSourceThatGoesTakesAlongWhatItListensTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const dir, file = "/net/plugins", "/net/plugins/a.so"
		h := &host{t: t, disk: newFakeDisk()}
		h.disk.mkdir("/net")
		h.disk.mkdir(dir)
		h.disk.replace(file, "v0")
		var sources []*hearingDisk
		room := true
		h.start(Options{newSource: func() (watch.Source, error) {
			if !room {
				return nil, errors.New("no room")
			}
			s := &hearingDisk{h.disk, map[string]bool{}}
			sources = append(sources, s)
			return s, nil
		}}, func(d *fakeDisk) fsys.Disk { return d })
		defer h.m.Close()
		h.enable("a", file)
		if len(sources) != 1 || !sources[0].hears(dir) {
			t.Fatal("the directory is not listened to")
		}
		replace := func() {
			h.m.mu.Lock()
			h.m.replaceSource(h.m.intake.src)
			h.m.mu.Unlock()
			time.Sleep(time.Minute)
		}
		room = false
		replace()
		if _, err := h.m.Disable("a"); err != nil {
			t.Fatal(err)
		}
		h.enable("a", file)
		room = true
		replace()
		if last := sources[len(sources)-1]; len(sources) < 2 || !last.hears(dir) {
			t.Error("the next source does not listen to the directory")
		}
		if _, err := h.m.Disable("a"); err != nil {
			t.Fatal(err)
		}
		if sources[len(sources)-1].hears(dir) {
			t.Error("the directory is listened to although nothing in it is enabled")
		}
		if s := h.stats(); s.Failed {
			t.Error("the manager failed")
		}
	})
}

// SPDX-License-Identifier: MIT

package engine

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// deniedSource may not read the directory of the plugin.
type deniedSource struct{ watch.Hearer }

func (s deniedSource) Add(path string, files bool) error {
	if filepath.Base(path) == "sub" {
		return &fs.PathError{Op: "watch", Path: path, Err: unix.EACCES}
	}
	return s.Hearer.Add(path, files)
}

// unknownHost is a host that the system does not report writers to.
type unknownHost struct {
	*realHost
	checks *atomic.Int32
	paused bool
}

// eachUnknown runs a test in each kind of directory where writers are unknown.
func eachUnknown(t *testing.T, quiet time.Duration, test func(h *unknownHost)) {
	for name, change := range map[string]func(*Options, *unknownDisk){
		"another user's file": func(*Options, *unknownDisk) {},
		"FUSE":                func(_ *Options, d *unknownDisk) { d.silent = true },
		"in an unreadable place": func(o *Options, _ *unknownDisk) {
			o.newSource, o.mayRead = deniedOpen, func(dir string) bool { return filepath.Base(dir) != "sub" }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := unknownDisk{Disk: fsys.OS{}, checks: new(atomic.Int32)}
			o := Options{Quiet: quiet, MaxDelay: 60 * ms, PollInterval: 20 * ms, HeldAfter: NeverHeld}
			change(&o, &d)
			o.disk = d
			h := &unknownHost{realHost: onDisk(t, o), checks: d.checks}
			h.awaitStat("the first check", func(s Stats) bool { return s.Settling == 0 })
			h.awaitStat("the first check", func(s Stats) bool { return s.Settling == 0 })
			test(h)
		})
	}
}

func deniedOpen() (watch.Source, error) {
	s, err := watch.Open()
	if err != nil {
		return nil, err
	}
	return deniedSource{s.(watch.Hearer)}, nil
}

// pause waits until the file was checked so often that a quiet period and the maximum
// delay have passed: each check comes twice as long after the last.
func (h *unknownHost) pause() {
	h.t.Helper()
	h.awaitStat("being written", func(s Stats) bool { return s.BeingWritten == 1 })
	before, n := h.checks.Load(), int32(1)
	if !h.paused {
		h.paused, n = true, 7
	}
	h.await("checks", func() bool { return h.checks.Load() >= before+n })
}

func (h *unknownHost) open(flags int) *os.File {
	h.t.Helper()
	f, err := os.OpenFile(h.file, flags, 0)
	h.must(err)
	return f
}

func (h *unknownHost) write(f *os.File, text string) {
	h.t.Helper()
	_, err := f.WriteString(text)
	h.must(err)
}

func TestWriterThatPausesIsWaitedForWhereWritersAreUnknown(t *testing.T) {
	eachUnknown(t, 30*ms, func(h *unknownHost) {
		f := h.open(os.O_WRONLY | os.O_TRUNC)
		for _, part := range []string{"one ", "two"} {
			h.write(f, part)
			h.pause()
		}
		h.must(f.Close())
		h.expect("one two")
		h.awaitStat("it counts", func(s Stats) bool { return s.WritersUnknown == 1 && s.Deliveries == 1 })
		h.quiet()
	})
}

// It takes longer than the maximum delay, and never pauses.
func TestLongWriterIsWaitedForWhereWritersAreUnknown(t *testing.T) {
	eachUnknown(t, 30*ms, func(h *unknownHost) {
		f := h.open(os.O_WRONLY | os.O_TRUNC)
		before, n := h.checks.Load(), 0
		for ; h.checks.Load() < before+8; n++ {
			h.write(f, "x")
		}
		h.must(f.Close())
		h.expect(strings.Repeat("x", n))
		h.quiet()
	})
}

// The next round begins within the quiet period.
func TestWriterOfSeveralRoundsWhereWritersAreUnknown(t *testing.T) {
	eachUnknown(t, time.Second, func(h *unknownHost) {
		text := ""
		for _, part := range []string{"one ", "two"} {
			f := h.open(os.O_WRONLY | os.O_TRUNC)
			h.write(f, text)
			h.write(f, "- ")
			h.pause()
			text += part
			h.must(f.Truncate(0))
			_, err := f.WriteAt([]byte(text), 0)
			h.must(err)
			h.must(f.Close())
		}
		h.expect(text)
	})
}

// The descriptor is closed before the mapping is written.
func TestMappedWriterIsWaitedForWhereWritersAreUnknown(t *testing.T) {
	eachUnknown(t, 30*ms, func(h *unknownHost) {
		f := h.open(os.O_RDWR | os.O_TRUNC)
		h.must(f.Truncate(2))
		mem, err := unix.Mmap(int(f.Fd()), 0, 2, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		h.must(err)
		h.must(f.Close())
		for i := range mem {
			h.pause()
			mem[i] = 'm'
		}
		h.must(unix.Munmap(mem))
		h.expect("mm")
		h.quiet()
	})
}

// Another file is renamed over the one that somebody still writes.
func TestReplacedFileIsNotWaitedForWhereWritersAreUnknown(t *testing.T) {
	eachUnknown(t, 30*ms, func(h *unknownHost) {
		f := h.open(os.O_WRONLY | os.O_TRUNC)
		defer f.Close()
		h.write(f, "never closed")
		h.pause()
		h.replace(h.file, "v1")
		h.expect("v1")
	})
}

// truncate(2) opens no file, so that no close is ever notified.
func TestTruncatedByItsPathWhereWritersAreUnknown(t *testing.T) {
	d := unknownDisk{Disk: fsys.OS{}, checks: new(atomic.Int32)}
	h := newHeld(t, Options{disk: d, HeldAfter: 100 * ms})
	h.must(os.Truncate(h.file, 1))
	if ev := h.nextHealth(); !strings.Contains(ev.Message, "not closed") || !strings.Contains(ev.Message, "rename") {
		t.Errorf("the event says %q", ev.Message)
	}
	if len(h.told) > 0 {
		t.Error("delivered, although it may be half-written")
	}
	h.put(h.file, "v1")
	h.expect("v1")

	h = newHeld(t, Options{disk: d, HeldAfter: 100 * ms, DeliverHeld: true})
	h.must(os.Truncate(h.file, 1))
	h.expect("v")
}

// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// These tests are on the real disk, which is polled, so that time is fake: a part of
// it plays the file system that ceases to answer.

// hungTree is a directory with the plugin a, and one on the file system that hangs.
type hungTree struct {
	t            *testing.T
	root         string
	app, hung, b string // b is the plugin's path as registered
}

func (h *hungTree) put(path, content string) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hungTree) link(path, to string) {
	h.t.Helper()
	if err := os.Symlink(to, path); err != nil {
		h.t.Fatal(err)
	}
}

// isHung reports whether an access asks the file system that hangs.
func (h *hungTree) isHung(op, path string) bool {
	dir, name := filepath.Split(path)
	if op == "Lstat" || op == "Readlink" {
		dir, err := filepath.EvalSymlinks(dir)
		return err == nil && isBelow(filepath.Join(dir, name), h.hung)
	}
	real, err := filepath.EvalSymlinks(path)
	return err == nil && isBelow(real, h.hung)
}

// options are those of a manager for which the tree's file system is mount.
func (h *hungTree) options(o Options, mount *hungMount) Options {
	o.ForcePolling, o.checkImage = true, func(io.ReaderAt, int64) error { return nil }
	o.disk = hookedDisk{fsys.OS{}, func(op, path string, access func()) {
		if h.isHung(op, path) {
			path = "/hung"
		} else {
			path = "/"
		}
		mount.around(op, path, access)
	}}
	o.mountOf = func(path string) string {
		if isBelow(path, h.hung) {
			return h.hung
		}
		return "/"
	}
	return o
}

func newHungTree(t *testing.T) *hungTree {
	h := &hungTree{t: t, root: realTempDir(t)}
	h.app, h.hung = filepath.Join(h.root, "app"), filepath.Join(h.root, "hung")
	h.put(filepath.Join(h.app, "a.so"), "v0")
	return h
}

type linkedStory struct {
	name    string
	o       Options
	safe    *Safe
	prepare func(h *hungTree) // makes b
	change  func(h *hungTree)
	store   bool // the snapshots are on the file system that hangs
	steps   bool // of the copy are accesses to it
}

func hungFile(h *hungTree) string { return filepath.Join(h.hung, "dir", "b.so") }

func ownFile(h *hungTree) string { return filepath.Join(h.app, "b.so") }

var linkedStories = []linkedStory{
	{name: "through a link on the way",
		prepare: func(h *hungTree) {
			h.put(hungFile(h), "v0")
			h.link(filepath.Join(h.app, "current"), filepath.Join(h.hung, "dir"))
			h.b = filepath.Join(h.app, "current", "b.so")
		},
		change: func(h *hungTree) { h.put(hungFile(h), "v1") }},
	{name: "through a link at its name", o: Options{CheckImage: true, Dispatch: DispatchManual},
		prepare: func(h *hungTree) {
			h.put(hungFile(h), "v0")
			h.b = ownFile(h)
			h.link(h.b, hungFile(h))
		},
		change: func(h *hungTree) { h.put(hungFile(h), "v1") }},
	{name: "safe", safe: &Safe{}, steps: true,
		prepare: func(h *hungTree) {
			h.b = hungFile(h)
			h.put(h.b, "v0")
		},
		change: func(h *hungTree) { h.put(h.b, "v1") }},
	{name: "safe, companion file", safe: &Safe{},
		prepare: func(h *hungTree) {
			h.b = ownFile(h)
			h.put(h.b, "v0")
			h.put(filepath.Join(h.hung, "data", "c.dat"), "v0")
			h.link(filepath.Join(h.app, "data"), filepath.Join(h.hung, "data"))
		},
		change: func(h *hungTree) { h.put(filepath.Join(h.hung, "data", "c.dat"), "v1") }},
	{name: "safe, snapshots", safe: &Safe{}, store: true, steps: true,
		prepare: func(h *hungTree) {
			h.b = ownFile(h)
			h.put(h.b, "v0")
		},
		change: func(h *hungTree) { h.put(h.b, "v1") }},
}

func TestFileSystemBehindALinkOrOfSafeReloadThatHangsHoldsUpNothingElse(t *testing.T) {
	for _, s := range linkedStories {
		for _, ending := range hungEndings {
			t.Run(s.name+": "+ending, func(t *testing.T) {
				t.Parallel()
				n := 1
				for n <= mostHungAccesses && hangLinked(t, s, ending, n) {
					n++
				}
				if !t.Failed() && n < 4 {
					t.Errorf("only %d accesses", n-1)
				}
			})
		}
	}
}

func hangLinked(t *testing.T, s linkedStory, ending string, n int) (reached bool) {
	t.Helper()
	h := newHungTree(t)
	a := filepath.Join(h.app, "a.so")
	s.prepare(h)
	if s.name == "safe, companion file" {
		s.safe = &Safe{Files: []string{"data/c.dat"}}
	}
	synctest.Test(t, func(t *testing.T) {
		mount := &hungMount{answered: make(chan struct{})}
		defer mount.answer()
		o := h.options(s.o, mount)
		snapshots := filepath.Join(h.root, "snapshots")
		if s.store {
			snapshots = filepath.Join(h.hung, "snapshots")
		}
		o.SnapshotDir = &snapshots
		if s.steps {
			o.step = func(step string) {
				switch step {
				case "begun", "stable", "validated": // the engine's own
				case "opening":
					if !s.store {
						mount.around("step "+step, "/hung", func() {})
					}
				default:
					if s.store {
						mount.around("step "+step, "/hung", func() {})
					}
				}
			}
		}
		m, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		var mu sync.Mutex
		counts := map[string]int{}
		told := func(id string) int {
			mu.Lock()
			defer mu.Unlock()
			return counts[id]
		}
		var codes []HealthCode
		var places []string
		m.SetEventCallback(func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case e.Kind == FileChanged:
				counts[e.ID]++
			case e.Health == HealthHanging || e.Health == HealthAnswering:
				codes, places = append(codes, e.Health), append(places, e.Path)
			}
		}, nil)
		pass := func(d time.Duration) { pass(t, d, o, m) }
		if err := m.Enable("a", a, EnableOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := m.Enable("b", h.b, EnableOptions{Safe: s.safe}); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Second)
		mount.arm(n)
		s.change(h)
		pass(5 * time.Second)
		if reached = mount.isHanging(); !reached {
			if told("b") != 1 {
				t.Errorf("without hanging: %d deliveries, want 1", told("b"))
			}
			return
		}
		fail := func(format string, args ...any) {
			t.Helper()
			t.Errorf("hanging at access %d (%s): %s", n, mount.at, fmt.Sprintf(format, args...))
		}
		h.put(a, "v1")
		pass(4 * time.Second)
		if told("a") != 1 {
			fail("%d deliveries of the plugin on another file system, want 1", told("a"))
		}
		mu.Lock()
		got := strings.Join(places, " ")
		mu.Unlock()
		if got != h.hung {
			fail("health events about %q, want %q", got, h.hung)
		}
		before := told("b")
		switch ending {
		case "disabled":
			takesAtMost(t, 2*hangsAfter, "Disable", func() { m.Disable("b") })
		case "closed":
			takesAtMost(t, 2*time.Second, "Close", m.Close)
			mount.answer()
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if told("b") != before {
				fail("delivered after Close")
			}
			if list, _ := filepath.Glob(filepath.Join(snapshots, "*", "*")); len(list) > 0 {
				fail("after Close snapshots are left: %q", list)
			}
			return
		}
		mount.answer()
		pass(10 * time.Second)
		mu.Lock()
		reports := slices.Clone(codes)
		mu.Unlock()
		if want := []HealthCode{HealthHanging, HealthAnswering}; !slices.Equal(reports, want) {
			fail("health %v, want %v", reports, want)
		}
		if ending == "disabled" {
			if told("b") != before {
				fail("delivered after Disable")
			}
			return
		}
		if told("b") != 1 {
			fail("%d deliveries, want 1", told("b"))
		}
		s.change(h)
		pass(10 * time.Second)
		if told("b") != 2 && s.safe == nil { // with safe reload: the content is the same
			fail("%d deliveries after the next change, want 2", told("b"))
		}
	})
	return reached && !t.Failed()
}

// However many plugins there are and however often they are polled: a call that does
// not return keeps a thread.
func TestFileSystemThatHangsKeepsFewThreads(t *testing.T) {
	const dirs = 30
	for _, linked := range []bool{false, true} {
		t.Run(fmt.Sprintf("linked: %v", linked), func(t *testing.T) {
			h := newHungTree(t)
			synctest.Test(t, func(t *testing.T) {
				mount := &hungMount{answered: make(chan struct{})}
				defer mount.answer()
				m, err := New(h.options(Options{}, mount))
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				var delivered atomic.Int32
				m.SetReloadCallback(func(string) { delivered.Add(1) }, nil)
				for i := range dirs {
					name := fmt.Sprint(i)
					h.put(filepath.Join(h.hung, name, "p.so"), "v0")
					path := filepath.Join(h.hung, name, "p.so")
					if linked {
						h.link(filepath.Join(h.app, name), filepath.Join(h.hung, name))
						path = filepath.Join(h.app, name, "p.so")
					}
					if err := m.Enable(name, path, EnableOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				pass(t, 5*time.Second, Options{}, m)
				for i := range dirs {
					h.put(filepath.Join(h.hung, fmt.Sprint(i), "p.so"), "v1")
				}
				mount.arm(1)
				pass(t, time.Minute, Options{}, m)
				if n := mount.hung(); n > maxWorkers {
					t.Errorf("%d calls do not return, want at most %d", n, maxWorkers)
				}
				mount.answer()
				pass(t, 10*time.Second, Options{}, m)
				if n := delivered.Load(); n != dirs {
					t.Errorf("%d deliveries once it answers again, want %d", n, dirs)
				}
			})
		})
	}
}

// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// safeHost is a host that loads snapshots: it reads them whole.
type safeHost struct {
	t         *testing.T
	dir, file string
	snapshots string
	m         *Engine
	events    chan Event
}

// newSafe starts a manager for the file plugin.so, whose present version it delivers.
func newSafe(t *testing.T, o Options, safe Safe, content string) *safeHost {
	t.Helper()
	h := quietSafe(t, o)
	h.put(h.file, content)
	h.enable(safe)
	return h
}

// quietSafe enables nothing yet.
func quietSafe(t *testing.T, o Options) *safeHost {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &safeHost{t: t, dir: filepath.Join(dir, "app"), events: make(chan Event, 10000)}
	h.file = filepath.Join(h.dir, "plugin.so")
	h.must(os.Mkdir(h.dir, 0o755))
	if o.SnapshotDir == nil {
		o.SnapshotDir = new(filepath.Join(dir, "snapshots"))
	}
	h.snapshots = *o.SnapshotDir
	if o.Quiet == 0 {
		o.Quiet = 20 * ms
	}
	h.m, err = New(o)
	h.must(err)
	t.Cleanup(h.m.Close)
	h.must(h.m.SetEventCallback(func(ev Event) {
		if ev.Kind != Enabled && ev.Kind != Disabled {
			h.events <- ev
		}
	}, nil))
	return h
}

func (h *safeHost) enable(safe Safe) {
	h.t.Helper()
	h.must(h.m.Enable("p", h.file, EnableOptions{Safe: &safe, DeliverPresent: true}))
}

func (h *safeHost) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *safeHost) put(path, content string) {
	h.t.Helper()
	h.must(os.WriteFile(path, []byte(content), 0o644))
}

func (h *safeHost) replace(path, content string) {
	h.t.Helper()
	h.put(path+".tmp", content)
	h.must(os.Rename(path+".tmp", path))
}

// next is the next event, which must be of that kind.
func (h *safeHost) next(kind Kind) Event {
	h.t.Helper()
	select {
	case ev := <-h.events:
		if ev.Kind != kind {
			h.t.Fatalf("event %+v, want kind %d", ev, kind)
		}
		return ev
	case <-time.After(bound):
		h.t.Fatalf("no event of kind %d within %v", kind, bound)
	}
	return Event{}
}

// change expects a change whose snapshot has this content.
func (h *safeHost) change(content string) Event {
	h.t.Helper()
	ev := h.next(FileChanged)
	if got := h.read(ev.Snapshot); got != content {
		h.t.Fatalf("generation %d: the snapshot holds %.40q, want %.40q", ev.Generation, got, content)
	}
	return ev
}

func (h *safeHost) read(path string) string {
	h.t.Helper()
	b, err := os.ReadFile(path)
	h.must(err)
	return string(b)
}

func (h *safeHost) report(generation uint64, o Outcome) {
	h.t.Helper()
	h.must(h.m.ReportReload("p", generation, o, "as the test wants it"))
}

func (h *safeHost) stats() Stats {
	h.t.Helper()
	s, err := h.m.Stats()
	h.must(err)
	return s
}

// until waits for a condition.
func (h *safeHost) until(what string, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(bound); !ok(); time.Sleep(ms) {
		if time.Now().After(end) {
			h.t.Fatalf("not within %v: %s (%+v)", bound, what, h.stats())
		}
	}
}

func noFile(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func (h *safeHost) mkdir(name string, mode fs.FileMode) string {
	dir := filepath.Join(filepath.Dir(h.dir), name)
	h.must(os.Mkdir(dir, 0o700))
	h.must(os.Chmod(dir, mode))
	return dir
}

func (h *safeHost) link(name, to string) string {
	at := filepath.Join(filepath.Dir(h.dir), name)
	h.must(os.Symlink(to, at))
	return at
}

// compile builds a shared library from C.
func (h *safeHost) compile(to, source string) {
	h.t.Helper()
	c := filepath.Join(filepath.Dir(h.dir), "source.c")
	h.put(c, source)
	out := filepath.Join(filepath.Dir(h.dir), "built.so")
	if b, err := exec.Command("cc", "-shared", "-fPIC", c, "-o", out).CombinedOutput(); err != nil {
		h.t.Fatalf("%v: %s", err, b)
	}
	h.must(os.Rename(out, to))
}

// removeTree removes a directory whose sub-directories are read-only.
func removeTree(root string) error {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(root)
}

// enableWith enables a plugin with safe reload in a snapshot directory.
func enableWith(t *testing.T, snapshots string) (*safeHost, error) {
	t.Helper()
	h := quietSafe(t, Options{SnapshotDir: new(snapshots)})
	h.put(h.file, "v1")
	return h, h.m.Enable("p", h.file, EnableOptions{Safe: &Safe{}, DeliverPresent: true})
}

// realTempDir is a temporary directory by its path without links.
func realTempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// These tests run on the real file system. They wait for a condition with a
// bound; that nothing is told is proved by a later change that is.

// bound is far beyond what any step takes.
const bound = 20 * time.Second

type realHost struct {
	t    *testing.T
	dir  string
	file string
	m    *Engine
	told chan string // what a host would have loaded at each delivery
}

// onDisk starts a manager for the file plugin.so in a new directory.
func onDisk(t *testing.T, o Options) *realHost {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &realHost{t: t, dir: dir, file: filepath.Join(dir, "sub", "plugin.so"), told: make(chan string, 1000)}
	h.must(os.Mkdir(filepath.Dir(h.file), 0o755))
	h.put(h.file, "v0")
	if o.Quiet == 0 {
		o.Quiet = 30 * ms
	}
	m, err := New(o)
	h.must(err)
	t.Cleanup(m.Close)
	h.m = m
	h.must(m.SetReloadCallback(func(string) {
		b, err := os.ReadFile(h.file)
		if err != nil {
			b = []byte(err.Error())
		}
		h.told <- string(b)
	}, nil))
	h.must(m.Enable("p", h.file, EnableOptions{}))
	return h
}

func (h *realHost) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *realHost) put(path, content string) {
	h.t.Helper()
	h.must(os.WriteFile(path, []byte(content), 0o644))
}

// replace is how careful tools write: a temporary file, renamed over.
func (h *realHost) replace(path, content string) {
	h.t.Helper()
	h.put(path+".tmp", content)
	h.must(os.Rename(path+".tmp", path))
}

// expect waits for the next delivery and checks what could be loaded then.
func (h *realHost) expect(want string) {
	h.t.Helper()
	select {
	case got := <-h.told:
		if got != want {
			h.t.Fatalf("told at %q, want %q", short(got), short(want))
		}
	case <-time.After(bound):
		s, _ := h.m.Stats()
		h.t.Fatalf("not told of %q within %v; stats %+v", short(want), bound, s)
	}
}

// quiet proves that nothing was told: a further change is the next delivery.
func (h *realHost) quiet() {
	h.t.Helper()
	s := fmt.Sprint("sentinel ", time.Now().UnixNano())
	h.replace(h.file, s)
	h.expect(s)
}

func (h *realHost) await(what string, ok func() bool) {
	h.t.Helper()
	deadline := time.Now().Add(bound)
	for !ok() {
		if time.Now().After(deadline) {
			s, _ := h.m.Stats()
			h.t.Fatalf("%s: not within %v; stats %+v", what, bound, s)
		}
		runtime.Gosched()
	}
}

func (h *realHost) awaitStat(what string, ok func(Stats) bool) {
	h.t.Helper()
	h.await(what, func() bool { s, err := h.m.Stats(); h.must(err); return ok(s) })
}

func short(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%s… (%d bytes)", s[:60], len(s))
	}
	return s
}

// bothWays runs a test with notifications and with forced polling.
func bothWays(t *testing.T, test func(h *realHost)) {
	t.Run("notified", func(t *testing.T) { t.Parallel(); test(onDisk(t, Options{})) })
	t.Run("polled", func(t *testing.T) {
		t.Parallel()
		test(onDisk(t, Options{ForcePolling: true, PollInterval: 20 * ms}))
	})
}

func TestReplacedFile(t *testing.T) {
	bothWays(t, func(h *realHost) {
		for i := range 5 {
			v := fmt.Sprint("v", i+1)
			h.replace(h.file, v)
			h.expect(v)
		}
		h.quiet()
	})
}

func TestRewrittenInPlace(t *testing.T) {
	bothWays(t, func(h *realHost) {
		for i := range 5 {
			v := strings.Repeat(fmt.Sprint("v", i+1), 100000)
			h.put(h.file, v)
			h.expect(v)
		}
		h.quiet()
	})
}

func TestDeletedAndRecreated(t *testing.T) {
	bothWays(t, func(h *realHost) {
		for i := range 3 {
			h.must(os.Remove(h.file))
			v := fmt.Sprint("v", i+1)
			h.put(h.file, v)
			h.expect(v)
		}
		h.quiet()
	})
}

func TestWriterThatHoldsTheFileOpen(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "windows" {
		return // no system call tells there who writes
	}
	bothWays(t, func(h *realHost) {
		f, err := os.OpenFile(h.file, os.O_WRONLY|os.O_TRUNC, 0)
		h.must(err)
		_, err = f.WriteString("first half, ")
		h.must(err)
		h.awaitStat("being written", func(s Stats) bool { return s.BeingWritten == 1 })
		_, err = f.WriteString("second half")
		h.must(err)
		h.must(f.Close())
		h.expect("first half, second half")
		h.quiet()
	})
}

func TestChmodReadersAndSiblings(t *testing.T) {
	bothWays(t, func(h *realHost) {
		h.must(os.Chmod(h.file, 0o600))
		_, err := os.ReadFile(h.file)
		h.must(err)
		h.put(filepath.Join(h.dir, "sub", "other.so"), "x")
		h.must(os.Link(h.file, filepath.Join(h.dir, "sub", "link.so")))
		h.quiet()
	})
}

// Notifications of a directory speak of its own names only.
func TestFileWrittenUnderAnotherOfItsNames(t *testing.T) {
	bothWays(t, func(h *realHost) {
		alias := filepath.Join(h.dir, "alias.so")
		h.must(os.Link(h.file, alias))
		h.must(h.m.Enable("alias", alias, EnableOptions{}))
		for i := range 3 {
			v := fmt.Sprint("v", i+1)
			h.put([]string{alias, h.file}[i%2], v)
			h.expect(v)
			h.expect(v) // both ids
		}
		h.replace(h.file, "alone") // the other name keeps the old file
		h.expect("alone")
		h.quiet()
	})
}

func TestParentRenamedAwayAndAnotherInItsPlace(t *testing.T) {
	bothWays(t, func(h *realHost) {
		for i := range 3 {
			h.must(os.Rename(filepath.Dir(h.file), filepath.Join(h.dir, fmt.Sprint("old", i))))
			h.must(os.Mkdir(filepath.Dir(h.file), 0o755))
			v := fmt.Sprint("in the new directory ", i)
			h.put(h.file, v)
			h.expect(v)
			h.quiet()
		}
	})
}

func TestLinkedDirectoryRetargeted(t *testing.T) {
	bothWays(t, func(h *realHost) {
		current := filepath.Join(h.dir, "current")
		for _, r := range []string{"release-1", "release-2", "release-3"} {
			h.must(os.Mkdir(filepath.Join(h.dir, r), 0o755))
			h.put(filepath.Join(h.dir, r, "plugin.so"), r)
		}
		h.must(os.Symlink("release-1", current))
		_, err := h.m.Disable("p")
		h.must(err)
		h.file = filepath.Join(current, "plugin.so")
		h.must(h.m.Enable("p", h.file, EnableOptions{}))
		for _, r := range []string{"release-2", "release-3", "release-1"} {
			h.must(os.Symlink(r, current+".tmp"))
			h.must(os.Rename(current+".tmp", current))
			h.expect(r)
			h.quiet() // the target itself is watched too
			h.put(filepath.Join(h.dir, r, "plugin.so"), r)
			h.expect(r)
		}
	})
}

func TestLinkedFileRetargetedAndItsTargetRewritten(t *testing.T) {
	bothWays(t, func(h *realHost) {
		h.must(os.Mkdir(filepath.Join(h.dir, "store"), 0o755))
		target := func(n int) string { return filepath.Join(h.dir, "store", fmt.Sprint("v", n)) }
		for n := range 3 {
			h.put(target(n), fmt.Sprint("stored ", n))
		}
		for n := range 3 {
			h.must(os.Symlink(target(n), h.file+".tmp"))
			h.must(os.Rename(h.file+".tmp", h.file))
			h.expect(fmt.Sprint("stored ", n))
			h.put(target(n), fmt.Sprint("rewritten ", n))
			h.expect(fmt.Sprint("rewritten ", n))
			h.replace(target(n), fmt.Sprint("replaced ", n))
			h.expect(fmt.Sprint("replaced ", n))
		}
	})
}

func TestRejectedPaths(t *testing.T) {
	h := onDisk(t, Options{})
	at := func(name string) string { return filepath.Join(h.dir, name) }
	h.must(os.Symlink("nowhere", at("dangling")))
	h.must(os.Symlink("loop", at("loop")))
	h.must(syscall.Mkfifo(at("fifo"), 0o644))
	long := strings.Repeat("long/", 1000)
	for _, c := range []struct {
		path string
		want error
		name string // what the message must contain
	}{
		{"", ErrInvalidPath, "empty"},
		{at("missing.so"), ErrFileNotFound, "missing.so"},
		{at("sub/plugin.so/below"), ErrFileNotFound, "below"},
		{at("dangling"), ErrFileNotFound, "dangling"},
		{at("loop"), ErrInvalidPath, "loop"},
		{h.dir, ErrInvalidPath, "directory"},
		{at("fifo"), ErrInvalidPath, "fifo"},
		{"/dev/null", ErrInvalidPath, "/dev/null"},
		{long, ErrInvalidPath, "5000"},
		{strings.Repeat("n", 300), ErrInvalidPath, "nnn"},
		{"nul\x00byte", ErrInvalidPath, `nul\x00byte`},
	} {
		err := h.m.Enable("bad", c.path, EnableOptions{})
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.name) {
			t.Errorf("Enable(%q) = %v; want %v, naming %q", short(c.path), err, c.want, c.name)
		}
	}
	for _, id := range []string{"", "a\nb", "\xff", strings.Repeat("x", 256)} {
		if err := h.m.Enable(id, h.file, EnableOptions{}); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("Enable(%q) = %v; want ErrInvalidArgument", short(id), err)
		}
	}
	if err := h.m.Enable("p", at("missing.so"), EnableOptions{}); !errors.Is(err, ErrAlreadyExists) {
		t.Errorf("enabled again: %v; want ErrAlreadyExists", err)
	}
	h.quiet()
}

func TestPathBytesThatAreNotUTF8(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // other systems have no such names
	}
	h := onDisk(t, Options{})
	_, err := h.m.Disable("p")
	h.must(err)
	h.file = filepath.Join(h.dir, "pl\xffug\xfein.so")
	h.put(h.file, "v0")
	h.must(h.m.Enable("p", h.file, EnableOptions{}))
	h.quiet()
}

func TestRelativePathIsResolvedWhenEnabled(t *testing.T) {
	h := onDisk(t, Options{})
	t.Chdir(filepath.Dir(h.file))
	_, err := h.m.Disable("p")
	h.must(err)
	h.must(h.m.Enable("p", "plugin.so", EnableOptions{}))
	t.Chdir("/")
	h.quiet()
}

func TestWriterProbe(t *testing.T) {
	if runtime.GOOS != "linux" {
		return
	}
	path := filepath.Join(t.TempDir(), "f")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if v := writerAt(path); v != fsys.HasWriter {
		t.Errorf("open for writing: %v, want somebody", v)
	}
	f.Close()
	if v := writerAt(path); v != fsys.NoWriter {
		t.Errorf("closed: %v, want nobody", v)
	}
	r, _ := os.Open(path)
	defer r.Close()
	if v := writerAt(path); v != fsys.NoWriter {
		t.Errorf("open for reading: %v, want nobody", v)
	}
	if v := writerAt(path + "x"); v != fsys.WriterUnknown {
		t.Errorf("missing: %v, want unknown", v)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	h := onDisk(t, Options{})
	h.m.Close()
	fds := func() int { e, _ := os.ReadDir("/proc/self/fd"); return len(e) }
	before, goroutines := fds(), runtime.NumGoroutine()
	for i := range 50 {
		m, err := New(Options{Dispatch: DispatchMode(i % 2)})
		h.must(err)
		h.must(m.Enable("p", h.file, EnableOptions{}))
		m.Close()
		m.Close()
	}
	h.await("goroutines ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	if after := fds(); after > before {
		t.Errorf("%d file descriptors before, %d after", before, after)
	}
}

// within waits for a result that must come.
func within(t *testing.T, what string, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(bound):
		t.Fatalf("%s: not within %v", what, bound)
		return nil
	}
}

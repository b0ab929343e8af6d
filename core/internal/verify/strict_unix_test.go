// SPDX-License-Identifier: MIT

//go:build unix

package verify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testDir is a directory whose parents are trusted.
type testDir struct {
	t         *testing.T
	dir, file string
}

func newDir(t *testing.T) *testDir {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &testDir{t: t, dir: filepath.Join(dir, "app")}
	h.file = filepath.Join(h.dir, "plugin.so")
	h.must(os.Mkdir(h.dir, 0o755))
	return h
}

func (h *testDir) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *testDir) put(path, content string) {
	h.t.Helper()
	h.must(os.WriteFile(path, []byte(content), 0o644))
}

func (h *testDir) mkdir(name string, mode os.FileMode) string {
	dir := filepath.Join(filepath.Dir(h.dir), name)
	h.must(os.Mkdir(dir, 0o700))
	h.must(os.Chmod(dir, mode))
	return dir
}

func (h *testDir) chmod(path string, to, back os.FileMode) (undo func()) {
	h.must(os.Chmod(path, to))
	return func() { h.must(os.Chmod(path, back)) }
}

// strictBelow is StrictPath with the directories above h's trusted.
func strictBelow(h *testDir) func(path string) string {
	return func(path string) string {
		trusted := map[string]bool{}
		for dir := filepath.Dir(h.dir); dir != "/"; dir = filepath.Dir(dir) {
			trusted[dir] = true
		}
		return StrictFrom(path, trusted)
	}
}

func TestStrictModes(t *testing.T) {
	h := newDir(t)
	// The directories above belong to the test's user; /tmp itself is open to all.
	base := StrictPath("/")
	if base != "" {
		t.Fatalf("the root directory is not strict: %s", base)
	}
	if why := StrictPath(filepath.Join(h.dir, "missing")); !strings.Contains(why, "no such file") {
		t.Errorf("a missing file: %q", why)
	}
	seen := strictBelow(h)
	h.put(h.file, "v1")
	if why := seen(h.file); why != "" {
		t.Errorf("a strict path: %s", why)
	}
	for what, change := range map[string]func() func(){
		"file writable by all":      func() func() { return h.chmod(h.file, 0o666, 0o644) },
		"file writable by group":    func() func() { return h.chmod(h.file, 0o664, 0o644) },
		"directory writable by all": func() func() { return h.chmod(h.dir, 0o757, 0o755) },
		"sticky directory":          func() func() { return h.chmod(h.dir, 0o777|os.ModeSticky, 0o755) },
	} {
		undo := change()
		if why := seen(h.file); !strings.Contains(why, "writable by others") {
			t.Errorf("%s: %q", what, why)
		}
		undo()
	}
	// Through links: the directory that a link leads to counts, too.
	open := h.mkdir("open2", 0o777)
	h.put(filepath.Join(open, "target.so"), "v1")
	link := filepath.Join(h.dir, "link.so")
	h.must(os.Symlink(filepath.Join(open, "target.so"), link))
	if why := seen(link); !strings.Contains(why, open) {
		t.Errorf("a link into an open directory: %q", why)
	}
	// A ".." after a link: where the link leads counts, and the links on the way there.
	open = h.mkdir("open3", 0o777)
	h.must(os.Mkdir(filepath.Join(open, "sub"), 0o755))
	h.put(filepath.Join(open, "up.so"), "v1")
	h.must(os.Symlink(filepath.Join(open, "sub"), filepath.Join(h.dir, "up")))
	closed := h.mkdir("closed", 0o755)
	h.must(os.Mkdir(filepath.Join(closed, "sub"), 0o755))
	h.put(filepath.Join(closed, "up.so"), "v1")
	h.must(os.Symlink(filepath.Join(closed, "sub"), filepath.Join(open, "hop")))
	h.must(os.Symlink(filepath.Join(open, "hop"), filepath.Join(h.dir, "hop")))
	h.must(os.Symlink("hop/../up.so", filepath.Join(h.dir, "relative.so")))
	for _, path := range []string{"/up/../up.so", "/hop/../up.so", "/relative.so"} {
		if why := seen(h.dir + path); !strings.Contains(why, open) {
			t.Errorf("%s: %q, want %s to be named", path, why, open)
		}
	}
	if os.Geteuid() == 0 {
		h.must(os.Chown(h.file, 12345, 0))
		if why := seen(h.file); !strings.Contains(why, "belongs to user 12345") {
			t.Errorf("another user's file: %q", why)
		}
		h.must(os.Chown(h.file, 0, 0))
	}
}

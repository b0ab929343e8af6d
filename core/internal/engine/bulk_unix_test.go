// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A host that enables or disables many plugins is told when that begins and when
// it is over, so that it can give memory back; not for a few.
func TestBulk(t *testing.T) {
	dir, told := t.TempDir(), make(chan bool, 16)
	m, err := New(Options{Quiet: NoQuiet, Bulk: func(under bool) { told <- under }})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	path := func(i int) string { return filepath.Join(dir, fmt.Sprint(i)) }
	for i := range many {
		if err := os.WriteFile(path(i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	enable := func(n int) {
		for i := range n {
			if err := m.Enable(fmt.Sprint(i), path(i), EnableOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	over := func(what string) {
		t.Helper()
		if !<-told || <-told {
			t.Errorf("%s: not told of the begin and then of the end", what)
		}
	}
	enable(10)
	if _, err := m.Clear(); err != nil {
		t.Fatal(err)
	}
	enable(many)
	over("enabling")
	if _, err := m.Clear(); err != nil {
		t.Fatal(err)
	}
	over("clearing")
	m.Close()
	if len(told) > 0 {
		t.Error("told more often than there were occasions")
	}
}

// Directories below one share the watches and the names of the way to it, and
// still each finds its file whatever becomes of the others and of the way.
func TestDirectoriesWithOneWayToThem(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &realHost{t: t}
	root, told := filepath.Join(base, "a", "b"), make(chan string, 100)
	h.m, err = New(Options{Quiet: 20 * ms})
	h.must(err)
	defer h.m.Close()
	h.must(h.m.SetReloadCallback(func(id string) { told <- id }, nil))
	const n = 12
	file := func(i int) string { return filepath.Join(root, fmt.Sprint(i/2), fmt.Sprint(i, ".so")) }
	fill := func() {
		for i := range n {
			h.must(os.MkdirAll(filepath.Dir(file(i)), 0o755))
			h.put(file(i), fmt.Sprint("made at ", time.Now().UnixNano()))
		}
	}
	fill()
	for i := range n {
		h.must(h.m.Enable(fmt.Sprint(i), file(i), EnableOptions{}))
	}
	expect := func(what string, from int) {
		t.Helper()
		missing := map[string]bool{}
		for i := from; i < n; i++ {
			missing[fmt.Sprint(i)] = true
		}
		for deadline := time.After(bound); len(missing) > 0; {
			select {
			case id := <-told:
				delete(missing, id)
			case <-deadline:
				t.Fatalf("%s: not told of %v", what, missing)
			}
		}
	}
	h.awaitStat("taken up", func(s Stats) bool { return s.WatchedDirectories > n/2 && s.Settling == 0 })
	for from := 0; from < n; from += 3 {
		h.must(os.Rename(filepath.Join(base, "a"), filepath.Join(base, fmt.Sprint("was ", from))))
		fill()
		expect("the way made anew", from)
		h.must(os.Rename(root, filepath.Join(base, "a", fmt.Sprint("aside ", from))))
		fill()
		expect("its last directory made anew", from)
		elsewhere := filepath.Join(base, fmt.Sprint("elsewhere ", from))
		h.must(os.Rename(root, elsewhere))
		h.must(os.Symlink(elsewhere, root))
		fill()
		expect("a link on the way", from)
		for i := from; i < from+3; i++ {
			_, err := h.m.Disable(fmt.Sprint(i))
			h.must(err)
		}
	}
	h.awaitStat("nothing watched", func(s Stats) bool { return s.WatchedDirectories == 0 })
}

// A plugin's companion files are watched like plugins: what lies in one directory
// shares it, or each notification would be compared with each plugin's own.
func TestCompanionFilesShareTheirDirectory(t *testing.T) {
	h := &realHost{t: t}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	h.must(err)
	h.m, err = New(Options{SnapshotDir: new(filepath.Join(t.TempDir(), "snapshots"))})
	h.must(err)
	defer h.m.Close()
	folders := func() int {
		h.m.mu.Lock()
		defer h.m.mu.Unlock()
		return h.m.plugins.folders.Len()
	}
	for i := range 5 {
		path, data := filepath.Join(dir, fmt.Sprint(i, ".so")), filepath.Join(dir, fmt.Sprint(i, ".dat"))
		h.put(path, "plugin")
		h.put(data, "data")
		h.must(h.m.Enable(fmt.Sprint(i), path, EnableOptions{Safe: &Safe{Files: []string{data}}}))
	}
	if n := folders(); n != 1 {
		t.Errorf("one directory is taken for %d", n)
	}
	_, err = h.m.Clear()
	h.must(err)
	if n := folders(); n != 0 {
		t.Errorf("%d directories are kept for no plugin", n)
	}
}

//go:build unix

package core

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// nothing is a source that accepts every directory and says nothing.
type nothing struct{ watched map[string]bool }

func (nothing) Events() <-chan fsnotify.Event   { return nil }
func (nothing) Errors() <-chan error            { return nil }
func (nothing) Mounts() <-chan struct{}         { return nil }
func (n nothing) Add(path string, _ bool) error { n.watched[path] = true; return nil }
func (n nothing) Remove(path string)            { delete(n.watched, path) }
func (nothing) Close()                          {}

// walked is where the watch set ends when it follows a path, "" if nowhere.
func walked(s *watchSet, e *entry) string {
	last := place{e.folder, e.name()}
	if p := s.through[e]; p != nil {
		last = p[len(p)-1]
	}
	if last.f.real == nil {
		return ""
	}
	at := fsys.JoinPath(last.f.path(), last.name)
	if in, err := s.disk.Lstat(at); err != nil || in.Kind != fsys.Regular {
		return ""
	}
	return at
}

// FuzzPathWalk builds a forest of directories and links from the input, walks
// paths through it and compares with where the system ends. It then changes the
// forest and checks that what was watched is exactly what a new walk needs.
func FuzzPathWalk(f *testing.F) {
	f.Add([]byte("abcdefgh"))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 200, 100, 50, 25, 12})
	f.Add([]byte("links to links to links to ../links and back"))
	names := []string{"a", "b", "c", "a/b", "b/c", "c/a", "a/b/c", "b/a", "c/b"}
	targets := []string{"a", "../b", "b/c", "../../a", ".", "..", "c/../b", "/ROOT/a/b", "./c//b", "missing"}
	f.Fuzz(func(t *testing.T, program []byte) {
		root, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		grow := func(program []byte) {
			for i := 0; i+1 < len(program) && i < 40; i += 2 {
				at := filepath.Join(root, names[int(program[i])%len(names)])
				_ = os.RemoveAll(at)
				switch op := int(program[i+1]); op % 3 {
				case 0:
					_ = os.Mkdir(at, 0o755)
				case 1:
					_ = os.WriteFile(at, []byte("x"), 0o644)
				case 2:
					to := targets[op/3%len(targets)]
					if to == "/ROOT/a/b" {
						to = filepath.Join(root, "a/b")
					}
					_ = os.Symlink(to, at)
				}
			}
		}
		grow(program)
		src := nothing{map[string]bool{}}
		s := newWatchSet(src, fsys.OS{}, false)
		var stale []*folder
		s.report = func(HealthCode, string, string) {}
		s.stale = func(f *folder) { stale = append(stale, f) }
		s.leaf = func(*entry, signs) {}
		var entries []*entry
		for i, n := range names {
			abs := filepath.Join(root, n)
			if i%2 == 1 {
				abs = root + "/a/../" + n // not cleaned: ".." is the system's
			}
			dir, name := fsys.SplitPath(abs)
			e := newEntry(fmt.Sprint(i), name, newFolder(abs[:len(abs)-len(name)], len(dir), 0), 0)
			entries = append(entries, e)
			s.link(e)
		}
		check := func(when string) {
			t.Helper()
			for _, e := range entries {
				want := ""
				if st, err := os.Stat(e.abs()); err == nil && st.Mode().IsRegular() {
					if want, err = filepath.EvalSymlinks(e.abs()); err != nil {
						t.Fatal(err)
					}
				}
				if got := walked(s, e); got != want {
					t.Fatalf("%s: %s leads to %q, the watch set ends at %q", when, e.abs(), want, got)
				}
			}
		}
		check("at first")
		// Everything changes; the walk must come out right from the old state.
		if len(program) > 3 {
			grow(program[2:])
			for _, f := range s.folders {
				s.resolve(f)
			}
			for s.spread(); len(stale) > 0; s.spread() {
				f := stale[0]
				stale = stale[1:]
				s.resolve(f)
			}
			for _, e := range entries {
				s.link(e)
			}
			check("after the change")
		}
		for _, e := range entries {
			s.remove(e)
		}
		if len(s.folders)+int(s.linked.live+s.steps.live+s.byID.live+s.byPath.live)+s.polled+len(src.watched) != 0 {
			t.Fatalf("left over: %d folders, %d steps, %d watches, %d at the source", len(s.folders), s.steps.live, s.byID.live, len(src.watched))
		}
	})
}

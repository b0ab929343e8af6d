// SPDX-License-Identifier: MIT

//go:build unix

package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

const bound = 20 * time.Second

func openStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(privateBase(t))
	must(t, err)
	t.Cleanup(s.Close)
	return s
}

// entries are the names in a directory.
func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	must(t, err)
	for _, d := range list {
		names = append(names, d.Name())
	}
	return names
}

// within runs do, which must come back.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(bound):
		t.Fatalf("%s does not come back within %v", what, bound)
	}
}

func TestSeveralWorkersCopyAtTheSameTime(t *testing.T) {
	s := openStore(t)
	other, err := Open(s.Base()) // of another manager in this process
	must(t, err)
	defer other.Close()
	var all sync.WaitGroup
	roots := sync.Map{}
	for w := range 8 {
		all.Go(func() {
			for i := range 20 {
				content := fmt.Sprint(w, i)
				store := []*Store{s, other}[i%2]
				snap := take(t, store, content)
				if _, twice := roots.LoadOrStore(snap.Root, true); twice {
					t.Errorf("two snapshots in %s", snap.Root)
				}
				store.Sweep(func(string) {})
				must(t, snap.Recheck(never))
				if i%3 > 0 {
					must(t, snap.Remove())
					if !noFile(snap.Root) {
						t.Errorf("%s is there after Remove", snap.Root)
					}
				}
			}
		})
	}
	all.Wait()
	s.Close()
	other.Close()
	if left := entries(t, s.Base()); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A copy from a dead file system may hang for hours.
func TestCloseDoesNotWaitForACopyThatHangs(t *testing.T) {
	for _, at := range []string{"made", "opened", "copying", "copied", "sealed"} {
		t.Run(at, func(t *testing.T) {
			s := openStore(t)
			hangs, resume := make(chan struct{}), make(chan struct{})
			done := take(t, s, "an earlier version")
			s.Step = func(step string) {
				if step == at {
					close(hangs)
					<-resume
					s.Step = nil
				}
			}
			result := make(chan error, 1)
			go func() {
				_, err := s.Take([]Member{{source(t, "v1"), "plugin.so"}}, Limits{}, never)
				result <- err
			}()
			<-hangs
			within(t, "Close", s.Close)
			if !noFile(done.Root) {
				t.Error("Close has left a snapshot that was complete")
			}
			later, err := Open(s.Base())
			must(t, err)
			later.Sweep(func(string) {})
			if len(entries(t, s.Base())) != 1 {
				t.Error("another store has removed what is in use")
			}
			close(resume)
			if err := <-result; !errors.Is(err, fsys.ErrStopped) {
				t.Errorf("Take returned %v", err)
			}
			if left := entries(t, s.Base()); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			must(t, done.Remove()) // which is gone: no error that matters
			if _, err := s.Take([]Member{{source(t, "v1"), "plugin.so"}}, Limits{}, never); !errors.Is(err, fsys.ErrStopped) {
				t.Errorf("Take after Close: %v", err)
			}
			if left := entries(t, s.Base()); len(left) > 0 {
				t.Errorf("Take after Close left: %v", left)
			}
		})
	}
}

func TestACopyStopsInTheMiddleOfAFile(t *testing.T) {
	s := openStore(t)
	var chunks atomic.Int32
	s.Step = func(at string) {
		if at == "copying" {
			chunks.Add(1)
		}
	}
	_, err := s.Take([]Member{{source(t, strings.Repeat("x", 3*Chunk)), "plugin.so"}}, Limits{}, func() bool { return chunks.Load() >= 2 })
	switch {
	case err == nil && chunks.Load() == 1:
		t.Skip("this file system copies by reference")
	case !errors.Is(err, fsys.ErrStopped) || chunks.Load() != 2:
		t.Fatalf("Take returned %v after %d steps of 4", err, chunks.Load())
	}
	nothingLeft(t, s)
}

// nothingLeft reports a snapshot that a failed Take has left.
func nothingLeft(t *testing.T, s *Store) {
	t.Helper()
	if left, err := filepath.Glob(filepath.Join(s.Base(), "*", deep, "[0-9]*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestFilesLargerThanTheLimitAreNotRead(t *testing.T) {
	s := openStore(t)
	sparse := source(t, "")
	must(t, os.Truncate(sparse, 1<<42))
	small, one := source(t, "1234"), source(t, "5")
	for what, c := range map[string]struct {
		members []Member
		limit   int64
		bytes   int64
	}{
		"a sparse file":             {[]Member{{sparse, "p"}}, 1 << 30, 1 << 42},
		"the companion files count": {[]Member{{small, "p"}, {one, "q"}}, 4, 5},
		"exactly":                   {[]Member{{small, "p"}, {one, "q"}}, 5, 0},
		"no limit":                  {[]Member{{small, "p"}}, 0, 0},
	} {
		snap, err := s.Take(c.members, Limits{MaxBytes: c.limit}, never)
		if c.bytes == 0 {
			must(t, err)
			must(t, snap.Remove())
			continue
		}
		large, ok := errors.AsType[*TooLargeError](err)
		if !ok || large.Bytes != c.bytes || large.Limit != c.limit {
			t.Errorf("%s: %v", what, err)
		}
		nothingLeft(t, s)
		if _, err := SumOf(c.members, Limits{MaxBytes: c.limit}, never); !errors.As(err, &large) || large.Bytes != c.bytes {
			t.Errorf("%s, the sum: %v", what, err)
		}
	}
}

// A snapshot is compared with the files by one number.
func TestTheSumOfFilesIsThatOfTheirSnapshot(t *testing.T) {
	s := openStore(t)
	members := []Member{{source(t, "v1"), "plugin.so"}, {source(t, ""), "lib/empty"}}
	snap, err := s.Take(members, Limits{}, never)
	must(t, err)
	if sum, err := SumOf(members, Limits{MaxBytes: 2}, never); err != nil || sum != snap.Sum {
		t.Errorf("%x, %v; the snapshot's is %x", sum, err, snap.Sum)
	}
	must(t, os.WriteFile(members[1].Path, []byte("x"), 0o644))
	if sum, err := SumOf(members, Limits{}, never); err != nil || sum == snap.Sum {
		t.Errorf("%x, %v; another content has the snapshot's sum", sum, err)
	}
}

func TestAFileThatChangesWhileItIsCopiedIsNoVersion(t *testing.T) {
	for what, change := range map[string]func(path string) error{
		"grows without end": func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			_, err = f.Write(make([]byte, 2*Chunk))
			return errors.Join(err, f.Close())
		},
		"becomes shorter": func(path string) error { return os.Truncate(path, 10) },
		"is rewritten": func(path string) error {
			return errors.Join(os.WriteFile(path, []byte(strings.Repeat("y", Chunk+1)), 0o644), os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)))
		},
		"is another kind": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		s := openStore(t)
		path := source(t, strings.Repeat("x", Chunk+1))
		s.Step = func(at string) {
			if at == "copying" && what != "is another kind" || at == "made" && what == "is another kind" {
				if err := change(path); err != nil && what == "grows without end" {
					t.Error(err)
				}
			}
		}
		within(t, what, func() {
			if _, err := s.Take([]Member{{path, "plugin.so"}}, Limits{}, never); !errors.Is(err, ErrChanged) {
				t.Errorf("a file that %s: %v", what, err)
			}
		})
		nothingLeft(t, s)
	}
}

func TestTheCallerMayRejectAFileOnceItIsOpen(t *testing.T) {
	s := openStore(t)
	secret := errors.New("others could exchange it")
	path, more := source(t, "v1"), source(t, "more")
	asked := []string{}
	_, err := s.Take([]Member{{path, "p"}, {more, "q"}}, Limits{Opened: func(f *os.File) error {
		if asked = append(asked, f.Name()); f.Name() == more {
			return secret
		}
		return nil
	}}, never)
	if !errors.Is(err, secret) || len(asked) != 2 {
		t.Errorf("asked about %q; %v", asked, err)
	}
	nothingLeft(t, s)
}

// No link or directory that appears in the snapshot leads out of it.
func TestACopyStaysInsideItsSnapshot(t *testing.T) {
	s := openStore(t)
	outside := t.TempDir()
	s.Step = func(at string) {
		if at == "made" {
			made, err := filepath.Glob(filepath.Join(s.Base(), "*", deep, "1"))
			must(t, err)
			must(t, os.Symlink(outside, filepath.Join(made[0], "lib")))
		}
	}
	_, err := s.Take([]Member{{source(t, "v1"), "lib/plugin.so"}}, Limits{}, never)
	if err == nil {
		t.Error("a snapshot through a planted link")
	}
	if left := entries(t, outside); len(left) > 0 {
		t.Errorf("the link was followed: %v", left)
	}
}

func TestRecheckFindsASnapshotThatWasChangedOrRemoved(t *testing.T) {
	s := openStore(t)
	snap, err := s.Take([]Member{{source(t, "v1"), "plugin.so"}, {source(t, "more"), "lib/more.so"}}, Limits{}, never)
	must(t, err)
	must(t, snap.Recheck(never))
	if err := snap.Recheck(func() bool { return true }); !errors.Is(err, fsys.ErrStopped) {
		t.Errorf("stopped: %v", err)
	}
	more := snap.Files[1].Path
	must(t, os.Chmod(more, 0o700))
	must(t, os.WriteFile(more, []byte("evil"), 0o700)) // of the same size
	if err := snap.Recheck(never); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), more) {
		t.Errorf("changed: %v", err)
	}
	must(t, os.WriteFile(more, []byte("more"), 0o700))
	must(t, snap.Recheck(never))
	must(t, os.Chmod(snap.Root, 0o700))
	must(t, os.Remove(snap.Files[0].Path))
	if err := snap.Recheck(never); !errors.Is(err, ErrDamaged) {
		t.Errorf("removed: %v", err)
	}
}

// The usual directory has a name that everybody knows, in a directory where everybody
// may make one.
func TestAPlantedStandardDirectoryIsNotUsed(t *testing.T) {
	tmp, usual := inTemporary(t)
	temporary = append(temporary, tmp)
	plants := map[string]func() error{
		"a file":         func() error { return os.WriteFile(usual, nil, 0o600) },
		"a link":         func() error { return os.Symlink(t.TempDir(), usual) },
		"open to others": func() error { return errors.Join(os.Mkdir(usual, 0o700), os.Chmod(usual, 0o755)) },
	}
	if os.Geteuid() == 0 {
		plants["another user's"] = func() error {
			return errors.Join(os.Mkdir(usual, 0o700), os.Chown(usual, somebodyElse, somebodyElse))
		}
		must(t, os.Mkdir(usual+"-0", 0o700)) // of the names that ours have, too
		must(t, os.Chown(usual+"-0", somebodyElse, somebodyElse))
	}
	private := ""
	for what, plant := range plants {
		must(t, plant())
		s, err := OpenStandard()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		snap := take(t, s, "v1")
		if st, err := os.Lstat(s.Base()); err != nil || st.Mode() != 0o700|os.ModeDir || filepath.Dir(s.Base()) != tmp || s.Base() == usual || s.Base() == usual+"-0" {
			t.Errorf("%s: the snapshots are in %s (%v, %v)", what, s.Base(), st, err)
		}
		if private == "" {
			private = s.Base()
		} else if s.Base() != private {
			t.Errorf("%s: another directory, %s, so that what is left in %s stays for ever", what, s.Base(), private)
		}
		s.Close()
		if !noFile(snap.Root) {
			t.Errorf("%s: the snapshot is left", what)
		}
		must(t, os.RemoveAll(usual))
	}
	// It is taken after the store was opened.
	s, err := OpenStandard()
	must(t, err)
	defer s.Close()
	if s.Base() != usual {
		t.Fatalf("the snapshots are in %s, not in the usual %s", s.Base(), usual)
	}
	must(t, os.Remove(usual))
	must(t, os.WriteFile(usual, nil, 0o600))
	take(t, s, "v1")
	if s.Base() != private {
		t.Errorf("the snapshots are in %s, want %s", s.Base(), private)
	}
}

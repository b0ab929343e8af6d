// SPDX-License-Identifier: MIT

//go:build unix

package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const somebodyElse = 65534

// openAndTake opens a store in base and takes a snapshot of a file.
func openAndTake(t *testing.T, base string) (*Snapshot, error) {
	t.Helper()
	s, err := Open(base)
	if err != nil {
		return nil, err
	}
	t.Cleanup(s.Close)
	return s.Take([]Member{{source(t, "v1"), "plugin.so"}}, Limits{}, never)
}

// insecurely reports whether an error says that others could exchange the snapshots.
func insecurely(err error) bool {
	base, ok := errors.AsType[*BaseError](err)
	return ok && base.Insecure != ""
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("it takes root to give a directory to another user")
	}
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

// Whoever owns a directory above the snapshots can exchange them.
func TestASnapshotDirectoryBelowAnotherUsersDirectoryIsAnError(t *testing.T) {
	needRoot(t)
	for what, prepare := range map[string]func(top string) (snapshots, culprit string){
		"the parent": func(top string) (string, string) {
			return filepath.Join(top, "theirs", "snapshots"), filepath.Join(top, "theirs")
		},
		"a directory further up": func(top string) (string, string) {
			return filepath.Join(top, "theirs", "a", "b", "snapshots"), filepath.Join(top, "theirs")
		},
		"where a link leads": func(top string) (string, string) {
			if err := os.Symlink(filepath.Join(top, "theirs"), filepath.Join(top, "link")); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(top, "link", "snapshots"), filepath.Join(top, "theirs")
		},
	} {
		t.Run(what, func(t *testing.T) {
			top := realTempDir(t)
			theirs := filepath.Join(top, "theirs")
			for _, mode := range []fs.FileMode{0o755, 0o700, 0o777 | fs.ModeSticky} {
				_ = os.Remove(filepath.Join(top, "link"))
				if err := errors.Join(os.MkdirAll(filepath.Join(theirs, "a", "b"), 0o755), os.Chmod(theirs, mode), os.Chown(theirs, somebodyElse, somebodyElse)); err != nil {
					t.Fatal(err)
				}
				snapshots, culprit := prepare(top)
				_, err := openAndTake(t, snapshots)
				if !insecurely(err) {
					t.Fatalf("mode %v: %v", mode, err)
				}
				for _, want := range []string{"65534", `"` + culprit + `"`, "choose another"} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("mode %v: %q does not say %s", mode, err, want)
					}
				}
				if _, err := os.Lstat(snapshots); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("mode %v: the directory was made all the same (%v)", mode, err)
				}
			}
		})
	}
}

func TestASnapshotDirectoryBelowAWritableDirectoryIsAnError(t *testing.T) {
	for _, mode := range []fs.FileMode{0o777, 0o775, 0o772} {
		top := realTempDir(t)
		open := filepath.Join(top, "open")
		if err := errors.Join(os.Mkdir(open, 0o755), os.Chmod(open, mode)); err != nil {
			t.Fatal(err)
		}
		_, err := openAndTake(t, filepath.Join(open, "in", "snapshots"))
		if !insecurely(err) || !strings.Contains(err.Error(), `"`+open+`"`) || !strings.Contains(err.Error(), "chmod go-w") {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
}

// As in /tmp: everybody may make something there, and only its owner move it.
func TestASnapshotDirectoryMayBeBelowAStickyOne(t *testing.T) {
	top := realTempDir(t)
	sticky := filepath.Join(top, "tmp")
	if err := errors.Join(os.Mkdir(sticky, 0o755), os.Chmod(sticky, 0o777|fs.ModeSticky)); err != nil {
		t.Fatal(err)
	}
	_, err := openAndTake(t, filepath.Join(sticky, "hotreload-0"))
	must(t, err)
	if os.Geteuid() == 0 { // somebody else was there first
		taken := filepath.Join(sticky, "taken")
		must(t, errors.Join(os.Mkdir(taken, 0o700), os.Chown(taken, somebodyElse, somebodyElse)))
		for _, below := range []string{"", "/in"} {
			if _, err := openAndTake(t, taken+below); !insecurely(err) || !strings.Contains(err.Error(), "65534") {
				t.Errorf("%q: %v", below, err)
			}
		}
	}
}

// A link on the way is resolved once: who can change it later, by renaming or
// otherwise, does not lead the host elsewhere.
func TestSnapshotsAreNamedByTheirPathWithoutLinks(t *testing.T) {
	top := realTempDir(t)
	for _, d := range []string{"one", "two"} {
		if err := os.Mkdir(filepath.Join(top, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(top, "link")
	if err := os.Symlink("one", link); err != nil {
		t.Fatal(err)
	}
	store, err := Open(filepath.Join(link, "snapshots"))
	must(t, err)
	defer store.Close()
	first := take(t, store, "v1")
	must(t, errors.Join(os.Remove(link), os.Symlink("two", link)))
	second := take(t, store, "v2")
	for _, snap := range []*Snapshot{first, second} {
		if path := snap.Files[0].Path; !strings.HasPrefix(path, filepath.Join(top, "one", "snapshots")+"/") {
			t.Errorf("the snapshot %s is not in the directory that was examined", path)
		}
	}
}

// Directories that may be searched but not listed are no hindrance.
func TestASnapshotDirectoryBelowAnUnlistableOne(t *testing.T) {
	if passThrough == os.O_RDONLY {
		t.Skip("this system can only open directories that may be listed")
	}
	top := realTempDir(t)
	search := filepath.Join(top, "search")
	if err := errors.Join(os.MkdirAll(filepath.Join(search, "in"), 0o755), os.Chmod(search, 0o311)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(search, 0o755) })
	_, err := openAndTake(t, filepath.Join(search, "in", "snapshots"))
	must(t, err)
}

// What is missing on the way is made, for the user alone.
func TestMissingDirectoriesOnTheWayAreMadePrivate(t *testing.T) {
	top := realTempDir(t)
	_, err := openAndTake(t, filepath.Join(top, "a", "b", "snapshots"))
	must(t, err)
	for _, d := range []string{"a", "a/b", "a/b/snapshots"} {
		if st, err := os.Lstat(filepath.Join(top, d)); err != nil || st.Mode() != 0o700|fs.ModeDir {
			t.Errorf("%s: %v, %v", d, st.Mode(), err)
		}
	}
	dangling := filepath.Join(top, "dangling")
	must(t, os.Symlink("nowhere", dangling))
	if _, err := openAndTake(t, filepath.Join(dangling, "snapshots")); err == nil || insecurely(err) {
		t.Errorf("below a dangling link: %v", err)
	}
	if _, err := openAndTake(t, dangling); !insecurely(err) || !strings.Contains(err.Error(), "is no directory") {
		t.Errorf("a dangling link: %v", err)
	}
	if _, err := openAndTake(t, "/"); !insecurely(err) {
		t.Errorf("/: %v", err)
	}
}

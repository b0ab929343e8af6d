//go:build unix

package core

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const somebodyElse = 65534

// enableWith enables a plugin with safe reload in a snapshot directory.
func enableWith(t *testing.T, snapshots string) (*safeHost, error) {
	t.Helper()
	h := quietSafe(t, Options{SnapshotDir: new(snapshots)})
	h.put(h.file, "v1")
	return h, h.m.Enable("p", h.file, EnableOptions{Safe: &Safe{}, DeliverPresent: true})
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
				_, err := enableWith(t, snapshots)
				if !errors.Is(err, ErrPermissionDenied) {
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
		_, err := enableWith(t, filepath.Join(open, "in", "snapshots"))
		if !errors.Is(err, ErrPermissionDenied) || !strings.Contains(err.Error(), `"`+open+`"`) || !strings.Contains(err.Error(), "chmod go-w") {
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
	h, err := enableWith(t, filepath.Join(sticky, "hotreload-0"))
	h.must(err)
	h.change("v1")
	if os.Geteuid() == 0 { // somebody else was there first
		taken := filepath.Join(sticky, "taken")
		h.must(errors.Join(os.Mkdir(taken, 0o700), os.Chown(taken, somebodyElse, somebodyElse)))
		for _, below := range []string{"", "/in"} {
			if _, err := enableWith(t, taken+below); !errors.Is(err, ErrPermissionDenied) || !strings.Contains(err.Error(), "65534") {
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
	h, err := enableWith(t, filepath.Join(link, "snapshots"))
	h.must(err)
	first := h.change("v1")
	h.must(errors.Join(os.Remove(link), os.Symlink("two", link)))
	h.replace(h.file, "v2")
	second := h.change("v2")
	for _, ev := range []Event{first, second} {
		if !strings.HasPrefix(ev.Snapshot, filepath.Join(top, "one", "snapshots")+"/") {
			t.Errorf("the snapshot %s is not in the directory that was examined", ev.Snapshot)
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
	h, err := enableWith(t, filepath.Join(search, "in", "snapshots"))
	h.must(err)
	h.change("v1")
}

// What is missing on the way is made, for the user alone.
func TestMissingDirectoriesOnTheWayAreMadePrivate(t *testing.T) {
	top := realTempDir(t)
	h, err := enableWith(t, filepath.Join(top, "a", "b", "snapshots"))
	h.must(err)
	for _, d := range []string{"a", "a/b", "a/b/snapshots"} {
		if st, err := os.Lstat(filepath.Join(top, d)); err != nil || st.Mode() != 0o700|fs.ModeDir {
			t.Errorf("%s: %v, %v", d, st.Mode(), err)
		}
	}
	dangling := filepath.Join(top, "dangling")
	h.must(os.Symlink("nowhere", dangling))
	if _, err := enableWith(t, filepath.Join(dangling, "snapshots")); !errors.Is(err, ErrIO) {
		t.Errorf("below a dangling link: %v", err)
	}
	if _, err := enableWith(t, dangling); !errors.Is(err, ErrPermissionDenied) || !strings.Contains(err.Error(), "is no directory") {
		t.Errorf("a dangling link: %v", err)
	}
	if _, err := enableWith(t, "/"); !errors.Is(err, ErrPermissionDenied) {
		t.Errorf("/: %v", err)
	}
}

// SPDX-License-Identifier: MIT

package fsys

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/testns"
)

// ownerAt says who owns what stands at a path.
func ownerAt(t *testing.T, path string) Owner {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	return OwnerOf(st.Uid, func() bool { return unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS) == nil })
}

func TestOwners(t *testing.T) {
	own := filepath.Join(t.TempDir(), "own")
	must(t, os.WriteFile(own, nil, 0o400)) // not even its owner may write to it
	if got := ownerAt(t, own); got != Mine {
		t.Errorf("one's own file: %v", got)
	}
	if os.Geteuid() != 0 {
		if got := ownerAt(t, "/"); got != Root {
			t.Errorf("/: %v", got)
		}
		return
	}
	must(t, os.Chown(own, 65534, 0)) // the user of that number, who is known here
	if got := ownerAt(t, own); got != Another {
		t.Errorf("the file of nobody: %v", got)
	}
}

// A user namespace knows some users. The others, root included, look alike, and may look
// as the process's own user does.
func TestOwnersInAUserNamespace(t *testing.T) {
	if dir, child := testns.Argument(); child {
		own, theirs := filepath.Join(dir, "own"), filepath.Join(dir, "theirs")
		must(t, os.WriteFile(own, nil, 0o600))
		for path, want := range map[string]Owner{own: Mine, dir: Mine, theirs: Unknown, "/": Unknown} {
			if got := ownerAt(t, path); got != want {
				t.Errorf("%s: %v, want %v", path, got, want)
			}
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("it takes root to choose a user namespace's users")
	}
	for _, inside := range []int{1000, 65534} {
		dir, err := os.MkdirTemp("/tmp", "owners")
		must(t, err)
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		theirs := filepath.Join(dir, "theirs")
		must(t, errors.Join(os.WriteFile(theirs, nil, 0o644), os.Chown(theirs, 23456, 0), os.Chmod(dir, 0o755), os.Chown(dir, 12345, 12345)))
		testns.AsUser(t, t.Name(), inside, 12345, dir)
	}
}

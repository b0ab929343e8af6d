// SPDX-License-Identifier: MIT

//go:build unix

package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// inTemporary has the usual directory in a directory that is as /tmp, and returns both.
// There may be a second one, as /var/tmp.
func inTemporary(t *testing.T, more ...string) (tmp, usual string) {
	t.Helper()
	tmp = stickyDir(t)
	old := temporary
	t.Cleanup(func() { temporary = old })
	temporary = append([]string{tmp}, more...)
	usual = filepath.Join(tmp, fmt.Sprintf("hotreload-%d", os.Geteuid()))
	if bases := standardBases(); bases[len(bases)-1] != usual {
		t.Fatalf("the usual directory is %v, want %s", bases, usual)
	} else if len(bases) > 1 {
		t.Skip("this user has a directory in /run/user, which comes first")
	}
	return tmp, usual
}

func stickyDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(realTempDir(t), "tmp")
	must(t, errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777|os.ModeSticky)))
	return dir
}

// whyNotPrivate says which directory between a snapshot and its base directory, or
// which of these two, is not the user's alone.
func whyNotPrivate(snap *Snapshot) error {
	for dir := snap.Root; ; dir = filepath.Dir(dir) {
		st, err := os.Lstat(dir)
		if err != nil {
			return err
		}
		var sys unix.Stat_t
		if err := unix.Lstat(dir, &sys); err != nil || int(sys.Uid) != os.Geteuid() || !st.IsDir() || st.Mode().Perm()&0o077 != 0 {
			return fmt.Errorf("%s has mode %v, owner %d, %v", dir, st.Mode(), sys.Uid, err)
		}
		if dir == snap.Base {
			return nil
		}
		if dir == "/" {
			return fmt.Errorf("%s is not below %s", snap.Root, snap.Base)
		}
	}
}

// A plugin may look for files some directories above its own.
func TestDirectoriesAboveASnapshotBelongToTheUserAlone(t *testing.T) {
	s, err := Open(filepath.Join(stickyDir(t), "snapshots"))
	must(t, err)
	defer s.Close()
	snap := take(t, s, "v1")
	must(t, whyNotPrivate(snap))
	if snap.Base != s.Base() {
		t.Errorf("the base directory of the snapshot is %s, that of the store %s", snap.Base, s.Base())
	}
	if up := strings.Count(strings.TrimPrefix(snap.Root, snap.Base), "/"); up < 10 {
		t.Errorf("from %s it takes only %d steps up to leave %s", snap.Root, up+1, snap.Base)
	}
}

// The mode of a file says who may read it; its copy is for this user alone, whatever
// the process, the directory or an access list would have it be.
func TestACopyIsReadByNobodyElse(t *testing.T) {
	base := privateBase(t)
	must(t, os.Chmod(base, 0o700|os.ModeSetgid))
	secret := source(t, "secret")
	must(t, os.Chmod(secret, 0o600))
	program := source(t, "program")
	must(t, os.Chmod(program, 0o777|os.ModeSetuid|os.ModeSetgid))
	if os.Geteuid() == 0 {
		must(t, os.Chown(secret, somebodyElse, somebodyElse))
		must(t, os.Chown(base, 0, somebodyElse)) // the group of what is made in it
	}
	grantByDefault(t, base)
	old := unix.Umask(0)
	defer unix.Umask(old)
	s, err := Open(base)
	must(t, err)
	defer s.Close()
	snap, err := s.Take([]Member{{program, "plugin.so"}, {secret, "data/secret"}}, Limits{}, never)
	must(t, err)
	must(t, whyNotPrivate(snap))
	for _, f := range snap.Files {
		st, err := os.Lstat(f.Path)
		must(t, err)
		if st.Mode() != 0o500 {
			t.Errorf("%s has mode %v", f.Path, st.Mode())
		}
	}
	must(t, snap.Remove())
	if !noFile(snap.Root) {
		t.Error("what has the set-group-ID bit is not removed")
	}
}

// SPDX-License-Identifier: MIT

package snapshot

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/testns"
)

// grantByDefault lets another user read whatever is made in a directory, if the file
// system has access lists.
func grantByDefault(t *testing.T, dir string) {
	t.Helper()
	list := binary.LittleEndian.AppendUint32(nil, 2) // as acl(5) and linux/posix_acl_xattr.h have it
	const owner, user, group, mask, other, undefined = 1, 2, 4, 0x10, 0x20, ^uint32(0)
	for _, e := range []struct {
		tag, mode uint16
		id        uint32
	}{{owner, 7, undefined}, {user, 7, somebodyElse}, {group, 7, undefined}, {mask, 7, undefined}, {other, 0, undefined}} {
		list = binary.LittleEndian.AppendUint16(list, e.tag)
		list = binary.LittleEndian.AppendUint16(list, e.mode)
		list = binary.LittleEndian.AppendUint32(list, e.id)
	}
	if err := unix.Setxattr(dir, "system.posix_acl_default", list, 0); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		t.Fatal(err)
	}
}

// mountTmpfs mounts one for the time of the test.
func mountTmpfs(t *testing.T, at string, flags uintptr, options string) {
	t.Helper()
	must(t, unix.Mount("tmpfs", at, "tmpfs", flags, options))
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
}

// Where nothing may be executed, no library can be loaded.
func TestStandardDirectoryIsWhereLibrariesCanBeLoaded(t *testing.T) {
	if !testns.InNamespace(t, t.Name()) {
		return
	}
	second := stickyDir(t)
	tmp, usual := inTemporary(t, second)
	mountTmpfs(t, tmp, unix.MS_NOEXEC, "mode=1777")
	s, err := OpenStandard()
	must(t, err)
	if !strings.HasPrefix(s.Base(), second+"/") {
		t.Errorf("the snapshots are in %s, want them below %s", s.Base(), second)
	}
	s.Close()
	mountTmpfs(t, second, unix.MS_NOEXEC, "mode=1777")
	s, err = OpenStandard()
	must(t, err)
	if s.Base() != usual {
		t.Errorf("without any better one the snapshots are in %s, not in the usual %s", s.Base(), usual)
	}
	take(t, s, "v1")
	s.Close()
}

func TestAnUnusableStandardDirectoryIsNotUsed(t *testing.T) {
	if !testns.InNamespace(t, t.Name()) {
		return
	}
	tmp, usual := inTemporary(t)
	must(t, os.Mkdir(usual, 0o700))
	mountTmpfs(t, usual, 0, "mode=700")
	s, err := OpenStandard()
	must(t, err)
	if s.Base() != usual {
		t.Fatalf("the snapshots are in %s, not in the usual %s", s.Base(), usual)
	}
	must(t, unix.Mount("", usual, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	other, err := OpenStandard()
	must(t, err)
	for _, s := range []*Store{other, s} { // s was opened before
		snap := take(t, s, "v1")
		if filepath.Dir(s.Base()) != tmp || s.Base() == usual {
			t.Errorf("the snapshots are in %s", s.Base())
		}
		must(t, whyNotPrivate(snap))
		s.Close()
	}
}

// While the store is opened and used, others make, replace and remove what has the name
// of the usual directory, as far as a sticky directory lets them.
func TestAStandardDirectoryThatOthersRaceForIsPrivate(t *testing.T) {
	needRoot(t) // which plays all roles
	tmp, usual := inTemporary(t)
	theirs := filepath.Join(tmp, "theirs")
	must(t, errors.Join(os.Mkdir(theirs, 0o700), os.Chown(theirs, somebodyElse, somebodyElse)))
	plants := []func(){
		func() { _ = os.Symlink(theirs, usual) },
		func() { _ = os.WriteFile(usual, nil, 0o666) },
		func() {
			aside := usual + ".theirs"
			_ = errors.Join(os.Mkdir(aside, 0o777), os.Chown(aside, somebodyElse, somebodyElse))
			_ = unix.Renameat2(unix.AT_FDCWD, aside, unix.AT_FDCWD, usual, unix.RENAME_NOREPLACE)
			_ = os.Remove(aside)
		},
		func() {},
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			plants[i%len(plants)]()
			// What they have planted they may remove, but nothing of this user's.
			if st, err := os.Lstat(usual); err == nil && (!st.IsDir() || belongsToSomebodyElse(usual)) {
				_ = os.RemoveAll(usual)
			}
		}
	}()
	for range 60 {
		s, err := OpenStandard()
		if err != nil {
			t.Fatal(err)
		}
		must(t, whyNotPrivate(take(t, s, "v1")))
		s.Close()
		if s.Base() == usual {
			_ = os.Remove(usual) // so that they may try again
		}
	}
	close(stop)
	<-stopped
	if left := entries(t, theirs); len(left) > 0 {
		t.Errorf("snapshots were made in their directory: %v", left)
	}
}

func belongsToSomebodyElse(path string) bool {
	var st unix.Stat_t
	return unix.Lstat(path, &st) == nil && st.Uid == somebodyElse
}

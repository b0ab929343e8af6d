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

// SPDX-License-Identifier: MIT

package fsys

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
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
	const mark = "-own="
	for _, a := range os.Args {
		if dir, child := strings.CutPrefix(a, mark); child {
			own, theirs := filepath.Join(dir, "own"), filepath.Join(dir, "theirs")
			must(t, os.WriteFile(own, nil, 0o600))
			for path, want := range map[string]Owner{own: Mine, dir: Mine, theirs: Unknown, "/": Unknown} {
				if got := ownerAt(t, path); got != want {
					t.Errorf("%s: %v, want %v", path, got, want)
				}
			}
			return
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("it takes root to choose a user namespace's users")
	}
	for _, uid := range []int{1000, 65534} {
		dir, err := os.MkdirTemp("/tmp", "owners")
		must(t, err)
		defer os.RemoveAll(dir)
		theirs := filepath.Join(dir, "theirs")
		must(t, errors.Join(os.WriteFile(theirs, nil, 0o644), os.Chown(theirs, 23456, 0), os.Chmod(dir, 0o755), os.Chown(dir, 12345, 12345)))
		cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s", "--", mark+dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: 12345, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: 12345, Size: 1}},
			Credential:  &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid), NoSetGroups: true},
		}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EACCES) {
			t.Skipf("no user namespace can be made here: %v", err)
		}
		if err != nil || !strings.Contains(string(out), "PASS") {
			t.Errorf("as user %s: %v\n%s", strconv.Itoa(uid), err, out)
		}
	}
}

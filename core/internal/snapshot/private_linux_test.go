// SPDX-License-Identifier: MIT

package snapshot

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// In a user namespace without root everything of root's looks like somebody's.
// /tmp will do all the same; what lies deeper is not known to be root's.
func TestSnapshotDirectoryInAUserNamespaceWithoutRoot(t *testing.T) {
	const mark = "-unmapped="
	for _, a := range os.Args {
		if theirs, ok := strings.CutPrefix(a, mark); ok {
			_, err := openAndTake(t, filepath.Join(realTempDir(t), "snapshots"))
			must(t, err)
			if _, err := openAndTake(t, filepath.Join(theirs, "snapshots")); !insecurely(err) || !strings.Contains(err.Error(), `"`+theirs+`"`) {
				t.Errorf("below a directory of somebody outside: %v", err)
			}
			return
		}
	}
	needRoot(t)
	theirs, err := os.MkdirTemp("/tmp", "theirs")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(theirs)
	if err := os.Chmod(theirs, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s", "--", mark+theirs)
	cmd.Env = append(os.Environ(), "TMPDIR=/tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: 12345, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: 12345, Size: 1}},
		Credential:  &syscall.Credential{Uid: 1000, Gid: 1000, NoSetGroups: true},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EACCES) {
		t.Skipf("no user namespace can be made here: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
}

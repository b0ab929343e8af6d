// SPDX-License-Identifier: MIT

package testns

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// ChildMark is the argument by which a test knows that it runs in a child process.
const ChildMark = "-hotreload.child"

// InNamespace runs the test of this name in a child process with its own namespaces. It
// returns true in the child. The parent fails if the child does.
func InNamespace(t *testing.T, name string) bool {
	t.Helper()
	if slices.Contains(os.Args, ChildMark) {
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+name+"$", "-test.v", "-test.timeout=60s", "-test.paniconexit0", "--", ChildMark)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(err.Error(), "operation not permitted") {
		t.Logf("not run: this machine allows no user namespaces: %v", err)
		return false
	}
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

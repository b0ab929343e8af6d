// SPDX-License-Identifier: MIT

package snapshot

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const childMark = "-hotreload.child"

// inNamespace runs a test once more as root of a user and mount namespace of its
// own; it reports whether this is that process.
func inNamespace(t *testing.T, name string) bool {
	t.Helper()
	for _, a := range os.Args {
		if a == childMark {
			return true
		}
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+name+"$", "-test.v", "-test.timeout=60s", "-test.paniconexit0", "--", childMark)
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

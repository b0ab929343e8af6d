// SPDX-License-Identifier: MIT

package testns

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// argumentMark is what comes before the argument of a test that [AsUser] runs.
const argumentMark = "-hotreload.argument="

// Argument is the argument of [AsUser] in its child.
func Argument() (argument string, child bool) {
	for _, a := range os.Args {
		if argument, child = strings.CutPrefix(a, argumentMark); child {
			return argument, true
		}
	}
	return "", false
}

// AsUser runs the test of this name in a child process as the user outside, who is
// called inside in a user namespace that knows nobody else. It takes root. The parent
// fails if the child does, and skips the test if no user namespace can be made.
func AsUser(t *testing.T, name string, inside, outside int, argument string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+name+"$", "-test.v", "-test.timeout=60s", "--", argumentMark+argument)
	cmd.Env = append(os.Environ(), "TMPDIR=/tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: inside, HostID: outside, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: inside, HostID: outside, Size: 1}},
		Credential:  &syscall.Credential{Uid: uint32(inside), Gid: uint32(inside), NoSetGroups: true},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EACCES) {
		t.Skipf("no user namespace can be made here: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Fatalf("as user %d: %v\n%s", inside, err, out)
	}
}

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

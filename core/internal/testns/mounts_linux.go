// SPDX-License-Identifier: MIT

package testns

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// InMountNamespace runs the calling test, or subtest, in a child process that may mount file
// systems, in a mount namespace of its own. It returns true in the child. The parent fails if
// the child does, and gets what it wrote. The child has the flags of the parent's own package,
// and those given here.
//
// Root stays root, with every other user and with loop devices. Anybody else becomes root of
// a new user namespace, which has no other user.
func InMountNamespace(t *testing.T, flags ...string) (inChild bool, output string) {
	t.Helper()
	if slices.Contains(os.Args, ChildMark) {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true, ""
	}
	args := []string{"-test.run=" + exactly(t.Name()), "-test.paniconexit0", "-test.v", "-test.timeout=0"}
	flag.Visit(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "test.") {
			args = append(args, "-"+f.Name+"="+f.Value.String())
		}
	})
	args = append(append(args, flags...), "--", ChildMark)
	run := func(a *syscall.SysProcAttr) (string, error) {
		cmd := exec.Command("/proc/self/exe", args...)
		cmd.SysProcAttr = a
		b, err := cmd.CombinedOutput()
		return string(b), err
	}
	err := fs.ErrPermission
	if os.Geteuid() == 0 {
		output, err = run(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS})
	}
	if errors.Is(err, fs.ErrPermission) {
		output, err = run(&syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		})
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return false, NotHere + "this machine allows no mount namespaces"
	case err != nil || !strings.Contains(output, "--- PASS"):
		t.Fatalf("in a mount namespace: %v\n%s", err, output)
	}
	return false, output
}

// NotHere begins the line by which a test says why it cannot be run on this machine.
const NotHere = "not run here: "

// WhyNotHere is what a test wrote after [NotHere], "" if it was run.
func WhyNotHere(output string) string {
	_, after, _ := strings.Cut(output, NotHere)
	why, _, _ := strings.Cut(after, "\n")
	return why
}

// exactly is the pattern by which go test selects one test.
func exactly(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}

// HasOtherUsers reports whether this process may run others as any user.
func HasOtherUsers() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil || os.Geteuid() != 0 {
		return false
	}
	fields := strings.Fields(string(b)) // the first user here, that user outside, how many
	return len(fields) == 3 && fields[2] != "1"
}

// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// These tests need a world of their own: they run themselves again in a child
// process, in a new user and mount namespace, where limits can be lowered and
// file systems mounted without touching anybody else.

const childMark = "-hotreload.child"

// inNamespace runs this test in such a child; it returns true there.
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

func setLimit(t *testing.T, name string, n int) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/user/"+name, []byte(fmt.Sprint(n)), 0); err != nil {
		t.Fatal(err)
	}
}

func TestWatchLimitIsPolledAndHeals(t *testing.T) {
	if !inNamespace(t, t.Name()) {
		return
	}
	setLimit(t, "max_inotify_watches", 3)
	h := onDisk(t, Options{PollInterval: 20 * ms})
	h.awaitStat("polled", func(s Stats) bool { return s.PolledDirectories > 0 && s.WatchedDirectories == 3 })
	for i := range 3 {
		v := fmt.Sprint("v", i)
		h.replace(h.file, v)
		h.expect(v)
	}
	setLimit(t, "max_inotify_watches", 1000)
	h.awaitStat("watched again", func(s Stats) bool { return s.PolledDirectories == 0 })
	h.quiet()
}

func TestInstanceLimitIsPolledAndHeals(t *testing.T) {
	if !inNamespace(t, t.Name()) {
		return
	}
	setLimit(t, "max_inotify_instances", 0)
	h := onDisk(t, Options{PollInterval: 20 * ms})
	h.awaitStat("polled", func(s Stats) bool { return s.PolledDirectories > 0 && s.WatchedDirectories == 0 })
	h.replace(h.file, "v1")
	h.expect("v1")
	setLimit(t, "max_inotify_instances", 10)
	h.awaitStat("watched again", func(s Stats) bool { return s.PolledDirectories == 0 })
	h.quiet()
}

func TestMountOverTheDirectory(t *testing.T) {
	if !inNamespace(t, t.Name()) {
		return
	}
	h := onDisk(t, Options{})
	sub := filepath.Dir(h.file)
	h.must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	other := filepath.Join(h.dir, "other")
	h.must(os.Mkdir(other, 0o755))
	h.put(filepath.Join(other, "plugin.so"), "bound")
	for range 3 {
		h.must(unix.Mount(other, sub, "", unix.MS_BIND, ""))
		h.expect("bound")
		h.quiet()
		h.put(h.file, "bound")
		h.expect("bound")
		h.must(unix.Unmount(sub, 0))
		h.expect("v0")
	}
	h.must(unix.Mount("tmpfs", sub, "tmpfs", 0, ""))
	h.put(h.file, "on tmpfs")
	h.expect("on tmpfs")
	h.must(unix.Unmount(sub, 0))
	h.expect("v0")
	// a single file, too
	h.must(unix.Mount(filepath.Join(other, "plugin.so"), h.file, "", unix.MS_BIND, ""))
	h.expect("bound")
	h.must(unix.Unmount(h.file, 0))
	h.expect("v0")
}

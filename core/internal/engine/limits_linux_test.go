// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/testns"
)

// These tests need a world of their own, where limits can be lowered and file systems
// mounted without touching anybody else: package testns makes it.

const childMark = testns.ChildMark

var inNamespace = testns.InNamespace

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

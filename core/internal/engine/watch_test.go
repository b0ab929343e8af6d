// SPDX-License-Identifier: MIT

package engine

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// A plugin in a first-level directory is the usual place in a container. The
// watch on "/" names the directory "//plugins".
func TestRecreatedFirstLevelDirectoryIsWatchedAnew(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		for _, v := range []string{"v1", "v2", "v3"} {
			h.disk.recreate("/plugins", pluginPath, v)
			h.expect(time.Minute, "a="+v)
			h.disk.replace(pluginPath, v+" replaced")
			h.expect(time.Minute, "a="+v+" replaced")
		}
	})
}

// The overflow swallows that the directory was removed, and the new one has its
// inode number: nothing but the watch itself tells that the watch is dead.
func TestDirectoryRecreatedDuringAnOverflowIsWatchedAnew(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		for _, v := range []string{"v1", "v2"} {
			h.disk.overflow(func() { h.disk.recreate("/plugins", pluginPath, v) })
			h.expect(time.Minute, "a="+v)
			h.disk.replace(pluginPath, v+" replaced")
			h.expect(time.Minute, "a="+v+" replaced")
		}
		if s := h.stats(); s.PolledDirectories != 0 || s.WatchedDirectories != 2 {
			t.Fatalf("polled %d, watched %d; want 0 and 2", s.PolledDirectories, s.WatchedDirectories)
		}
	})
}

func TestRemountedDirectoryIsWatchedAnew(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.remount("/plugins")
		h.expect(time.Minute)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute, "a=v1")
	})
}

// statCounter counts how often files are looked at.
type statCounter struct {
	*fakeDisk
	stats *atomic.Int32
}

func (d statCounter) Stat(path string) (fsys.Info, error) {
	d.stats.Add(1)
	return d.fakeDisk.Stat(path)
}

// A machine that starts containers mounts many file systems a second.
func TestManyMountsCompareEverythingEverLessOften(t *testing.T) {
	var stats atomic.Int32
	inBubbleOn(t, Options{}, func(d *fakeDisk) fsys.Disk { return statCounter{d, &stats} }, func(h *host) {
		h.disk.mounted()
		h.expect(0)
		if stats.Swap(0) == 0 {
			t.Fatal("the first mount after a long time compared nothing")
		}
		for range 1000 {
			h.disk.mounted()
			h.expect(10 * ms)
		}
		if n := stats.Load(); n > 20 {
			t.Fatalf("1000 mounts in 10 s led to %d looks at one file", n)
		}
	})
}

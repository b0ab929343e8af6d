// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// These tests mount files and directories in a mount namespace of their own.

// mountHost is a host with the plugin p at file, and a directory beside it whose files are
// mounted.
type mountHost struct {
	*realHost
	source string // a file in another directory

	mu     sync.Mutex
	health []Event
}

// inMounts runs a test in a namespace. prepare mounts before the plugin is enabled.
func inMounts(t *testing.T, o Options, prepare func(h *mountHost), test func(h *mountHost)) {
	t.Helper()
	if !inNamespace(t, t.Name()) {
		return
	}
	h := &mountHost{realHost: onDisk(t, o)}
	t.Cleanup(h.unmountAll)
	_, err := h.m.Disable("p")
	h.must(err)
	h.must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	h.source = filepath.Join(h.dir, "source", "p.so")
	h.must(os.Mkdir(filepath.Dir(h.source), 0o755))
	h.put(h.source, "s0")
	h.must(h.m.SetEventCallback(func(e Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if e.Kind == Health {
			h.health = append(h.health, e)
		}
	}, nil))
	if prepare != nil {
		prepare(h)
	}
	h.must(h.m.Enable("p", h.file, EnableOptions{}))
	t.Cleanup(func() { h.m.Close() })
	test(h)
}

func (h *mountHost) bind(from, to string) {
	h.t.Helper()
	h.must(unix.Mount(from, to, "", unix.MS_BIND, ""))
}

func (h *mountHost) unmount(path string, flags int) {
	h.t.Helper()
	h.must(unix.Unmount(path, flags))
}

func (h *mountHost) mountFile() { h.bind(h.source, h.file) }

// unmountAll unmounts what the test has mounted.
func (h *mountHost) unmountAll() {
	info, err := os.ReadFile("/proc/self/mountinfo")
	h.must(err)
	lines := strings.Split(string(info), "\n")
	for _, line := range slices.Backward(lines) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], h.dir+"/") {
			h.unmount(fields[4], unix.MNT_DETACH)
		}
	}
}

// isWalked reports whether it is known where the plugin's directory is, and whether that is
// watched, and nothing is in doubt.
func (h *mountHost) isWalked() bool {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	e := &h.m.intake
	return e.set.IsWalked(&h.m.plugins.lookup("p").Leaf) && len(e.doubts) == 0 && e.mounts.at.IsZero()
}

// codes are the health codes so far.
func (h *mountHost) codes() (all []HealthCode) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.health {
		all = append(all, e.Health)
	}
	return all
}

func (h *mountHost) awaitHealth(code HealthCode, says string) {
	h.t.Helper()
	h.await(fmt.Sprintf("health event %d", code), func() bool { return slices.Contains(h.codes(), code) })
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.health {
		if e.Health == code && !strings.Contains(e.Message, says) {
			h.t.Errorf("health event %d says %q, not %q", code, e.Message, says)
		}
	}
}

// explains checks whether the explanation has a text.
func (h *mountHost) explains(text string, want bool) {
	h.t.Helper()
	explained, err := h.m.Explain("p")
	h.must(err)
	if strings.Contains(explained, text) != want {
		h.t.Errorf("the explanation has %q: %v, want %v:\n%s", text, !want, want, explained)
	}
}

// writtenThroughEither writes the mounted file in place through its source and through the
// plugin's path.
func (h *mountHost) writtenThroughEither(what string) {
	h.t.Helper()
	for i, path := range []string{h.source, h.file, h.source} {
		v := fmt.Sprint(what, " ", i)
		h.put(path, v)
		h.expect(v)
	}
}

func TestFileThatIsAMountPointIsWatchedItself(t *testing.T) {
	inMounts(t, Options{}, (*mountHost).mountFile, func(h *mountHost) {
		h.writtenThroughEither("written")
		s, err := h.m.Stats()
		h.must(err)
		if s.WatchedFiles != 1 || s.PolledFiles != 0 || s.PolledDirectories != 0 {
			t.Errorf("stats %+v", s)
		}
		f, err := os.OpenFile(h.source, os.O_WRONLY|os.O_TRUNC, 0)
		h.must(err)
		_, err = f.WriteString("half ")
		h.must(err)
		h.awaitStat("the writer is seen", func(s Stats) bool { return s.BeingWritten == 1 })
		_, err = f.WriteString("and whole")
		h.must(err)
		h.must(f.Close())
		h.expect("half and whole")
	})
}

func TestFileThatIsAMountPointIsComparedWithForcedPolling(t *testing.T) {
	inMounts(t, Options{ForcePolling: true, PollInterval: 20 * ms}, (*mountHost).mountFile, func(h *mountHost) {
		h.writtenThroughEither("written")
		h.put(h.source+".new", "s1")
		h.must(os.Rename(h.source+".new", h.source))
		h.awaitHealth(HealthStaleMount, "mount it again, or mount its directory")
	})
}

func TestFileThatIsAMountPointIsPolledWhereThereIsNoRoomForAWatch(t *testing.T) {
	inMounts(t, Options{PollInterval: 20 * ms}, func(h *mountHost) {
		h.mountFile()
		setLimit(t, "max_inotify_watches", 0)
	}, func(h *mountHost) {
		h.awaitStat("the file is polled", func(s Stats) bool { return s.PolledFiles == 1 && s.WatchedFiles == 0 })
		h.writtenThroughEither("polled")
		h.awaitHealth(HealthPolling, "polling the ")
		setLimit(t, "max_inotify_watches", 1000)
		h.awaitStat("the file is watched", func(s Stats) bool { return s.WatchedFiles == 1 && s.PolledFiles+s.PolledDirectories == 0 })
		h.writtenThroughEither("watched")
	})
}

// oldKernelDisk does not say of what stat finds whether it is a mount point, as kernels before
// 5.8 and some sandboxes.
type oldKernelDisk struct{ fsys.OS }

func (d oldKernelDisk) Stat(path string) (fsys.Info, error) {
	in, err := d.OS.Stat(path)
	in.Mount = fsys.MountUnknown
	return in, err
}

func (d oldKernelDisk) Lstat(path string) (fsys.Info, error) {
	in, err := d.OS.Lstat(path)
	in.Mount = fsys.MountUnknown
	return in, err
}

func TestFileThatIsAMountPointOfWhichStatDoesNotSaySo(t *testing.T) {
	inMounts(t, Options{disk: oldKernelDisk{}}, nil, func(h *mountHost) {
		h.mountFile()
		h.expect("s0")
		h.writtenThroughEither("written")
		h.put(h.source+".new", "s1")
		h.must(os.Rename(h.source+".new", h.source))
		h.awaitHealth(HealthStaleMount, "mount it again")
		h.unmount(h.file, 0)
		h.expect("v0")
		h.awaitStat("it is not watched any more", func(s Stats) bool { return s.WatchedFiles == 0 })
		h.quiet()
	})
}

// Docker Desktop mounts files of the machine's own user in that way.
func TestFileOfAFUSEFileSystemThatIsAMountPointIsPolled(t *testing.T) {
	inMounts(t, Options{PollInterval: 20 * ms}, func(h *mountHost) {
		shown := filepath.Join(h.dir, "shown")
		h.must(os.Mkdir(shown, 0o755))
		if err := serveFUSE(h.t, filepath.Dir(h.source), shown, 0, false); err != nil {
			t.Skipf("this system serves no FUSE file system here: %v", err)
		}
		h.bind(filepath.Join(shown, "p.so"), h.file)
	}, func(h *mountHost) {
		h.awaitStat("the file is polled", func(s Stats) bool { return s.PolledFiles == 1 && s.PolledDirectories == 0 })
		h.awaitHealth(HealthPolling, "polling the file: FUSE sends no notifications")
		h.put(h.source, "behind the server's back")
		h.expect("behind the server's back")
		h.put(h.file, "through the mount")
		h.expect("through the mount")
		if n := len(h.codes()); n != 1 {
			t.Errorf("health events %v", h.codes())
		}
	})
}

func TestMountOfAFileThatIsReplacedIsReportedOnce(t *testing.T) {
	inMounts(t, Options{}, (*mountHost).mountFile, func(h *mountHost) {
		h.writtenThroughEither("before")
		for i := range 3 {
			h.put(h.source+".new", fmt.Sprint("new ", i))
			h.must(os.Rename(h.source+".new", h.source))
		}
		h.awaitHealth(HealthStaleMount, "mount it again, or mount its directory")
		h.explains("; no new version can come: what was mounted there was deleted or replaced; mount it again\n", true)
		h.put(h.file, "written through the mount")
		h.expect("written through the mount")
		h.unmount(h.file, 0)
		h.expect("v0")
		h.mountFile()
		h.expect("new 2")
		h.writtenThroughEither("mounted again")
		h.explains("no new version can come", false)
		if n := len(h.codes()); n != 1 {
			t.Errorf("health events %v", h.codes())
		}
		h.put(h.source+".new", "again")
		h.must(os.Rename(h.source+".new", h.source))
		h.await("another event for another mount", func() bool { return len(h.codes()) == 2 })
	})
}

// As vim does: the file is renamed, written anew, and the backup is removed.
func TestMountOfAFileThatAnEditorSavesIsReported(t *testing.T) {
	inMounts(t, Options{}, (*mountHost).mountFile, func(h *mountHost) {
		h.writtenThroughEither("before")
		h.must(os.Rename(h.source, h.source+"~"))
		h.put(h.source+"~", "written under its other name")
		h.expect("written under its other name")
		h.put(h.source, "s1")
		h.must(os.Remove(h.source + "~"))
		h.awaitHealth(HealthStaleMount, "mount it again")
	})
}

func TestMountsOverAFileWhileItIsEnabled(t *testing.T) {
	inMounts(t, Options{}, nil, func(h *mountHost) {
		for i := range 3 {
			h.put(h.source, fmt.Sprint("mounted ", i))
			h.mountFile()
			h.expect(fmt.Sprint("mounted ", i))
			h.writtenThroughEither("over the file")
			flags := 0
			if i == 1 {
				flags = unix.MNT_DETACH
			}
			h.unmount(h.file, flags)
			h.expect("v0")
			h.put(h.source, "noise")
		}
		h.quiet()
		if s, _ := h.m.Stats(); s.WatchedFiles != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// Afterwards it is the same file with the same times, under another of its names.
func TestMountOfAnotherNameOfTheSameFile(t *testing.T) {
	inMounts(t, Options{}, func(h *mountHost) {
		h.must(os.Remove(h.source))
		h.must(os.Link(h.file, h.source))
	}, func(h *mountHost) {
		h.mountFile()
		h.awaitStat("the file is watched", func(s Stats) bool { return s.WatchedFiles == 1 })
		h.writtenThroughEither("under the other name")
		h.unmount(h.file, 0)
		h.awaitStat("the file is not watched", func(s Stats) bool { return s.WatchedFiles == 0 })
		h.put(h.file, "in place")
		h.expect("in place")
	})
}

func TestMountsOverTheDirectoriesOfAFileThatIsAMountPoint(t *testing.T) {
	inMounts(t, Options{}, (*mountHost).mountFile, func(h *mountHost) {
		sub := filepath.Dir(h.file)
		other := filepath.Join(h.dir, "other")
		h.must(os.Mkdir(other, 0o755))
		h.put(filepath.Join(other, "plugin.so"), "in another directory")
		for _, flags := range []int{0, unix.MNT_DETACH} {
			h.bind(other, sub) // which hides the mount of the file
			h.expect("in another directory")
			h.put(h.file, "in place")
			h.expect("in place")
			h.unmount(sub, flags)
			b, err := os.ReadFile(h.file)
			h.must(err)
			h.expect(string(b))
			h.writtenThroughEither("visible again")
			h.put(filepath.Join(other, "plugin.so"), "in another directory")
		}
		b, err := os.ReadFile(h.file)
		h.must(err)
		h.must(unix.Mount("tmpfs", h.dir, "tmpfs", 0, ""))
		h.awaitStat("the removal is delivered", func(s Stats) bool { return s.Removals == 1 })
		h.unmount(h.dir, 0)
		h.expect(string(b))
		h.writtenThroughEither("below another mount")
		h.must(unix.Mount("", h.file, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
		h.put(h.source, "through the source of a read-only mount")
		h.expect("through the source of a read-only mount")
		h.must(unix.Mount("", h.file, "", unix.MS_REMOUNT|unix.MS_BIND, ""))
		h.writtenThroughEither("writable again")
	})
}

func TestLinkThatLeadsToAFileThatIsAMountPoint(t *testing.T) {
	inMounts(t, Options{}, func(h *mountHost) {
		mounted := filepath.Join(h.dir, "mounted.so")
		h.put(mounted, "")
		h.bind(h.source, mounted)
		h.must(os.Remove(h.file))
		h.must(os.Symlink("../mounted.so", h.file))
	}, func(h *mountHost) {
		h.writtenThroughEither("behind a link")
		other := filepath.Join(h.dir, "other.so")
		h.put(other, "elsewhere")
		h.must(os.Symlink(other, h.file+".new"))
		h.must(os.Rename(h.file+".new", h.file))
		h.expect("elsewhere")
		h.put(h.source, "noise")
		h.put(other, "in place")
		h.expect("in place")
		h.awaitStat("the mount is not watched", func(s Stats) bool { return s.WatchedFiles == 0 })
	})
}

func TestTwoPluginsAtMountsOfOneFile(t *testing.T) {
	inMounts(t, Options{}, func(h *mountHost) {
		h.mountFile()
		second := filepath.Join(h.dir, "second.so")
		h.put(second, "")
		h.bind(h.source, second)
		h.must(h.m.Enable("second", second, EnableOptions{}))
	}, func(h *mountHost) {
		for i := range 3 {
			v := fmt.Sprint("both ", i)
			h.put(h.source, v)
			h.expect(v)
			h.expect(v)
		}
		_, err := h.m.Disable("second")
		h.must(err)
		h.writtenThroughEither("one is left")
	})
}

func TestCompanionFileThatIsAMountPoint(t *testing.T) {
	inMounts(t, Options{}, func(h *mountHost) {
		companion := filepath.Join(filepath.Dir(h.file), "data")
		h.put(companion, "")
		h.bind(h.source, companion)
		h.must(h.m.Enable("safe", h.file, EnableOptions{Safe: &Safe{Files: []string{"data"}}}))
	}, func(h *mountHost) {
		h.awaitStat("the companion file is watched", func(s Stats) bool { return s.WatchedFiles == 1 })
		for i := range 2 {
			h.put(h.source, fmt.Sprint("data ", i))
			h.expect("v0") // the plugin's own file is as it was
		}
	})
}

func TestBindMountOfADirectory(t *testing.T) {
	inMounts(t, Options{}, func(h *mountHost) {
		h.bind(filepath.Dir(h.source), filepath.Dir(h.file))
		h.file = filepath.Join(filepath.Dir(h.file), "p.so")
	}, func(h *mountHost) {
		h.writtenThroughEither("in place")
		h.put(h.source+".new", "renamed over")
		h.must(os.Rename(h.source+".new", h.source))
		h.expect("renamed over")
		h.quiet()
		h.must(os.RemoveAll(filepath.Dir(h.source)))
		h.awaitStat("the removal is delivered", func(s Stats) bool { return s.Removals == 1 })
		h.awaitHealth(HealthStaleMount, "mount it again")
		h.explains("no new version can come", true)
	})
}

func TestLowerLayerOfAnOverlayRewritten(t *testing.T) {
	inMounts(t, Options{SafetyCheck: 50 * ms, PollInterval: 20 * ms}, func(h *mountHost) {
		sub := filepath.Dir(h.file)
		h.must(unix.Mount("tmpfs", filepath.Dir(h.source), "tmpfs", 0, ""))
		for _, dir := range []string{"lower", "upper", "work"} {
			h.must(os.Mkdir(filepath.Join(filepath.Dir(h.source), dir), 0o755))
		}
		at := func(dir string) string { return filepath.Join(filepath.Dir(h.source), dir) }
		options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", at("lower"), at("upper"), at("work"))
		h.put(filepath.Join(at("lower"), "plugin.so"), "low 0")
		if err := unix.Mount("overlay", sub, "overlay", 0, options+",userxattr"); err != nil {
			t.Skipf("this system mounts no overlay here: %v", err)
		}
		h.source = filepath.Join(at("lower"), "plugin.so")
	}, func(h *mountHost) {
		h.awaitStat("it is compared for safety", func(s Stats) bool { return s.Unreliable == 1 })
		h.await("the end of what the mounts began", h.isWalked)
		missed := func() uint64 {
			s, err := h.m.Stats()
			h.must(err)
			return s.Missed
		}
		for i := 0; missed() < 2; i++ { // a late signal of a mount explains a change, too
			v := fmt.Sprint("rewritten below ", i)
			h.put(h.source, v)
			h.expect(v)
			h.await("the end of the doubt", h.isWalked)
			if i == 20 {
				t.Fatalf("%d missing notifications were noticed", missed())
			}
		}
		h.put(h.source, "polled")
		h.expect("polled")
		h.awaitHealth(HealthMissed, "no notification reported")
		h.awaitHealth(HealthPolling, "its notifications do not arrive")
		h.put(h.file, "through the overlay")
		h.expect("through the overlay")
	})
}

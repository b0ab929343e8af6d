// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/testns"
)

// How the environments of the oracle are made.

// plain is the machine's own file system for temporary files.
func plain(_ *testing.T, dir string) (setting, string) { return setting{dir: dir}, "" }

func onTmpfs(t *testing.T, dir string) (setting, string) {
	return setting{dir: dir}, mountUntilEnd(t, "tmpfs", dir, "tmpfs", 0, "mode=755")
}

// onOverlay makes the files in the lower layer, from which they are copied up.
func onOverlay(t *testing.T, dir string) (setting, string) {
	layers := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(layers(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	data := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", layers("lower"), layers("upper"), layers("work"))
	if !testns.HasOtherUsers() {
		data += ",userxattr" // in a user namespace
	}
	mountIt := func(t *testing.T) string { return mountUntilEnd(t, "overlay", layers("merged"), "overlay", 0, data) }
	if notHere := mountIt(t); notHere != "" {
		return setting{}, notHere
	}
	if err := unix.Unmount(layers("merged"), 0); err != nil { // the lower layer must not change below it
		t.Fatal(err)
	}
	return setting{dir: layers("merged"), made: layers("lower"), ready: func(c *oracle) {
		c.must(os.RemoveAll(filepath.Join(layers("lower"), "deep"))) // a directory of the lower layer cannot be renamed
		if notHere := mountIt(c.t); notHere != "" {
			c.t.Fatal(notHere)
		}
		c.must(os.MkdirAll(c.at("deep/er"), 0o755))
		c.must(os.WriteFile(c.at("deep/er/d"), []byte(c.version()), 0o644))
	}}, ""
}

// onBoundDirectory has the host see the files through a bind mount of their directory.
func onBoundDirectory(t *testing.T, dir string) (setting, string) {
	source, bound := filepath.Join(dir, "source"), filepath.Join(dir, "bound")
	for _, d := range []string{source, bound} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	seen := func(path string) string { return bound + strings.TrimPrefix(path, source) }
	return setting{dir: source, seen: seen}, mountUntilEnd(t, source, bound, "", unix.MS_BIND, "")
}

// onBoundFiles makes some of the files mount points of others, as Docker's -v FILE:FILE and
// Kubernetes' subPath do.
func onBoundFiles(t *testing.T, dir string) (setting, string) {
	sources, files := filepath.Join(dir, "sources"), filepath.Join(dir, "files")
	for _, d := range []string{sources, files} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	trial := filepath.Join(sources, "trial")
	if err := os.WriteFile(trial, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(trial, trial, "", unix.MS_BIND, ""); err != nil {
		return setting{}, fmt.Sprintf("mount(2): %v", err)
	}
	if err := unix.Unmount(trial, 0); err != nil {
		t.Fatal(err)
	}
	bind := func(c *oracle, path string) {
		source := filepath.Join(sources, fmt.Sprint(c.n))
		c.must(os.WriteFile(source, []byte(c.version()), 0o644))
		c.must(unix.Mount(source, path, "", unix.MS_BIND, ""))
		c.t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
		c.mounted[path] = source
	}
	return setting{dir: files,
		ready: func(c *oracle) {
			c.mounted = map[string]string{}
			for _, f := range []string{"plain/a", "plain/b", "rel-1/r", "store/1"} {
				bind(c, c.at(f))
			}
		},
		mount: func(c *oracle, path string) {
			c.causeAt(path) // what is below the mount appears for a moment
			c.must(unix.Unmount(path, unix.MNT_DETACH))
			c.pause(12)
			bind(c, path)
			for _, s := range c.subj {
				c.moves(s.path) // what is mounted there is watched from now on
			}
		}}, ""
}

// onFUSE shows a directory through FUSE.
func onFUSE(drift time.Duration, ignoreCase bool) func(t *testing.T, dir string) (setting, string) {
	return func(t *testing.T, dir string) (setting, string) {
		source, shown := filepath.Join(dir, "source"), filepath.Join(dir, "shown")
		for _, d := range []string{source, shown} {
			if err := os.Mkdir(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := serveFUSE(t, source, shown, drift, ignoreCase); err != nil {
			return setting{}, "mounting by /dev/fuse: " + err.Error()
		}
		s := setting{dir: shown}
		if ignoreCase {
			s.seen = upperCaseBelow(shown)
		}
		return s, ""
	}
}

// upperCaseBelow is how a host may spell the paths in a directory where case does not matter.
func upperCaseBelow(dir string) func(string) string {
	return func(path string) string {
		if below, is := strings.CutPrefix(path, dir); is {
			return dir + strings.ToUpper(below)
		}
		return path
	}
}

// onDevice makes a file system of this kind, of some MB, on a loop device.
func onDevice(kind string, size int, options ...string) func(t *testing.T, dir string) (setting, string) {
	return func(t *testing.T, dir string) (setting, string) {
		at := filepath.Join(dir, "mounted")
		if err := os.Mkdir(at, 0o755); err != nil {
			t.Fatal(err)
		}
		return setting{dir: at}, mountDevice(t, kind, filepath.Join(dir, "image"), size, at, options...)
	}
}

// mountDevice makes an image of a file system and mounts it until the test ends, or says why
// it cannot.
func mountDevice(t *testing.T, kind, image string, size int, at string, options ...string) (notHere string) {
	if known, err := os.ReadFile("/proc/filesystems"); err != nil || !strings.Contains(string(known), "\t"+kind+"\n") {
		return "the kernel has no " + kind
	}
	mkfs, err := exec.LookPath("mkfs." + kind)
	if err != nil {
		return "mkfs." + kind + " is not installed"
	}
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, int64(size)<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(mkfs, append(options, image)...).CombinedOutput(); err != nil {
		return fmt.Sprintf("%s: %v: %s", mkfs, err, out)
	}
	with := "loop"
	if kind == "vfat" {
		with += ",quiet,umask=022" // it has no modes, and chmod is to be ignored
	}
	if out, err := exec.Command("mount", "-o", with, "-t", kind, image, at).CombinedOutput(); err != nil {
		return fmt.Sprintf("mount: %v: %s", err, strings.TrimSpace(string(out)))
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return ""
}

// onVFAT has two of the plugins on a FAT, which has no links.
func onVFAT(t *testing.T, dir string) (setting, string) {
	files := filepath.Join(dir, "files")
	plugins := filepath.Join(files, "plain")
	if err := os.MkdirAll(plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	return setting{dir: files, seen: upperCaseBelow(plugins)}, mountDevice(t, "vfat", filepath.Join(dir, "image"), 64, plugins)
}

// onCasefold makes an ext4 with a directory in which case does not matter.
func onCasefold(t *testing.T, dir string) (setting, string) {
	if _, err := os.Stat("/sys/fs/ext4/features/casefold"); err != nil {
		return setting{}, "the kernel has no CONFIG_UNICODE"
	}
	at := filepath.Join(dir, "mounted")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if notHere := mountDevice(t, "ext4", filepath.Join(dir, "image"), 64, at, "-q", "-O", "casefold", "-E", "encoding=utf8"); notHere != "" {
		return setting{}, notHere
	}
	s := setting{dir: filepath.Join(at, "folded")}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("chattr", "+F", s.dir).CombinedOutput(); err != nil {
		return setting{}, fmt.Sprintf("chattr +F: %v: %s", err, out)
	}
	s.seen = upperCaseBelow(s.dir)
	return s, ""
}

// mountElsewhere returns what mounts and unmounts a tmpfs that has nothing to do with plugins.
func mountElsewhere(dir string) func(c *oracle) {
	at := filepath.Join(dir, "elsewhere")
	return func(c *oracle) {
		c.must(os.MkdirAll(at, 0o755))
		c.must(unix.Mount("tmpfs", at, "tmpfs", 0, ""))
		c.pause(12)
		c.must(unix.Unmount(at, unix.MNT_DETACH))
	}
}

// mountUntilEnd mounts until the test ends, or says why it cannot.
func mountUntilEnd(t *testing.T, source, at, kind string, flags uintptr, data string) (notHere string) {
	if err := unix.Mount(source, at, kind, flags, data); err != nil {
		return fmt.Sprintf("mount(2): %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	return ""
}

// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// kernelWatches are the masks of this process's inotify watches on path.
func kernelWatches(t *testing.T, path string) (masks []uint32) {
	t.Helper()
	st, err := newInode(path)
	if err != nil {
		t.Fatal(err)
	}
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		b, _ := os.ReadFile(info) // it may be closed by now
		for line := range strings.Lines(string(b)) {
			if strings.HasPrefix(line, "inotify ") && strings.Contains(line, fmt.Sprintf(" ino:%x ", st)) {
				var mask uint32
				if _, err := fmt.Sscanf(line[strings.Index(line, " mask:"):], " mask:%x", &mask); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				masks = append(masks, mask)
			}
		}
	}
	return masks
}

func newInode(path string) (uint64, error) {
	in, err := fsys.OS{}.Stat(path)
	return in.Fingerprint.Inode, err
}

func TestOneKernelWatchPerDirectoryWhateverTheSpelling(t *testing.T) {
	h := onDisk(t, Options{})
	sub := filepath.Dir(h.file)
	h.must(os.Symlink("sub", filepath.Join(h.dir, "link")))
	h.must(os.Mkdir(filepath.Join(h.dir, "elsewhere"), 0o755))
	h.must(os.Symlink(h.file, filepath.Join(h.dir, "elsewhere", "link.so")))
	for i := range 100 {
		name := fmt.Sprintf("plugin-%d.so", i)
		h.put(filepath.Join(sub, name), "v0")
		for j, path := range []string{"sub/" + name, "link/" + name, "./sub/../sub/" + name, "elsewhere/link.so"} {
			h.must(h.m.Enable(fmt.Sprint(i, "/", j), filepath.Join(h.dir)+"/"+path, EnableOptions{}))
		}
	}
	h.awaitStat("all watched", func(s Stats) bool { return s.Plugins == 401 && s.WatchedDirectories > 0 && s.Settling == 0 })
	h.quiet() // the loop has taken over what was enabled before
	for _, dir := range []string{h.dir, sub, filepath.Join(h.dir, "elsewhere")} {
		if n := len(kernelWatches(t, dir)); n != 1 {
			t.Errorf("%s: %d kernel watches, want 1", dir, n)
		}
	}
	_, err := h.m.Clear()
	h.must(err)
	h.awaitStat("nothing watched", func(s Stats) bool { return s.WatchedDirectories == 0 })
	for _, dir := range []string{h.dir, sub} {
		h.await(dir+" has no kernel watch after clear", func() bool { return len(kernelWatches(t, dir)) == 0 })
	}
}

// What programs write in a directory above a plugin's, such as /tmp or the
// user's home, does not wake the host.
func TestDirectoriesOnTheWayAreWatchedForNamesAlone(t *testing.T) {
	h := onDisk(t, Options{})
	h.quiet()
	const writes = unix.IN_MODIFY | unix.IN_CLOSE_WRITE
	check := func(dir string, heard uint32) {
		t.Helper()
		masks := kernelWatches(t, dir)
		if len(masks) != 1 || masks[0]&writes != heard {
			t.Errorf("%s is watched for %x", dir, masks)
		}
	}
	check(filepath.Dir(h.file), writes)
	check(h.dir, 0)
	// Until a plugin lies there.
	upper := filepath.Join(h.dir, "upper.so")
	h.put(upper, "u0")
	h.must(h.m.Enable("upper", upper, EnableOptions{}))
	h.quiet()
	check(h.dir, writes)
	f, err := os.OpenFile(upper, os.O_WRONLY, 0)
	h.must(err)
	_, err = f.WriteString("u1")
	h.must(err)
	h.must(f.Close())
	h.awaitStat("the write is told", func(s Stats) bool { return s.Deliveries == 3 })
}

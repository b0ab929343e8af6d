package core

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// kernelWatches counts the inotify watches of this process on path.
func kernelWatches(t *testing.T, path string) (n int) {
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
				n++
			}
		}
	}
	return n
}

func newInode(path string) (uint64, error) {
	in, err := osDisk{}.stat(path)
	return in.fp.ino, err
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
		if n := kernelWatches(t, dir); n != 1 {
			t.Errorf("%s: %d kernel watches, want 1", dir, n)
		}
	}
	_, err := h.m.Clear()
	h.must(err)
	h.awaitStat("nothing watched", func(s Stats) bool { return s.WatchedDirectories == 0 })
	for _, dir := range []string{h.dir, sub} {
		if n := kernelWatches(t, dir); n != 0 {
			t.Errorf("%s: %d kernel watches after clear, want 0", dir, n)
		}
	}
}

// SPDX-License-Identifier: MIT

package engine

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Such a writer neither writes, truncates nor extends: that it closes the file
// is the only notification.
func TestWriterThatOnlyMapsTheExistingFile(t *testing.T) {
	bothWays(t, func(h *realHost) {
		for _, want := range []string{"v1", "v2", "v3"} {
			f, err := os.OpenFile(h.file, os.O_RDWR, 0)
			h.must(err)
			mem, err := unix.Mmap(int(f.Fd()), 0, len(want), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			h.must(err)
			h.must(f.Close())
			copy(mem, want)
			h.must(unix.Munmap(mem))
			h.expect(want)
		}
		h.quiet()
	})
}

// A directory is removed and unpacked anew so fast that nobody watches it yet
// when the file is written, and the file gets the inode number, size and
// modification time of the one before.
func TestInodeNumberGivenOutAgain(t *testing.T) {
	epoch := time.Unix(315532800, 0)
	bothWays(t, func(h *realHost) {
		dir := filepath.Dir(h.file)
		for _, v := range []string{"v1", "v2", "v3", "v4"} {
			stage := filepath.Join(h.dir, "stage")
			h.must(os.RemoveAll(dir))
			h.must(os.Mkdir(stage, 0o755))
			h.put(filepath.Join(stage, "plugin.so"), v)
			h.must(os.Chtimes(filepath.Join(stage, "plugin.so"), epoch, epoch))
			h.must(os.Rename(stage, dir))
			h.expect(v)
		}
		h.quiet()
	})
}

// What tar, package managers and reproducible builds do: every version has the
// same modification time, and often the same size and inode number.
func TestVersionsWithOneModificationTime(t *testing.T) {
	epoch := time.Unix(315532800, 0)
	unpack := func(h *realHost, v string) {
		h.must(os.Remove(h.file))
		h.put(h.file, v)
		h.must(os.Chtimes(h.file, epoch, epoch))
	}
	inPlace := func(h *realHost, v string) {
		h.put(h.file, v)
		h.must(os.Chtimes(h.file, epoch, epoch))
	}
	test := func(h *realHost) {
		for _, v := range []string{"v1", "v2", "v3"} {
			unpack(h, v)
			h.expect(v)
		}
		for _, v := range []string{"v4", "v5", "v6"} {
			inPlace(h, v)
			h.expect(v)
		}
		h.must(os.Chmod(h.file, 0o755)) // moves the inode's clock, too
		h.must(os.Link(h.file, h.file+".link"))
		h.quiet()
	}
	t.Run("notified", func(t *testing.T) { t.Parallel(); test(onDisk(t, Options{})) })
	t.Run("polled, contents compared", func(t *testing.T) {
		t.Parallel()
		test(onDisk(t, Options{ForcePolling: true, PollInterval: 20 * ms, IgnoreUnchangedContent: true}))
	})
}

// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// The ways in which plugin files change in the field, beyond the plain ones of
// real_unix_test.go. Each must end with the last whole version, be told once
// per completed change, and never at a torn or missing file.

func (h *realHost) command(name string, args ...string) {
	h.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		h.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// again registers path in place of the file, before anything happens to it.
func (h *realHost) again(path string) {
	h.t.Helper()
	_, err := h.m.Disable("p")
	h.must(err)
	h.file = path
	h.must(h.m.Enable("p", path, EnableOptions{}))
}

func TestLargeFileRewrittenInPlace(t *testing.T) {
	bothWays(t, func(h *realHost) {
		big := strings.Repeat("0123456789abcdef", 64<<20/16)
		f, err := os.OpenFile(h.file, os.O_WRONLY|os.O_TRUNC, 0)
		h.must(err)
		for b := []byte(big); len(b) > 0; b = b[1<<20:] {
			_, err := f.Write(b[:1<<20])
			h.must(err)
		}
		h.must(f.Close())
		h.expect(big)
		h.quiet()
	})
}

// countsMappings is a directory whose file system knows of a writer who has
// closed the file but still maps it: not every one does, overlayfs for one.
func countsMappings(t *testing.T) string {
	for _, base := range []string{os.TempDir(), "/dev/shm"} {
		dir, err := os.MkdirTemp(base, "mapped")
		if err != nil {
			continue
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if f, err := os.Create(filepath.Join(dir, "f")); err == nil && f.Truncate(1) == nil {
			mem, err := unix.Mmap(int(f.Fd()), 0, 1, unix.PROT_WRITE, unix.MAP_SHARED)
			if f.Close(); err == nil {
				v := writerAt(f.Name())
				if unix.Munmap(mem); v == fsys.HasWriter {
					return dir
				}
			}
		}
	}
	t.Fatal("neither the temporary directory nor /dev/shm tells of shared mappings")
	return ""
}

func TestWriterThroughASharedMapping(t *testing.T) {
	bothWays(t, func(h *realHost) {
		file := filepath.Join(countsMappings(h.t), "plugin.so")
		h.put(file, "v0")
		h.again(file)
		for round := range 2 {
			want := bytes.Repeat([]byte(fmt.Sprint("mapped ", round, " ")), 2000)
			f, err := os.OpenFile(h.file, os.O_RDWR|os.O_TRUNC, 0)
			h.must(err)
			h.must(f.Truncate(int64(len(want))))
			mem, err := unix.Mmap(int(f.Fd()), 0, len(want), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			h.must(err)
			copy(mem, want[:len(want)/2])
			h.awaitStat("being written", func(s Stats) bool { return s.BeingWritten == 1 })
			h.must(f.Close()) // the mapping lives on
			before, err := h.m.Stats()
			h.must(err)
			// Even the maximum delay must not tell of half a file.
			deadline := time.Now().Add(150 * ms)
			h.await("some looks at it", func() bool { return time.Now().After(deadline) })
			copy(mem, want)
			if s, _ := h.m.Stats(); s.Deliveries != before.Deliveries {
				h.t.Fatal("told of half a file")
			}
			h.must(unix.Munmap(mem))
			h.expect(string(want))
		}
		h.quiet()
	})
}

func TestPreallocatingWriter(t *testing.T) {
	bothWays(t, func(h *realHost) {
		f, err := os.OpenFile(h.file, os.O_WRONLY|os.O_TRUNC, 0)
		h.must(err)
		want := strings.Repeat("prealloc", 1000)
		h.must(f.Truncate(int64(len(want)))) // the size is final from now on
		h.awaitStat("being written", func(s Stats) bool { return s.BeingWritten == 1 })
		_, err = f.WriteAt([]byte(want), 0)
		h.must(err)
		h.must(f.Close())
		h.expect(want)
		h.quiet()
	})
}

func TestRapidReplacements(t *testing.T) {
	bothWays(t, func(h *realHost) {
		var last string
		for i := range 200 {
			last = fmt.Sprint("rapid ", i)
			h.replace(h.file, last)
		}
		// Whatever was told on the way was whole; the last is the last.
		for got := range h.told {
			if got == last {
				break
			}
			if !strings.HasPrefix(got, "rapid ") {
				h.t.Fatalf("told at %q", got)
			}
		}
		h.quiet()
	})
}

func TestReplacedWhileStillBeingWritten(t *testing.T) {
	bothWays(t, func(h *realHost) {
		tmp := h.file + ".part"
		f, err := os.Create(tmp)
		h.must(err)
		_, err = f.WriteString("first, ")
		h.must(err)
		h.must(os.Rename(tmp, h.file))
		h.awaitStat("being written", func(s Stats) bool { return s.BeingWritten == 1 })
		_, err = f.WriteString("second")
		h.must(err)
		h.must(f.Close())
		h.expect("first, second")
		h.quiet()
	})
}

func TestBackupDanceOfAnEditor(t *testing.T) {
	bothWays(t, func(h *realHost) {
		for i := range 3 {
			h.must(os.Rename(h.file, h.file+"~"))
			v := fmt.Sprint("edited ", i)
			h.put(h.file, v)
			h.must(os.Remove(h.file + "~"))
			h.expect(v)
		}
		h.quiet()
	})
}

func TestToolsOfTheSystem(t *testing.T) {
	bothWays(t, func(h *realHost) {
		other := filepath.Join(h.dir, "new")
		for i, tool := range [][]string{
			{"cp", other, h.file},
			{"install", "-m", "755", other, h.file},
			{"ln", "-f", other, h.file},
			{"mv", other, h.file},
			{"sed", "-i", "s/tool/TOOL/", h.file},
		} {
			v := fmt.Sprint("tool ", i)
			if tool[0] != "sed" {
				h.must(os.RemoveAll(other))
				h.put(other, v)
			} else {
				v = fmt.Sprint("TOOL ", i-1)
			}
			h.command(tool[0], tool[1:]...)
			h.expect(v)
		}
		h.quiet()
	})
}

func TestTouchIsAChange(t *testing.T) {
	bothWays(t, func(h *realHost) {
		now := time.Now()
		h.must(os.Chtimes(h.file, now, now))
		h.expect("v0")
		h.quiet()
	})
}

func TestMovedAwayAndBack(t *testing.T) {
	bothWays(t, func(h *realHost) {
		h.must(os.Rename(h.file, h.file+".away"))
		h.must(os.Rename(h.file+".away", h.file))
		h.quiet() // the same file is no change
	})
}

func TestParentRemovedAndRecreated(t *testing.T) {
	bothWays(t, func(h *realHost) {
		for i := range 3 {
			h.must(os.RemoveAll(filepath.Dir(h.file)))
			h.must(os.Mkdir(filepath.Dir(h.file), 0o755))
			v := fmt.Sprint("re-created ", i)
			h.put(h.file, v)
			h.expect(v)
			h.quiet()
		}
	})
}

func TestGrandparentSwapped(t *testing.T) {
	bothWays(t, func(h *realHost) {
		deep := filepath.Join(h.dir, "x", "y", "z")
		h.must(os.MkdirAll(deep, 0o755))
		h.put(filepath.Join(deep, "plugin.so"), "v0")
		h.again(filepath.Join(deep, "plugin.so"))
		for i := range 3 {
			h.must(os.Rename(filepath.Join(h.dir, "x"), filepath.Join(h.dir, fmt.Sprint("x-old", i))))
			h.must(os.MkdirAll(deep, 0o755))
			v := fmt.Sprint("swapped ", i)
			h.put(h.file, v)
			h.expect(v)
			h.quiet()
		}
	})
}

// AtomicWriter of Kubernetes: visible file -> ..data/file, ..data -> ..stamp,
// and a new ..data renamed over the old one.
func TestKubernetesDataSwap(t *testing.T) {
	bothWays(t, func(h *realHost) {
		vol := filepath.Join(h.dir, "volume")
		at := func(p ...string) string { return filepath.Join(append([]string{vol}, p...)...) }
		publish := func(stamp, v string) {
			h.must(os.MkdirAll(at(stamp), 0o755))
			h.put(at(stamp, "plugin.so"), v)
			h.must(os.Symlink(stamp, at("..data_tmp")))
			h.must(os.Rename(at("..data_tmp"), at("..data")))
		}
		h.must(os.Mkdir(vol, 0o755))
		publish("..2026_01", "config 1")
		h.must(os.Symlink("..data/plugin.so", at("plugin.so")))
		h.again(at("plugin.so"))
		for i := 2; i < 6; i++ {
			v := fmt.Sprint("config ", i)
			publish(fmt.Sprint("..2026_0", i), v)
			h.must(os.RemoveAll(at(fmt.Sprint("..2026_0", i-1))))
			h.expect(v)
		}
	})
}

func TestChainOfLinks(t *testing.T) {
	bothWays(t, func(h *realHost) {
		at := func(p string) string { return filepath.Join(h.dir, p) }
		h.must(os.MkdirAll(at("e"), 0o755))
		h.put(at("e/real-1"), "one")
		h.put(at("e/real-2"), "two")
		for link, to := range map[string]string{"e/c": "real-1", "b": "e/c", "a": at("b"), "dir": "e"} {
			h.must(os.Symlink(to, at(link)))
		}
		h.again(at("dir/../a")) // ".." after a link is where the link leads
		h.must(os.Remove(at("e/c")))
		h.must(os.Symlink("real-2", at("e/c")))
		h.expect("two")
		h.put(at("e/real-2"), "two, rewritten")
		h.expect("two, rewritten")
		h.must(os.Remove(at("b")))
		h.must(os.Symlink("e/real-1", at("b")))
		h.expect("one")
	})
}

func TestKilledWriterAndItsSuccessor(t *testing.T) {
	h := onDisk(t, Options{CheckImage: true, Quiet: 30 * ms})
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return // no such way to a real image here
	}
	h.put(h.file+".whole", string(exe))
	// The shell is killed while it holds the half-written library open.
	cmd := exec.Command("sh", "-c", `exec 3>"$2"; head -c 100000 "$1" >&3; echo ready; read x`, "sh", h.file+".whole", h.file)
	in, err := cmd.StdinPipe()
	h.must(err)
	defer in.Close()
	cmd.Stdout = nil
	h.must(cmd.Start())
	h.awaitStat("being written", func(s Stats) bool { return s.BeingWritten == 1 })
	h.must(cmd.Process.Kill())
	_ = cmd.Wait()
	h.awaitStat("refused", func(s Stats) bool { return s.IncompleteImages == 1 })
	h.command("cp", h.file+".whole", h.file)
	h.expect(string(exe))
}

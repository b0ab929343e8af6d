// SPDX-License-Identifier: MIT

package engine

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	snapshots "github.com/qtforge/hotreload/core/internal/snapshot"
)

// TestKilledProcessesLeaveNothing kills a process at every step of a reload.
// The next manager removes what it left, and nothing of a process that lives.
func TestKilledProcessesLeaveNothing(t *testing.T) {
	const mark = "-kill="
	for _, a := range os.Args {
		if at, ok := strings.CutPrefix(a, mark); ok {
			at, base, _ := strings.Cut(at, ":")
			dieAt(t, at, base)
			return
		}
	}
	for _, at := range []string{"begun", "made", "opened", "copying", "copied", "sealed", "stable", "validated", "told", "reported", "live"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			base := filepath.Join(t.TempDir(), "snapshots")
			start := func(at string) (*exec.Cmd, string) {
				cmd := exec.Command("/proc/self/exe", "-test.run=^TestKilledProcessesLeaveNothing$", "-test.timeout=60s", "--", mark+at+":"+base)
				cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir()) // what it leaves there goes with the test
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				line, _ := bufio.NewReader(out).ReadString('\n') // its snapshot, or "" when it has died
				return cmd, strings.TrimSpace(line)
			}
			living, kept := start("live")
			defer func() { _ = living.Process.Kill(); _ = living.Wait() }()
			if kept == "" {
				t.Fatal("the living process has no snapshot")
			}
			cmd, _ := start(at)
			if at == "live" {
				_ = cmd.Process.Kill()
			}
			err := cmd.Wait()
			if st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || st.Signal() != syscall.SIGKILL {
				t.Fatalf("the process was not killed at %q: %v", at, err)
			}
			if n := len(entriesOf(t, base)); n != 2 && at != "begun" && !(n == 1 && at == "begun") {
				t.Fatalf("%d directories before the next start, want the living one's and the dead one's", n)
			}
			h := newSafe(t, Options{SnapshotDir: new(base)}, Safe{}, "v1")
			h.change("v1")
			h.until("what the dead process left is removed", func() bool { return len(entriesOf(t, base)) == 2 })
			if b, err := os.ReadFile(kept); err != nil || string(b) != "v1" {
				t.Fatalf("the living process's snapshot: %q, %v", b, err)
			}
		})
	}
}

func entriesOf(t *testing.T, dir string) []fs.DirEntry {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// dieAt is the process that is killed.
func dieAt(t *testing.T, at, base string) {
	die := func(step string) {
		if step == at {
			_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		}
	}
	h := quietSafe(t, Options{SnapshotDir: new(base), step: die})
	h.put(h.file, "v1")
	h.enable(Safe{})
	ev := h.change("v1")
	die("told")
	h.report(1, ReloadOK)
	die("reported")
	fmt.Println(ev.Snapshot)
	time.Sleep(time.Minute) // until it is killed
}

// The fork of a process that holds the lock must not make it look alive for
// ever, nor its exec: descriptors are close-on-exec.
func TestLockIsNotInherited(t *testing.T) {
	h := newSafe(t, Options{}, Safe{}, "v1")
	h.change("v1")
	cmd := exec.Command("ls", "-l", "/proc/self/fd")
	out, err := cmd.CombinedOutput()
	h.must(err)
	if strings.Contains(string(out), h.snapshots) {
		t.Fatalf("a child has the lock:\n%s", out)
	}
}

func TestDiskFull(t *testing.T) {
	if !inNamespace(t, t.Name()) {
		return
	}
	dir := mountTmpfs(t, 0, "size=256k,mode=700")
	h := quietSafe(t, Options{SnapshotDir: new(filepath.Join(dir, "s"))})
	h.put(h.file, "v1")
	h.enable(Safe{})
	h.change("v1")
	h.report(1, ReloadOK)
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	h.must(err)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	h.must(f.Close())
	big := strings.Repeat("v2", 10000)
	h.replace(h.file, big)
	if ev := h.next(Health); ev.Health != HealthSnapshotFailed || !strings.Contains(ev.Message, "no space left") {
		t.Fatalf("event %+v", ev)
	}
	if n := h.stats().Snapshots; n != 1 {
		t.Fatalf("%d snapshots are left, want the good one alone", n)
	}
	h.until("it is tried again", func() bool { return h.stats().SnapshotFailures >= 2 })
	h.must(os.Remove(ballast))
	h.change(big) // without a further change of the file, nor saying twice what was in the way
	if n := h.generations(); n != 2 {
		t.Fatalf("%d generations on the disk, want 2: the failed attempt left something", n)
	}
}

func mountTmpfs(t *testing.T, flags uintptr, data string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, data); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// generations is how many snapshots are on the disk.
func (h *safeHost) generations() int {
	h.t.Helper()
	found, err := filepath.Glob(filepath.Join(h.snapshots, "*", "d/d/d/d/d/d/d/d", "[0-9]*"))
	h.must(err)
	return len(found)
}

func TestNoexecSnapshotDirectoryIsSaidAtOnce(t *testing.T) {
	if !inNamespace(t, t.Name()) {
		return
	}
	dir := mountTmpfs(t, unix.MS_NOEXEC, "mode=700")
	h := quietSafe(t, Options{SnapshotDir: new(filepath.Join(dir, "s"))})
	h.put(h.file, "a script is fine")
	h.enable(Safe{})
	h.change("a script is fine")
	h.compile(h.file, "int x;")
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "noexec") {
		t.Fatalf("event %+v", ev)
	}
}

func TestSnapshotDirectoryMadeReadOnly(t *testing.T) {
	if !inNamespace(t, t.Name()) {
		return
	}
	dir := mountTmpfs(t, 0, "mode=700")
	h := quietSafe(t, Options{SnapshotDir: new(filepath.Join(dir, "s"))})
	h.put(h.file, "v1")
	h.enable(Safe{})
	h.change("v1")
	h.report(1, ReloadOK)
	h.must(unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	h.replace(h.file, "v2")
	if ev := h.next(Health); ev.Health != HealthSnapshotFailed || !strings.Contains(ev.Message, "read-only") {
		t.Fatalf("event %+v", ev)
	}
	h.until("it is tried again", func() bool { return h.stats().SnapshotFailures >= 2 })
	h.must(unix.Mount("", dir, "", unix.MS_REMOUNT, ""))
	h.change("v2")
}

func TestSnapshotDirectoryRemoved(t *testing.T) {
	h := newSafe(t, Options{}, Safe{}, "v1")
	h.change("v1")
	h.report(1, ReloadOK)
	h.must(removeTree(h.snapshots))
	h.replace(h.file, "v2")
	h.change("v2") // in a directory made anew
	h.report(2, ReloadFailed)
	if ev := h.next(Rollback); ev.Generation != 0 {
		t.Fatalf("rollback to a snapshot that was removed: %+v", ev)
	}
	h.must(removeTree(h.snapshots))
	h.replace(h.file, "v3")
	h.change("v3")
	h.m.Close()
	if list := entriesOf(t, h.snapshots); len(list) != 0 {
		t.Fatalf("left: %v", list)
	}
}

// Somebody takes the directories away from the user that the manager runs as.
func TestSnapshotDirectoryTakenByAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not run: it takes root to give a directory to another user")
		return
	}
	if !alone(t, t.Name()) {
		return
	}
	const nobody = 65534
	as := func(uid int) {
		t.Helper()
		if err := syscall.Setresuid(-1, uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "taken") // t.TempDir() makes it below one that is closed to others
	if err == nil {
		err = errors.Join(os.Chmod(dir, 0o755), os.Chown(dir, nobody, nobody), os.Setenv("TMPDIR", dir))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { as(0); _ = os.RemoveAll(dir) })
	as(nobody)
	base := filepath.Join(dir, "snapshots")
	h := quietSafe(t, Options{SnapshotDir: new(base)})
	h.put(h.file, "v1")
	h.enable(Safe{})
	own := filepath.Dir(filepath.Dir(h.change("v1").Snapshot))
	h.report(1, ReloadOK)

	h.must(os.Chmod(own, 0o500)) // by the user: put right
	h.must(os.Chmod(base, 0o500))
	h.replace(h.file, "v2")
	h.change("v2")
	h.report(2, ReloadOK)

	as(0) // by root: said, and waited for
	h.must(os.Chown(own, 0, 0))
	as(nobody)
	h.replace(h.file, "v3")
	if ev := h.next(Health); ev.Health != HealthSnapshotFailed || !strings.Contains(ev.Message, "permission denied") {
		t.Fatalf("event %+v", ev)
	}
	if s := h.stats(); s.Snapshots != 2 || s.SnapshotFailures == 0 {
		t.Fatalf("stats %+v", s)
	}
	as(0)
	h.must(os.Chown(own, nobody, nobody))
	as(nobody)
	h.change("v3")
}

// alone runs a test once more in a process of its own; it reports whether this is that.
func alone(t *testing.T, name string) bool {
	t.Helper()
	for _, a := range os.Args {
		if a == childMark {
			return true
		}
	}
	out, err := exec.Command("/proc/self/exe", "-test.run=^"+name+"$", "-test.v", "-test.timeout=60s", "--", childMark).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// No notification says that the file was exchanged, or that somebody writes to it, after it was copied.
func TestExchangedAfterTheCopyUnnoticed(t *testing.T) {
	for what, act := range map[string]func(h *safeHost) (finish func()){
		"exchanged": func(h *safeHost) func() { h.replace(h.file, "second"); return func() {} },
		"opened for writing": func(h *safeHost) func() {
			f, err := os.OpenFile(h.file, os.O_WRONLY, 0)
			h.must(err)
			return func() {
				_, err := f.WriteString("second")
				h.must(errors.Join(err, f.Close()))
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var h *safeHost
			acted := make(chan func(), 1)
			var once atomic.Bool
			h = quietSafe(t, Options{ForcePolling: true, PollInterval: time.Hour, step: func(step string) {
				if step == "sealed" && once.CompareAndSwap(false, true) {
					acted <- act(h)
				}
			}})
			h.put(h.file, "first")
			h.enable(Safe{})
			finish := <-acted
			h.until("the copy was let go", func() bool { s := h.stats(); return s.Validating == 0 || s.Deliveries > 0 })
			finish()
			if ev := h.change("second"); ev.Generation != 1 {
				t.Fatalf("generation %d", ev.Generation)
			}
		})
	}
}

// In the middle of the copy the file is rewritten in place, and gets its size and
// modification time back: cp -p and reproducible builds do that.
func TestRewrittenWithItsTimeWhileCopiedUnnoticed(t *testing.T) {
	var h *safeHost
	var copying atomic.Int32
	content := func(c string) string { return strings.Repeat(c, snapshots.Chunk+snapshots.Chunk/2) }
	epoch := time.Unix(315532800, 0)
	h = quietSafe(t, Options{ForcePolling: true, PollInterval: time.Hour, step: func(step string) {
		if step == "copying" && copying.Add(1) == 2 {
			h.put(h.file, content("2"))
			h.must(os.Chtimes(h.file, epoch, epoch))
		}
	}})
	h.put(h.file, content("1"))
	h.must(os.Chtimes(h.file, epoch, epoch))
	h.enable(Safe{})
	ev := h.next(FileChanged)
	if copying.Load() < 2 {
		t.Log("not run: the file system copies by reference")
		return
	}
	if h.read(ev.Snapshot) != content("2") {
		t.Fatal("the snapshot is neither the one version nor the other")
	}
}

func TestThousandReloadsStayFlat(t *testing.T) {
	h := newSafe(t, Options{Quiet: NoQuiet}, Safe{}, "v0")
	fds := func() int { return len(entriesOf(t, "/proc/self/fd")) }
	memory := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	reload := func(content string) {
		ev := h.change(content)
		h.report(ev.Generation, ReloadOK)
	}
	reload("v0")
	var fds0 int
	var memory0 uint64
	for i := range 1000 {
		v := fmt.Sprint("version ", i)
		h.replace(h.file, v)
		reload(v)
		if i == 99 {
			fds0, memory0 = fds(), memory()
		}
	}
	h.until("two snapshots are left", func() bool { return h.stats().Snapshots == 2 })
	if n := h.generations(); n != 2 {
		t.Errorf("%d generations on the disk, want 2", n)
	}
	if n := fds(); n > fds0+2 {
		t.Errorf("%d descriptors after 1,000 reloads, %d after 100", n, fds0)
	}
	if n := memory(); n > memory0+256<<10 {
		t.Errorf("%d bytes of heap after 1,000 reloads, %d after 100", n, memory0)
	}
}

// SPDX-License-Identifier: MIT

package watch

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/testns"
)

// awaitMount waits until the watcher reports a change.
func awaitMount(t *testing.T, w *mountWatcher, what string) {
	t.Helper()
	select {
	case <-w.channel():
	case <-time.After(bound):
		t.Fatalf("%s was not reported within %v", what, bound)
	}
}

func mountTmpfs(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

// The goroutine of the watcher may run for the first time long after the mount.
func TestMountBeforeTheWatcherRunsIsReported(t *testing.T) {
	if child, _ := testns.InMountNamespace(t); !child {
		return
	}
	dir := tempDir(t)
	w := openMountWatcher(func() {})
	defer w.close()
	mountTmpfs(t, dir)
	go w.watch()
	awaitMount(t, w, "the mount")
}

// Wherever the watcher is when something is mounted, it reports that.
func TestMountAtOnceAfterTheWatcherWasMadeIsReported(t *testing.T) {
	if child, _ := testns.InMountNamespace(t); !child {
		return
	}
	dir := tempDir(t)
	for i := range 200 {
		w := newMountWatcher(func() {})
		for range i { // another moment each time
			runtime.Gosched()
		}
		mountTmpfs(t, dir)
		awaitMount(t, w, "the mount")
		if err := unix.Unmount(dir, 0); err != nil {
			t.Fatal(err)
		}
		awaitMount(t, w, "the unmount")
		w.close()
	}
}

// SPDX-License-Identifier: MIT

package engine

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// A host that forks while its files are looked at has children with a copy of
// the probe's descriptor. None of them may keep the lease, which would hold up
// every writer for as long as /proc/sys/fs/lease-break-time says.
func TestChildrenOfTheHostKeepNoLease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plugin.so")
	if err := os.WriteFile(path, []byte("whole"), 0o644); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	probes := make(chan int)
	go func() {
		n := 0
		for ; !stop.Load(); n++ {
			if v := writerAt(path); v != fsys.NoWriter {
				t.Errorf("probe %d says %v with no writer there", n, v)
				break
			}
		}
		probes <- n
	}()
	var children []int
	defer func() {
		for _, pid := range children {
			unix.Kill(pid, unix.SIGKILL)
			unix.Wait4(pid, nil, 0, nil)
		}
	}()
	for range 200 {
		// With nothing of Go's runtime: only system calls until it is killed.
		pid, _, err := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		if err != 0 {
			t.Fatal(err)
		}
		if pid == 0 {
			for {
				unix.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
			}
		}
		children = append(children, int(pid))
	}
	stop.Store(true)
	if n := <-probes; n == 0 {
		t.Fatal("nothing was probed")
	}
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("a writer is held up: %v", err)
	}
	unix.Close(fd)
}

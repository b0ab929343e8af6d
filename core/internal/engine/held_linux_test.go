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

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// heldHost hears of what is held open for long.
type heldHost struct {
	*realHost
	health chan Event
}

func newHeld(t *testing.T, o Options) *heldHost {
	t.Helper()
	h := &heldHost{onDisk(t, o), make(chan Event, 1000)}
	h.must(h.m.SetEventCallback(func(ev Event) {
		if ev.Kind == Health && ev.Health == HealthHeldOpen {
			h.health <- ev
		}
	}, nil))
	return h
}

func (h *heldHost) nextHealth() Event {
	h.t.Helper()
	select {
	case ev := <-h.health:
		return ev
	case <-time.After(bound):
		s, _ := h.m.Stats()
		h.t.Fatalf("no event within %v; stats %+v", bound, s)
		return Event{}
	}
}

// leak writes a file as a build does that starts a daemon: the daemon inherits the
// descriptor. It returns the daemon's number.
func (h *heldHost) leak(text string) (pid int, end func()) {
	h.t.Helper()
	f, err := os.OpenFile(h.file, os.O_WRONLY|os.O_TRUNC, 0)
	h.must(err)
	_, err = f.WriteString(text)
	h.must(err)
	daemon := exec.Command("sleep", "600")
	daemon.ExtraFiles = []*os.File{f}
	h.must(daemon.Start())
	h.must(f.Close())
	end = func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait()
	}
	h.t.Cleanup(end)
	return daemon.Process.Pid, end
}

func TestLeakedDescriptorIsReportedOnceWithTheProcess(t *testing.T) {
	h := newHeld(t, Options{HeldAfter: 100 * ms})
	for _, v := range []string{"v1", "v2"} {
		pid, end := h.leak(v)
		ev := h.nextHealth()
		if who := fmt.Sprintf("process %d (sleep)", pid); !strings.Contains(ev.Message, who) || ev.ID != "p" || ev.Path != h.file {
			t.Errorf("want %s: %+v", who, ev)
		}
		h.awaitStat("it counts", func(s Stats) bool { return s.HeldOpen == 1 && s.BeingWritten == 1 })
		// A second writer closes the file: the first one holds it open as before.
		h.put(h.file, v+" again")
		h.awaitStat("it waits", func(s Stats) bool { return s.BeingWritten == 1 })
		if len(h.told) > 0 {
			t.Fatal("delivered while it is held open")
		}
		end()
		h.expect(v + " again")
		h.awaitStat("it counts no more", func(s Stats) bool { return s.HeldOpen == 0 })
	}
	h.quiet()
	if len(h.health) > 0 {
		t.Errorf("a second event: %+v", <-h.health)
	}
}

func TestFileThatIsHeldOpenIsDeliveredIfTheHostAskedForThat(t *testing.T) {
	for name, o := range map[string]Options{"plain": {}, "hashed": {IgnoreUnchangedContent: true}} {
		t.Run(name, func(t *testing.T) {
			o.HeldAfter, o.DeliverHeld = 100*ms, true
			h := newHeld(t, o)
			_, end := h.leak("v1")
			h.expect("v1")
			if ev := h.nextHealth(); !strings.Contains(ev.Message, "while it is open") {
				t.Errorf("the event says %q", ev.Message)
			}
			h.put(h.file, "v2")
			h.expect("v2")
			if s, _ := h.m.Stats(); s.HeldOpen != 1 || len(h.health) != 0 {
				t.Errorf("%d held open, %d further events; want 1 and 0", s.HeldOpen, len(h.health))
			}
			end()
			h.awaitStat("it counts no more", func(s Stats) bool { return s.HeldOpen == 0 })
			h.quiet()
		})
	}
}

func TestMappingThatIsNeverClosedIsReportedWithTheProcess(t *testing.T) {
	h := newHeld(t, Options{HeldAfter: 100 * ms})
	f, err := os.OpenFile(h.file, os.O_RDWR, 0)
	h.must(err)
	mem, err := unix.Mmap(int(f.Fd()), 0, 2, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	h.must(err)
	h.must(f.Truncate(3))
	h.must(f.Close())
	copy(mem, "v1")
	ev := h.nextHealth()
	if who := fmt.Sprintf("process %d (", os.Getpid()); !strings.Contains(ev.Message, who) {
		t.Errorf("want %s: %q", who, ev.Message)
	}
	h.must(unix.Munmap(mem))
	h.expect("v1\x00")
}

// The scan of all processes finds none that this one may examine.
func TestWriterThatMayNotBeExaminedIsReportedWithoutAName(t *testing.T) {
	h := newHeld(t, Options{HeldAfter: 100 * ms, writers: func([]fsys.ID, func() bool) map[fsys.ID][]fsys.Process { return nil }})
	_, end := h.leak("v1")
	if ev := h.nextHealth(); !strings.Contains(ev.Message, "no process that this one may examine") {
		t.Errorf("the event says %q", ev.Message)
	}
	end()
	h.expect("v1")
}

func TestHeldFileOfADisabledPluginCountsNoMore(t *testing.T) {
	h := newHeld(t, Options{HeldAfter: 100 * ms})
	h.leak("v1")
	h.nextHealth()
	_, err := h.m.Disable("p")
	h.must(err)
	h.awaitStat("it counts no more", func(s Stats) bool { return s.HeldOpen == 0 && s.BeingWritten == 0 })
}

func TestSnapshotIsTakenOfAFileThatIsHeldOpen(t *testing.T) {
	h := quietSafe(t, Options{HeldAfter: 100 * ms, DeliverHeld: true})
	h.put(h.file, "v0")
	companion := filepath.Join(h.dir, "data")
	h.put(companion, "d0")
	h.enable(Safe{Files: []string{companion}})
	f, err := os.OpenFile(companion, os.O_WRONLY|os.O_TRUNC, 0)
	h.must(err)
	defer f.Close()
	_, err = f.WriteString("d1")
	h.must(err)
	h.change("v0")
}

func TestMessageNamesAFewProcesses(t *testing.T) {
	all := []fsys.Process{{PID: 1, Program: "a"}, {PID: 2}, {PID: 3, Program: "c"}, {PID: 4}, {PID: 5}}
	for n, want := range map[int]string{1: "process 1 (a)", 3: "process 1 (a), process 2, process 3 (c)",
		5: "process 1 (a), process 2, process 3 (c) and 2 more"} {
		if got := namesOf(all[:n]); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

func TestGoodGenerationsKept(t *testing.T) {
	for keep, left := range map[int]int{KeepNone: 1, 0: 2, 3: 4} {
		t.Run(fmt.Sprint(keep), func(t *testing.T) {
			t.Parallel()
			h := newSafe(t, Options{Quiet: NoQuiet}, Safe{Keep: keep}, "v1")
			const last = 6
			for g := 1; g <= last; g++ {
				v := fmt.Sprint("v", g)
				if g > 1 {
					h.replace(h.file, v)
				}
				h.change(v)
				h.report(uint64(g), ReloadOK)
			}
			for g := 1; g <= last; g++ {
				if err := h.m.ReportReload("p", uint64(g), ReloadOK, ""); (err == nil) != (g > last-left) {
					t.Errorf("generation %d of %d, of which %d are kept: %v", g, last, left, err)
				}
			}
			h.until("the others are gone", func() bool { return h.stats().Snapshots == left })
		})
	}
}

// A version that nobody reported on is not gone back to once a newer one is good.
func TestAGoodVersionSupersedesUnreportedOnes(t *testing.T) {
	h := newSafe(t, Options{}, Safe{}, "v1")
	first := h.change("v1")
	h.replace(h.file, "v2")
	h.change("v2")
	h.report(2, ReloadOK)
	if err := h.m.ReportReload("p", 1, ReloadOK, ""); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("a report on the superseded one: %v", err)
	}
	h.until("its snapshot is gone", func() bool { return noFile(first.Snapshot) && h.stats().Snapshots == 1 })
}

// What is loaded again is what was validated, or it is not named.
func TestARollbackNamesNoSnapshotThatWasChanged(t *testing.T) {
	h := newSafe(t, Options{}, Safe{Keep: 2}, "v1")
	h.change("v1")
	h.report(1, ReloadOK)
	h.replace(h.file, "v2")
	second := h.change("v2")
	h.report(2, ReloadOK)
	h.replace(h.file, "v3")
	h.change("v3")
	h.must(os.Chmod(second.Snapshot, 0o700))
	h.put(second.Snapshot, "v?") // of the same size
	h.report(3, ReloadFailed)
	if ev := h.next(Rollback); ev.Generation != 1 || h.read(ev.Snapshot) != "v1" {
		t.Errorf("back to generation %d, %s", ev.Generation, ev.Snapshot)
	}
}

// What failed is not offered again when the host has been told of a newer version.
func TestNoRetryOfASupersededVersion(t *testing.T) {
	h := newSafe(t, Options{}, Safe{Retries: 3, RetryDelay: ms}, "v1")
	h.change("v1")
	h.replace(h.file, "v2")
	h.change("v2")
	h.report(1, ReloadFailed)
	if ev := h.next(Rollback); strings.Contains(ev.Message, "again") {
		t.Errorf("event %+v", ev)
	}
	h.replace(h.file, "v3")
	if ev := h.change("v3"); ev.Generation != 3 || h.stats().Retries != 0 {
		t.Errorf("generation %d, stats %+v", ev.Generation, h.stats())
	}
}

// Memory is bounded. Who writes many bad contents has none of the first offered again,
// and the latest is known in any case.
func TestFailuresRemembered(t *testing.T) {
	s := &safeState{o: &policy{}}
	content := func(i int) fsys.Hash { return fsys.Hash{byte(i), byte(i >> 8)} }
	const many = maxFailures + 10
	for i := range many {
		s.failed(content(i)).times++
	}
	if n := len(s.failures); n != maxFailures {
		t.Errorf("%d failures are remembered, want %d", n, maxFailures)
	}
	for i := range many {
		if bad := s.bad(content(i)); bad != (i < maxFailures-1 || i == many-1) {
			t.Errorf("content %d of %d: known to fail: %v", i, many, bad)
		}
	}
}

func TestWatchdogNotesAHostThatDoesNotReport(t *testing.T) {
	h := newSafe(t, Options{}, Safe{ReportTimeout: 30 * ms}, "v1")
	h.change("v1")
	if ev := h.next(Health); ev.Health != HealthNoReport || ev.ID != "p" {
		t.Fatalf("event %+v", ev)
	}
	h.report(1, ReloadOK) // late, and still right
	h.replace(h.file, "v2")
	h.change("v2")
	h.next(Health)
	if s := h.stats(); s.Unreported != 2 || s.ReloadsOK != 1 {
		t.Fatalf("stats %+v", s)
	}
}

// The report comes while the watchdog is about to bark: it runs, and waits for the lock.
func TestReportInTime(t *testing.T) {
	h := newSafe(t, Options{}, Safe{ReportTimeout: time.Hour}, "v1")
	for i := range 10 {
		g := uint64(i + 1)
		h.change(fmt.Sprint("v", g))
		func() {
			h.m.mu.Lock()
			defer h.m.mu.Unlock()
			o := h.m.plugins.lookup("p").safe.deliveredAs(g)
			for running := false; !running; running = !o.watchdog.Stop() {
				o.watchdog.Reset(0)
				runtime.Gosched()
			}
			o.stopWatchdog() // as the report does first
		}()
		h.report(g, ReloadOK)
		h.replace(h.file, fmt.Sprint("v", g+1))
	}
	h.change("v11")
	h.report(11, ReloadOK)
	h.m.mu.Lock()
	armed := h.m.plugins.lookup("p").safe.deliveredAs(11).watchdog != nil
	h.m.mu.Unlock()
	if s := h.stats(); armed || s.Unreported != 0 || s.ReloadsOK != 11 {
		t.Fatalf("watchdog armed: %v, stats %+v", armed, s)
	}
}

// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qtforge/hotreload/core/internal/watch"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// wokenHost is a host on its own thread that asks only when it is woken.
type wokenHost struct {
	*safeHost
	woken chan struct{}
}

func newWoken(t *testing.T, o Options, safe Safe, content string) *wokenHost {
	t.Helper()
	h := newWokenQuiet(t, o)
	h.put(h.file, content)
	h.enable(safe)
	return h
}

// newWokenQuiet enables nothing yet.
func newWokenQuiet(t *testing.T, o Options) *wokenHost {
	t.Helper()
	o.Dispatch = DispatchManual
	h := &wokenHost{quietSafe(t, o), make(chan struct{}, 1000)}
	h.must(h.m.SetWakeup(func() { h.woken <- struct{}{} }, nil))
	return h
}

// hears waits for the next event, as long as it is woken for it.
func (h *wokenHost) hears(kind Kind) Event {
	h.t.Helper()
	for deadline := time.After(bound); ; {
		if len(h.events) > 0 {
			return h.next(kind)
		}
		select {
		case <-h.woken:
			_, err := h.m.Dispatch(0, 0)
			h.must(err)
		case <-deadline:
			h.t.Fatalf("not woken for an event of kind %d within %v", kind, bound)
		}
	}
}

// rests waits until nothing is on its way that would wake the host by chance.
func (h *wokenHost) rests() {
	h.t.Helper()
	h.until("at rest", func() bool { s := h.stats(); return s.Settling == 0 && s.Validating == 0 && s.Pending == 0 })
	for len(h.woken) > 0 {
		<-h.woken
	}
}

// quietSource never reports anything: what happens elsewhere below /tmp would
// wake the loop by chance.
func quietSource() (watch.Source, error) { return deafSource{}, nil }

// deafSource accepts every directory and reports nothing.
type deafSource struct{ watch.None }

func (deafSource) Add(string, bool) error { return nil }

func TestReportOfAFailureWakesTheHost(t *testing.T) {
	h := newWoken(t, Options{newSource: quietSource}, Safe{}, "v1")
	ev := h.hears(FileChanged)
	h.rests()
	h.report(ev.Generation, ReloadFailed)
	h.hears(Rollback)
}

func TestMissingReportWakesTheHost(t *testing.T) {
	h := newWoken(t, Options{newSource: quietSource}, Safe{ReportTimeout: 300 * ms}, "v1")
	h.hears(FileChanged)
	h.rests()
	if ev := h.hears(Health); ev.Health != HealthNoReport {
		t.Fatalf("event %+v", ev)
	}
}

// confirmingDisk has something happen at the look at a file that has waited.
type confirmingDisk struct {
	fsys.OS
	during *atomic.Pointer[func()]
}

func (d confirmingDisk) Stat(path string) (fsys.Info, error) {
	if f := d.during.Swap(nil); f != nil {
		(*f)()
	}
	return d.OS.Stat(path)
}

func TestSnapshotOfAPluginDisabledDuringItsDeliveryIsRemoved(t *testing.T) {
	var during atomic.Pointer[func()]
	h := newWoken(t, Options{disk: confirmingDisk{during: &during}}, Safe{}, "v1")
	h.until("Enabled and the change wait", func() bool { s := h.stats(); return s.Pending == 2 && s.Validating == 0 })
	<-h.woken
	for start := time.Now(); time.Since(start) <= confirmAfter; {
		h.stats()
	}
	var disabled atomic.Bool
	f := func() {
		ok, err := h.m.Disable("p")
		disabled.Store(ok && err == nil)
	}
	during.Store(&f)
	_, err := h.m.Dispatch(0, 0)
	h.must(err)
	h.until("it was disabled during the delivery", disabled.Load)
	h.until("the snapshot is gone", func() bool { return h.stats().Snapshots == 0 })
	if len(h.events) > 0 {
		t.Fatalf("delivered after Disable: %+v", <-h.events)
	}
}

func TestRollbackThatWaitsIsDroppedWithItsPlugin(t *testing.T) {
	h := newWoken(t, Options{}, Safe{}, "v1")
	h.report(h.hears(FileChanged).Generation, ReloadOK)
	h.replace(h.file, "v2")
	h.report(h.hears(FileChanged).Generation, ReloadFailed)
	ok, err := h.m.Disable("p")
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	_, err = h.m.Dispatch(0, 0)
	h.must(err)
	if len(h.events) > 0 {
		t.Fatalf("delivered after Disable: %+v", <-h.events)
	}
}

// Between the failure and the delivery of the rollback the host reported on other
// generations, so that the snapshot first meant is gone.
func TestRollbackNamesASnapshotThatIsThere(t *testing.T) {
	h := newWoken(t, Options{}, Safe{Keep: KeepNone}, "v1")
	h.report(h.hears(FileChanged).Generation, ReloadOK)
	h.replace(h.file, "v2")
	second := h.hears(FileChanged)
	h.replace(h.file, "v3")
	third := h.hears(FileChanged)
	h.report(third.Generation, ReloadFailed) // the rollback to the first waits
	h.report(second.Generation, ReloadOK)    // which supersedes the first
	ev := h.hears(Rollback)
	if ev.Generation != second.Generation {
		t.Errorf("it goes back to generation %d, want %d", ev.Generation, second.Generation)
	}
	if _, err := os.Stat(ev.Snapshot); err != nil {
		t.Errorf("the rollback names a snapshot that is gone: %v", err)
	}
}

// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// interruptedDisk has something happen just after a file was looked at.
type interruptedDisk struct {
	*fakeDisk
	during *atomic.Pointer[func()]
}

func (d interruptedDisk) Stat(path string) (fsys.Info, error) {
	in, err := d.fakeDisk.Stat(path)
	if f := d.during.Swap(nil); f != nil {
		(*f)()
	}
	return in, err
}

// whileConfirmed has something happen while Dispatch looks at a file that has
// waited, once more. What the loop makes of that is done before Dispatch goes on.
func whileConfirmed(t *testing.T, o Options, happens, then func(h *host)) {
	t.Helper()
	var during atomic.Pointer[func()]
	o.Dispatch = DispatchManual
	inBubbleOn(t, o, func(d *fakeDisk) fsys.Disk { return interruptedDisk{d, &during} }, func(h *host) {
		h.dispatch(0, 0)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute)
		f := func() { happens(h); synctest.Wait() }
		during.Store(&f)
		h.dispatch(0, 0)
		then(h)
	})
}

func TestVersionIsDeliveredOnceHoweverItsModeChangesMeanwhile(t *testing.T) {
	for name, o := range map[string]Options{"quiet": {}, "without quiet": {Quiet: NoQuiet}} {
		t.Run(name, func(t *testing.T) {
			whileConfirmed(t, o, func(h *host) { h.disk.chmod(pluginPath) }, func(h *host) {
				time.Sleep(time.Minute)
				h.dispatch(0, 0)
				h.expect(time.Minute, "a=v1")
				h.dispatch(0, 0)
				h.expect(0)
			})
		})
	}
}

func TestRemovalThatIsUndoneBeforeItsDeliveryIsNotDelivered(t *testing.T) {
	var during atomic.Pointer[func()]
	inBubbleOn(t, Options{Dispatch: DispatchManual}, func(d *fakeDisk) fsys.Disk { return interruptedDisk{d, &during} }, func(h *host) {
		h.dispatch(0, 0)
		putBack := h.disk.displace(pluginPath, "")
		time.Sleep(time.Minute)
		f := func() { putBack(); synctest.Wait() } // Dispatch has just seen that it is gone
		during.Store(&f)
		h.dispatch(0, 0)
		h.expect(time.Minute)
		h.dispatch(0, 0)
		h.expect(0)
	})
}

func TestPauseWhileAChangeIsConfirmedHoldsItBack(t *testing.T) {
	whileConfirmed(t, Options{}, func(h *host) { h.m.SetGlobalEnabled(false) }, func(h *host) {
		h.expect(time.Minute)
		h.dispatch(0, 0)
		h.expect(0)
		h.m.SetGlobalEnabled(true)
		time.Sleep(time.Minute)
		h.dispatch(0, 0)
		h.expect(0, "a=v1")
	})
}

func TestCallbacksRemovedWhileAChangeIsConfirmedLoseNothing(t *testing.T) {
	whileConfirmed(t, Options{}, func(h *host) {
		h.m.SetReloadCallback(nil, nil)
		h.m.SetEventCallback(nil, nil)
	}, func(h *host) {
		h.expect(time.Minute)
		h.m.SetReloadCallback(h.reload, nil)
		h.dispatch(0, 0)
		h.expect(0, "a=v1")
	})
}

func TestNothingIsQueuedForADisabledPlugin(t *testing.T) {
	manual(t, func(h *host) {
		h.dispatch(0, 0)
		p := &plugin{id: "b", safe: &safeState{}} // disabled
		in, _ := h.disk.Stat(pluginPath)
		snap := &snapshot{}
		snap.Root = filepath.Join(t.TempDir(), "snapshot")
		if err := os.Mkdir(snap.Root, 0o700); err != nil {
			t.Fatal(err)
		}
		h.m.mu.Lock()
		h.m.enqueueChange(&pendingChange{p: p, info: in})
		h.m.deliverValidated(&candidate{p: p, info: in, snap: snap})
		h.m.mu.Unlock()
		if s := h.stats(); s.Pending != 0 {
			t.Fatalf("%d changes wait after Disable", s.Pending)
		}
		synctest.Wait()
		if _, err := os.Lstat(snap.Root); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("the snapshot that was not delivered is still there (%v)", err)
		}
	})
}

func TestDispatchThatIsNotToWaitDoesNotWaitForAnothersCallback(t *testing.T) {
	manual(t, func(h *host) {
		h.enable("b", pluginPath)
		h.dispatch(0, 0)
		h.m.SetReloadCallback(func(string) { time.Sleep(time.Hour) }, nil)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute)
		go h.m.Dispatch(1, 0)
		synctest.Wait()
		start := time.Now()
		for _, limit := range []int{1, 0} {
			if n := h.dispatch(limit, 0); n != 0 || time.Since(start) != 0 {
				t.Fatalf("max %d: delivered %d after %v; want 0 at once", limit, n, time.Since(start))
			}
		}
		if n := h.dispatch(1, time.Second); n != 0 || time.Since(start) != time.Second {
			t.Fatalf("delivered %d after %v; want 0 after 1s", n, time.Since(start))
		}
		if n := h.dispatch(1, -1); n != 1 {
			t.Fatalf("delivered %d, want the other one", n)
		}
	})
}

// What waits is bounded however long the host does not ask.
func TestEnablingAndDisablingWithoutADispatchPilesUpNothing(t *testing.T) {
	for name, id := range map[string]func(i int) string{
		"one id":    func(int) string { return "b" },
		"other ids": func(i int) string { return fmt.Sprint("b", i) },
	} {
		t.Run(name, func(t *testing.T) {
			manual(t, func(h *host) {
				for i := range 20000 {
					if err := h.m.Enable(id(i), pluginPath, EnableOptions{}); err != nil {
						t.Fatal(err)
					}
					h.m.Disable(id(i))
				}
				if s := h.stats(); s.Pending > 1000 {
					t.Fatalf("%d events wait", s.Pending)
				}
				h.dispatch(0, 0)
				enabled := map[string]bool{}
				for _, e := range h.ev {
					if e.Kind != Enabled && e.Kind != Disabled || enabled[e.ID] != (e.Kind == Disabled) {
						t.Fatalf("event %+v; enabled before: %v", e, enabled[e.ID])
					}
					enabled[e.ID] = e.Kind == Enabled
				}
				if last := h.ev[len(h.ev)-1]; last.Kind != Disabled || last.ID != id(19999) {
					t.Fatalf("the last event is %+v", last)
				}
				if !enabled["a"] || enabled[id(19999)] {
					t.Fatal("what was delivered is not how things are")
				}
			})
		})
	}
}

// Thousands of plugins that were enabled at once leave nothing behind.
func TestNothingIsKeptOfNotesThatWereDelivered(t *testing.T) {
	manual(t, func(h *host) {
		for i := range 1000 {
			if err := h.m.Enable(fmt.Sprint(i), pluginPath, EnableOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		h.dispatch(0, 0)
		if len(h.ev) != 1001 {
			t.Fatalf("%d events, want Enabled of 1001 plugins", len(h.ev))
		}
	})
}

// Disabled is the last event of its id, and each is heard of in its order.
func TestDisabledAndEnabledAgainIsHeardInOrder(t *testing.T) {
	manual(t, func(h *host) {
		h.dispatch(0, 0) // the host knows that "a" is enabled
		for range 3 {
			h.m.Disable("a")
			h.enable("a", pluginPath)
		}
		h.dispatch(0, 0)
		var kinds []Kind
		for _, e := range h.ev {
			kinds = append(kinds, e.Kind)
		}
		if !slices.Equal(kinds, []Kind{Enabled, Disabled, Enabled}) {
			t.Fatalf("events %v, want Enabled, Disabled, Enabled", kinds)
		}
	})
}

// A note about a plugin's health is none any more when the plugin is disabled.
func TestDisablingDropsWhatWaitsToBeSaidOfThePlugin(t *testing.T) {
	inBubble(t, Options{Dispatch: DispatchManual, CheckImage: true}, func(h *host) {
		h.dispatch(0, 0)
		h.disk.setImage(pluginPath, errBadImage)
		h.disk.write(pluginPath, "v1")
		h.expect(time.Minute)
		h.disk.setMode(pluginPath, true)
		h.expect(time.Minute)
		if s := h.stats(); s.Pending == 0 {
			t.Fatal("nothing waits")
		}
		h.m.Disable("a")
		h.dispatch(0, 0)
		if got := h.healthCodes(); len(got) != 0 {
			t.Fatalf("health events %v after Disable", got)
		}
	})
}

// panickingDisk fails in the loop.
type panickingDisk struct {
	*fakeDisk
	armed *atomic.Bool
}

func (d panickingDisk) Stat(path string) (fsys.Info, error) {
	if d.armed.Load() {
		panic("boom")
	}
	return d.fakeDisk.Stat(path)
}

func TestPanicWakesTheHost(t *testing.T) {
	wakes := func(t *testing.T, on func(*fakeDisk) fsys.Disk, fail func(h *host)) {
		inBubbleOn(t, Options{Dispatch: DispatchManual}, on, func(h *host) {
			h.dispatch(0, 0)
			woken := make(chan struct{}, 10)
			h.m.SetWakeup(func() { woken <- struct{}{} }, nil)
			synctest.Wait()
			fail(h)
			for {
				select {
				case <-woken:
				case <-time.After(time.Hour):
					t.Fatal("the host was not woken")
				}
				h.m.Dispatch(0, 0)
				if slices.Contains(h.healthCodes(), HealthPanic) {
					return
				}
			}
		})
	}
	t.Run("in the loop", func(t *testing.T) {
		var armed atomic.Bool
		wakes(t, func(d *fakeDisk) fsys.Disk { return panickingDisk{d, &armed} }, func(h *host) {
			armed.Store(true)
			h.disk.write(pluginPath, "v1")
		})
	})
	t.Run("in a callback", func(t *testing.T) {
		wakes(t, func(d *fakeDisk) fsys.Disk { return d }, func(h *host) {
			h.m.SetReloadCallback(func(string) { panic("boom") }, nil)
			h.disk.write(pluginPath, "v1")
		})
	})
	t.Run("reported by the layer above", func(t *testing.T) {
		wakes(t, func(d *fakeDisk) fsys.Disk { return d }, func(h *host) { h.m.Fault("boom") })
	})
}

func TestCloseWaitsForTheWakeupCallback(t *testing.T) {
	manual(t, func(h *host) {
		h.dispatch(0, 0)
		begun, returned := make(chan struct{}), make(chan struct{})
		h.m.SetWakeup(func() {
			close(begun)
			time.Sleep(time.Hour)
			close(returned)
		}, nil)
		h.enable("b", pluginPath)
		<-begun
		h.m.Close()
		select {
		case <-returned:
		default:
			t.Fatal("Close returned while the wakeup callback was running")
		}
	})
}

// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func manual(t *testing.T, test func(h *host)) {
	t.Helper()
	inBubble(t, Options{Dispatch: DispatchManual}, test)
}

func (h *host) dispatch(limit int, timeout time.Duration) int {
	h.t.Helper()
	n, err := h.m.Dispatch(limit, timeout)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func TestManualDeliversOnlyInDispatch(t *testing.T) {
	manual(t, func(h *host) {
		if n := h.dispatch(0, 0); n != 1 {
			t.Fatalf("delivered %d events after Enable, want Enabled", n)
		}
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute)
		if n := h.dispatch(0, 0); n != 1 {
			t.Fatalf("delivered %d, want 1", n)
		}
		h.expect(0, "a=v1")
		if n := h.dispatch(0, 0); n != 0 {
			t.Fatalf("delivered %d, want nothing", n)
		}
	})
}

func TestDispatchWaitsForItsTimeoutAndNoLonger(t *testing.T) {
	manual(t, func(h *host) {
		h.dispatch(0, 0)
		start := time.Now()
		if n := h.dispatch(0, 3*time.Second); n != 0 || time.Since(start) != 3*time.Second {
			t.Fatalf("delivered %d after %v, want 0 after 3s", n, time.Since(start))
		}
		h.disk.replace(pluginPath, "v1")
		start = time.Now()
		if n := h.dispatch(0, -1); n != 1 || time.Since(start) != 100*ms {
			t.Fatalf("delivered %d after %v, want 1 after 100ms", n, time.Since(start))
		}
		h.expect(0, "a=v1")
	})
}

func TestCloseEndsAWaitingDispatch(t *testing.T) {
	manual(t, func(h *host) {
		h.dispatch(0, 0)
		ended := make(chan error)
		go func() {
			_, err := h.m.Dispatch(0, -1)
			ended <- err
		}()
		time.Sleep(time.Hour)
		h.m.Close()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if _, err := h.m.Dispatch(0, 0); !errors.Is(err, ErrClosed) {
			t.Fatalf("afterwards: %v, want ErrClosed", err)
		}
	})
}

func TestDispatchLimit(t *testing.T) {
	manual(t, func(h *host) {
		h.enable("b", pluginPath)
		h.dispatch(0, 0)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Second)
		for range 2 {
			if n := h.dispatch(1, 0); n != 1 {
				t.Fatalf("delivered %d with max 1", n)
			}
		}
		h.expect(0, "a=v1", "b=v1")
		if _, err := h.m.Dispatch(-1, 0); !errors.Is(err, ErrInvalidArgument) {
			t.Fatalf("max -1: %v", err)
		}
	})
}

func TestWakeupIsCoalescedAndRepeatedForWhatIsLeft(t *testing.T) {
	manual(t, func(h *host) {
		h.enable("b", pluginPath)
		h.dispatch(0, 0)
		var pokes atomic.Int32
		if err := h.m.SetWakeup(func() { pokes.Add(1) }, nil); err != nil {
			t.Fatal(err)
		}
		wantPokes := func(n int32, when string) {
			t.Helper()
			synctest.Wait()
			if got := pokes.Swap(0); got != n {
				t.Fatalf("%s: woken %d times, want %d", when, got, n)
			}
		}
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute)
		wantPokes(1, "two changes")
		h.dispatch(1, 0)
		wantPokes(1, "one left")
		h.dispatch(1, 0)
		wantPokes(0, "nothing left")
	})
}

func TestCallbacksNeverNestNorOverlap(t *testing.T) {
	manual(t, func(h *host) {
		h.dispatch(0, 0)
		depth, most := 0, 0
		h.m.SetReloadCallback(func(id string) {
			depth++
			most = max(most, depth)
			h.disk.replace(pluginPath, "again")
			time.Sleep(time.Second)
			if n := h.dispatch(0, -1); n != 0 {
				t.Errorf("a nested Dispatch delivered %d events", n)
			}
			depth--
		}, nil)
		h.disk.replace(pluginPath, "v1")
		for range 3 {
			h.dispatch(0, time.Minute)
		}
		if most != 1 {
			t.Fatalf("nested %d deep", most)
		}
	})
}

func TestDisableWaitsForTheRunningCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Options{})
		defer h.m.Close()
		h.enable("a", pluginPath)
		h.enable("b", "/plugins/a.so")
		var running atomic.Bool
		h.m.SetReloadCallback(func(id string) {
			if id == "a" {
				running.Store(true)
				time.Sleep(time.Minute)
				running.Store(false)
			}
		}, nil)
		h.disk.replace(pluginPath, "v1")
		time.Sleep(time.Second)
		if !running.Load() {
			t.Fatal("the callback does not run")
		}
		start := time.Now()
		if ok, err := h.m.Disable("b"); !ok || err != nil || time.Since(start) != 0 {
			t.Fatalf("disabling another plugin: %v %v after %v, want at once", ok, err, time.Since(start))
		}
		if ok, err := h.m.Disable("a"); !ok || err != nil || running.Load() {
			t.Fatalf("disable: %v %v, callback still running: %v", ok, err, running.Load())
		}
		if ok, _ := h.m.Disable("a"); ok {
			t.Fatal("disabled twice")
		}
	})
}

func TestDisableDropsWhatIsPending(t *testing.T) {
	manual(t, func(h *host) {
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute)
		h.m.Disable("a")
		h.dispatch(0, 0)
		h.expect(time.Minute)
		var kinds []Kind
		for _, e := range h.ev {
			kinds = append(kinds, e.Kind)
		}
		if !slices.Equal(kinds, []Kind{Enabled, Disabled}) {
			t.Fatalf("events %v, want Enabled and Disabled", kinds)
		}
	})
}

func TestEveryMethodFromInsideACallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Options{})
		var released atomic.Int32
		var done atomic.Bool
		h.m.SetReloadCallback(func(id string) {
			m := h.m
			if err := m.Enable("c", pluginPath, EnableOptions{}); err != nil {
				t.Error(err)
			}
			m.IsEnabled("c")
			m.Plugins()
			m.Stats()
			m.SetGlobalEnabled(false)
			m.IsGlobalEnabled()
			m.SetGlobalEnabled(true)
			m.SetEventCallback(func(Event) {}, nil)
			m.SetEventCallback(nil, nil)
			m.Dispatch(0, 0)
			m.EventFD()
			if ok, err := m.Disable("a"); !ok || err != nil {
				t.Errorf("disable inside: %v %v", ok, err)
			}
			if n, err := m.Clear(); n != 1 || err != nil {
				t.Errorf("clear inside: %d %v", n, err)
			}
			m.Close()
			if released.Load() != 0 {
				t.Error("released while its callback runs")
			}
			done.Store(true)
		}, func() { released.Add(1) })
		h.enable("a", pluginPath)
		h.disk.replace(pluginPath, "v1")
		time.Sleep(time.Minute)
		synctest.Wait()
		if !done.Load() || released.Load() != 1 {
			t.Fatalf("callback ended: %v, released %d times, want once", done.Load(), released.Load())
		}
		if _, err := h.m.Plugins(); !errors.Is(err, ErrClosed) {
			t.Fatalf("after Close: %v", err)
		}
	})
}

func TestReleaseRunsOnceAlsoWhenRegistrationFails(t *testing.T) {
	manual(t, func(h *host) {
		n := 0
		count := func() { n++ }
		want := func(k int, what string) {
			t.Helper()
			if n != k {
				t.Fatalf("%s: released %d times, want %d", what, n, k)
			}
		}
		h.m.SetReloadCallback(func(string) {}, count)
		want(0, "set")
		h.m.SetReloadCallback(nil, count)
		want(2, "removed, with a release of its own")
		h.m.SetWakeup(func() {}, count)
		h.m.Close()
		want(3, "closed")
		if err := h.m.SetEventCallback(func(Event) {}, count); !errors.Is(err, ErrClosed) {
			t.Fatalf("after Close: %v", err)
		}
		want(4, "failed")
	})
}

func TestChangesStayPendingWithoutACallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Options{})
		defer h.m.Close()
		h.enable("a", pluginPath)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute)
		h.m.SetReloadCallback(h.reload, nil)
		h.expect(time.Second, "a=v1")
	})
}

func TestPanicInACallbackFailsTheManagerOnly(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.m.SetReloadCallback(func(string) { panic("boom") }, nil)
		h.disk.replace(pluginPath, "v1")
		time.Sleep(time.Minute)
		synctest.Wait()
		if err := h.m.Enable("b", pluginPath, EnableOptions{}); !errors.Is(err, ErrPanic) {
			t.Fatalf("after the panic: %v, want ErrPanic", err)
		}
		if s := h.stats(); !s.Failed {
			t.Fatal("stats do not say failed")
		}
		if got := h.healthCodes(); !slices.Equal(got, []HealthCode{HealthPanic}) {
			t.Fatalf("health events %v", got)
		}
	})
}

func TestClearDisablesEveryPlugin(t *testing.T) {
	manual(t, func(h *host) {
		for i := range 100 {
			h.enable(fmt.Sprint("p", i), pluginPath)
		}
		if n, err := h.m.Clear(); n != 101 || err != nil {
			t.Fatalf("cleared %d, %v; want 101", n, err)
		}
		if got, _ := h.m.Plugins(); len(got) != 0 {
			t.Fatalf("left after clear: %v", got)
		}
		h.enable("p0", pluginPath)
		if got, _ := h.m.Plugins(); !slices.Equal(got, []string{"p0"}) {
			t.Fatalf("enabled after clear: %v", got)
		}
	})
}

func TestPluginsAreListedInOrderOfEnabling(t *testing.T) {
	manual(t, func(h *host) {
		var want []string
		const n = 1000
		for i := range n {
			id := fmt.Sprint("p", i)
			h.enable(id, pluginPath)
			if i%7 == 0 {
				want = append(want, id)
			}
		}
		h.m.Disable("a")
		for i := range n {
			if i%7 != 0 {
				h.m.Disable(fmt.Sprint("p", i))
			}
		}
		h.enable("another", pluginPath)
		want = append(want, "another")
		got, err := h.m.Plugins()
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v %v, want %v", got, err, want)
		}
		if s, err := h.m.PluginsSize(); err != nil || s.Count != len(want) || s.Bytes != len(strings.Join(want, "")) {
			t.Fatalf("%v %v for %v", s, err, want)
		}
		if n, _ := h.m.Clear(); n != len(want) {
			t.Fatalf("cleared %d, want %d", n, len(want))
		}
	})
}

// A host that does not ask for a long time finds how things are, not all of
// how they came to be, and nothing piles up meanwhile.
func TestWhatWaitsForAHostIsBounded(t *testing.T) {
	manual(t, func(h *host) {
		h.disk.replace("/plugins/b.so", "b")
		h.enable("b", "/plugins/b.so")
		h.dispatch(0, 0)
		h.disk.replace(pluginPath, "v1") // waits in front
		for i := range 500 {
			h.disk.overflow(func() { h.disk.replace("/plugins/b.so", fmt.Sprint("b", i)) })
			h.disk.setMode(pluginPath, i%2 == 0)
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if n := h.stats().Pending; n > 5 {
			t.Fatalf("%d events wait", n)
		}
		h.dispatch(0, 0)
		h.expect(0, "a=v1", "b=v1")
		if got := h.healthCodes(); !slices.Equal(got, []HealthCode{HealthReadable, HealthOverflow}) && !slices.Equal(got, []HealthCode{HealthOverflow, HealthReadable}) {
			t.Fatalf("health events %v, want the latest of each", got)
		}
	})
}

// A link is retargeted while the host loads through it, and at once back. What
// the host loaded is not what is there, although that was told.
func TestVersionPutBackWhileTheHostLoadedAnotherIsDeliveredAgain(t *testing.T) {
	for name, o := range map[string]Options{
		"notified":           {},
		"without quiet":      {Quiet: NoQuiet},
		"polled":             {ForcePolling: true, PollInterval: 50 * ms},
		"unchanged contents": {IgnoreUnchangedContent: true},
	} {
		for _, other := range []string{"other", ""} {
			t.Run(name+" "+other, func(t *testing.T) {
				inBubble(t, o, func(h *host) {
					loaded := make(chan func(), 1)
					first := true
					h.m.SetReloadCallback(func(id string) {
						if !first {
							h.reload(id)
							return
						}
						first = false
						loaded <- h.disk.displace(pluginPath, other)
					}, nil)
					h.disk.replace(pluginPath, "v1")
					putBack := <-loaded
					synctest.Wait()
					if o.Quiet == NoQuiet && other != "" {
						h.expect(0, "a="+other) // it is whole, so told as well
					}
					putBack()
					h.expect(time.Minute, "a=v1")
				})
			})
		}
	}
}

// What a reload does to its own file is no other version.
func TestFileThatIsMadeExecutableWhileTheHostLoadsItIsNotDeliveredAgain(t *testing.T) {
	inBubble(t, Options{Quiet: NoQuiet}, func(h *host) {
		h.m.SetReloadCallback(func(id string) {
			h.disk.chmod(pluginPath)
			h.reload(id)
		}, nil)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute, "a=v1")
	})
}

func TestFileThatVanishesWhileTheHostLoadsItIsDeliveredAsRemovedOnce(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.m.SetReloadCallback(func(id string) {
			h.reload(id)
			h.disk.remove(pluginPath)
		}, nil)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute, "-a", "a=v1")
	})
}

// A job of the host waits for nothing but its turn: not for a pause, and not for a
// callback to be set.
func TestPostedJobsRunInDispatch(t *testing.T) {
	manual(t, func(h *host) {
		h.dispatch(0, 0)
		woken := 0
		if err := h.m.SetWakeup(func() { woken++ }, nil); err != nil {
			t.Fatal(err)
		}
		if err := h.m.SetGlobalEnabled(false); err != nil {
			t.Fatal(err)
		}
		var ran []string
		for _, name := range []string{"a", "b"} {
			if err := h.m.Post(func() {
				ran = append(ran, name)
				if n := h.dispatch(0, 0); n != 0 {
					t.Errorf("a job of %d ran inside another one", n)
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if woken != 1 || len(ran) != 0 {
			t.Fatalf("woken %d times, ran %v", woken, ran)
		}
		if n := h.dispatch(1, 0); n != 1 || !slices.Equal(ran, []string{"a"}) {
			t.Fatalf("dispatched %d, ran %v", n, ran)
		}
		if n := h.dispatch(0, time.Second); n != 1 || !slices.Equal(ran, []string{"a", "b"}) {
			t.Fatalf("dispatched %d, ran %v", n, ran)
		}
		h.m.Close()
		if err := h.m.Post(func() { t.Error("it ran") }); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestAManagerWithAThreadOfItsOwnTakesNoJobs(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		if err := h.m.Post(func() {}); !errors.Is(err, ErrNotSupported) {
			t.Errorf("got %v", err)
		}
	})
}

package core

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// inBurst runs test on a manager in whose burst of Enable calls the plugin was
// the second, so that its first look waits for a pause.
func inBurst(t *testing.T, o Options, test func(h *host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, o)
		defer h.m.Close()
		h.m.SetReloadCallback(h.reload, nil)
		h.disk.replace("/plugins/first", "v0")
		h.enable("first", "/plugins/first")
		h.enable("a", plugin)
		h.looked(1, 1)
		test(h)
	})
}

// looked checks how many plugins had their first look, unless they changed, and
// how many wait for theirs.
func (h *host) looked(had, wait int) {
	h.t.Helper()
	if s := h.stats(); int(s.Unchanged) != had || s.Settling != wait {
		h.t.Fatalf("%d plugins were looked at and %d wait; want %d and %d", s.Unchanged, s.Settling, had, wait)
	}
}

// manyFiles makes files and returns what enables the next of them.
func (h *host) manyFiles(n int) (next func()) {
	for i := range n {
		h.disk.replace(fmt.Sprint("/plugins/", i), "v0")
	}
	synctest.Wait()
	i := 0
	return func() {
		h.t.Helper()
		h.enable(fmt.Sprint(i), fmt.Sprint("/plugins/", i))
		i++
	}
}

func TestFirstLooksWaitForAPause(t *testing.T) {
	inBurst(t, Options{}, func(h *host) {
		next := h.manyFiles(100)
		for range 100 {
			next()
			time.Sleep(pause / 2)
			synctest.Wait()
		}
		h.looked(1, 101)
		time.Sleep(pause)
		synctest.Wait()
		h.looked(102, 0)
	})
}

func TestFirstLooksDoNotWaitForEver(t *testing.T) {
	inBurst(t, Options{}, func(h *host) {
		const n = int(2 * patience / (pause / 2))
		next := h.manyFiles(n)
		for range n {
			next()
			time.Sleep(pause / 2)
			synctest.Wait()
		}
		if s := h.stats(); int(s.Unchanged) < n/2 {
			t.Fatalf("after %v without a pause %d of %d were looked at", 2*patience, s.Unchanged, n)
		}
		time.Sleep(pause)
		synctest.Wait()
		h.looked(n+2, 0)
	})
}

func TestOnePluginIsLookedAtAtOnce(t *testing.T) {
	inBurst(t, Options{}, func(h *host) {
		time.Sleep(2 * pause)
		synctest.Wait()
		h.looked(2, 0)
		next := h.manyFiles(3)
		for i := range 3 {
			next()
			h.looked(3+i, 0)
			time.Sleep(2 * pause)
		}
	})
}

func TestAChangeBeforeTheFirstLookIsTold(t *testing.T) {
	t.Run("heard of: at once", func(t *testing.T) {
		inBurst(t, Options{Quiet: NoQuiet}, func(h *host) {
			h.disk.replace(plugin, "v1")
			h.expect(0, "a=v1")
			h.expect(time.Minute)
			h.looked(1, 0)
		})
	})
	t.Run("heard of: after the quiet period", func(t *testing.T) {
		inBurst(t, Options{}, func(h *host) {
			h.disk.write(plugin, "v1")
			h.expect(99 * ms)
			h.expect(2*ms, "a=v1")
			h.expect(time.Minute)
		})
	})
	t.Run("not heard of", func(t *testing.T) {
		inBurst(t, Options{Quiet: NoQuiet}, func(h *host) {
			h.disk.mute = true
			h.disk.replace(plugin, "v1")
			h.expect(0)
			h.expect(2*pause, "a=v1")
			h.expect(time.Minute)
		})
	})
	t.Run("while it is not delivered", func(t *testing.T) {
		inBurst(t, Options{Quiet: NoQuiet}, func(h *host) {
			h.m.SetGlobalEnabled(false)
			h.disk.replace(plugin, "v1")
			h.expect(time.Minute)
			h.m.SetGlobalEnabled(true)
			h.expect(0, "a=v1")
		})
	})
	t.Run("polled", func(t *testing.T) {
		inBurst(t, Options{Quiet: NoQuiet, ForcePolling: true}, func(h *host) {
			h.disk.replace(plugin, "v1")
			h.expect(2*pause, "a=v1")
			h.expect(time.Minute)
		})
	})
	t.Run("when events were lost", func(t *testing.T) {
		inBurst(t, Options{Quiet: NoQuiet}, func(h *host) {
			h.disk.overflow(func() { h.disk.replace(plugin, "v1") })
			h.expect(0, "a=v1")
			h.expect(time.Minute)
		})
	})
	t.Run("removed and made anew", func(t *testing.T) {
		inBurst(t, Options{}, func(h *host) {
			h.disk.remove(plugin)
			h.expect(pause / 2)
			h.disk.replace(plugin, "v1")
			h.expect(time.Minute, "a=v1")
		})
	})
}

func TestAFileWrittenSinceBeforeItsFirstLookIsToldWhenItIsWhole(t *testing.T) {
	for name, heard := range map[string]bool{"heard of": true, "not heard of": false} {
		t.Run(name, func(t *testing.T) {
			inBurst(t, Options{Quiet: NoQuiet}, func(h *host) {
				closeIt := h.disk.open(plugin)
				h.disk.mute = !heard
				h.disk.write(plugin, "half")
				h.disk.mute = false
				h.expect(time.Minute)
				h.disk.write(plugin, "whole")
				closeIt()
				h.expect(time.Minute, "a=whole")
			})
		})
	}
	// The host may have loaded something half-written: a mapping shows in no time
	// stamp.
	for name, noise := range map[string]func(h *host){
		"without a trace":                    func(h *host) {},
		"heard of for something else":        func(h *host) { h.disk.chmod(plugin) },
		"when all events may have been lost": func(h *host) { h.disk.overflow(func() {}) },
	} {
		t.Run(name, func(t *testing.T) {
			inBurst(t, Options{Quiet: NoQuiet}, func(h *host) {
				closeIt := h.disk.open(plugin)
				noise(h)
				h.expect(time.Minute)
				closeIt()
				h.expect(time.Minute, "a=v0")
			})
		})
	}
}

func TestDisablingBeforeTheFirstLook(t *testing.T) {
	for name, disable := range map[string]func(h *host){
		"one": func(h *host) { h.m.Disable("a"); h.m.Disable("first") },
		"all": func(h *host) { h.m.Clear() },
	} {
		t.Run(name, func(t *testing.T) {
			inBurst(t, Options{Quiet: NoQuiet}, func(h *host) {
				h.disk.mute = true
				h.disk.replace(plugin, "v1")
				disable(h)
				h.expect(time.Minute)
				if s := h.stats(); s.WatchedDirectories != 0 || s.Settling != 0 {
					t.Fatalf("%d directories are watched, %d plugins settle", s.WatchedDirectories, s.Settling)
				}
				h.enable("a", plugin) // anew, with another baseline
				h.enable("first", "/plugins/first")
				h.expect(time.Minute)
				h.disk.mute = false
				h.disk.replace(plugin, "v2")
				h.expect(0, "a=v2")
			})
		})
	}
	t.Run("in one go", func(t *testing.T) {
		inBurst(t, Options{Quiet: NoQuiet}, func(h *host) {
			for range 3 {
				if err := h.m.Enable("b", plugin, EnableOptions{}); err != nil {
					t.Fatal(err)
				}
				h.m.Disable("b")
			}
			h.m.Clear()
			h.expect(time.Minute)
			h.looked(1, 0)
		})
	})
	t.Run("closing", func(t *testing.T) {
		inBurst(t, Options{}, func(h *host) {
			h.m.Close()
		})
	})
}

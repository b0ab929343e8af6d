// SPDX-License-Identifier: MIT

package engine

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// unnoticed changes the disk without a notification.
func (h *host) unnoticed(change func()) {
	h.disk.mu.Lock()
	h.disk.mute = true
	h.disk.mu.Unlock()
	change()
	h.disk.mu.Lock()
	h.disk.mute = false
	h.disk.mu.Unlock()
}

// eachWay runs a test with both ways to have the plugin "a" checked.
func eachWay(t *testing.T, o Options, test func(h *host, check func())) {
	for name, check := range map[string]func(m *Engine) error{
		"one": func(m *Engine) error { return m.CheckNow("a") },
		"all": (*Engine).CheckAllNow,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, o, func(h *host) {
				test(h, func() {
					t.Helper()
					if err := check(h.m); err != nil {
						t.Fatal(err)
					}
				})
			})
		})
	}
}

func TestCheckNowFindsWhatNothingNotifiedOf(t *testing.T) {
	for name, o := range map[string]Options{"watched": {}, "polled": {ForcePolling: true, PollInterval: maxInterval}} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, o, func(h *host, check func()) {
				h.unnoticed(func() { h.disk.replace(pluginPath, "v1") })
				h.expect(time.Hour)
				check()
				h.expect(time.Second, "a=v1")
				check()
				h.expect(time.Hour)
			})
		})
	}
}

// busyDisk has something happen after it has read a file for a check.
type busyDisk struct {
	*fakeDisk
	after *func()
}

func (d busyDisk) Lstat(path string) (fsys.Info, error) { return d.then(d.fakeDisk.Lstat, path) }
func (d busyDisk) Stat(path string) (fsys.Info, error)  { return d.then(d.fakeDisk.Stat, path) }
func (d busyDisk) then(stat func(string) (fsys.Info, error), path string) (fsys.Info, error) {
	in, err := stat(path)
	if f := *d.after; f != nil && path == pluginPath {
		*d.after = nil
		f()
	}
	return in, err
}

// A check that is under way has read the file already, and the comparison leaves out what
// is being checked.
func TestCheckNowFindsWhatChangedDuringACheck(t *testing.T) {
	for name, check := range map[string]func(m *Engine) error{
		"one": func(m *Engine) error { return m.CheckNow("a") },
		"all": (*Engine).CheckAllNow,
	} {
		t.Run(name, func(t *testing.T) {
			var after func()
			inBubbleOn(t, Options{}, func(d *fakeDisk) fsys.Disk { return busyDisk{d, &after} }, func(h *host) {
				after = func() {
					h.unnoticed(func() { h.disk.replace(pluginPath, "v1") })
					if err := check(h.m); err != nil {
						t.Error(err)
					}
				}
				h.disk.chmod(pluginPath) // has it checked
				h.expect(time.Second, "a=v1")
			})
		})
	}
}

func TestCheckNowFindsTheRemoval(t *testing.T) {
	eachWay(t, Options{}, func(h *host, check func()) {
		h.unnoticed(func() { h.disk.remove(pluginPath) })
		check()
		h.expect(time.Second, "-a")
	})
}

func TestCheckNowFollowsADirectoryThatWasExchanged(t *testing.T) {
	eachWay(t, Options{}, func(h *host, check func()) {
		h.unnoticed(func() {
			h.disk.remove(pluginPath)
			h.disk.remove("/plugins")
			h.disk.mkdir("/plugins")
			h.disk.replace(pluginPath, "v1")
		})
		check()
		h.expect(time.Second, "a=v1")
		h.disk.replace(pluginPath, "v2") // the new directory is watched
		h.expect(time.Second, "a=v2")
	})
}

func TestCheckNowDeliversNothingIncomplete(t *testing.T) {
	eachWay(t, Options{}, func(h *host, check func()) {
		var done func()
		h.unnoticed(func() {
			h.disk.replace(pluginPath, "v1")
			done = h.disk.open(pluginPath)
		})
		for range 10 {
			check()
			h.expect(time.Second)
		}
		done()
		h.expect(time.Second, "a=v1")
	})
}

func TestCheckNowDoesNotDelayWhatWaits(t *testing.T) {
	inBubble(t, Options{Dispatch: DispatchManual}, func(h *host) {
		h.dispatch(0, 0)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Second)
		for range 100 {
			h.m.CheckNow("a")
			h.m.CheckAllNow()
			h.expect(10 * time.Millisecond)
			if s := h.stats(); s.Pending != 1 {
				t.Fatalf("%d events wait, want the change", s.Pending)
			}
		}
		h.dispatch(0, 0)
		h.expect(0, "a=v1")
	})
}

func TestCheckNowReadsAnUnreadableFileAtOnce(t *testing.T) {
	eachWay(t, Options{PollInterval: maxInterval}, func(h *host, check func()) {
		h.disk.setMode(pluginPath, true)
		h.disk.write(pluginPath, "v1")
		h.expect(time.Minute)
		h.unnoticed(func() { h.disk.setMode(pluginPath, false) })
		h.expect(time.Minute)
		check()
		h.expect(time.Second, "a=v1")
	})
}

func TestCheckNowOfAPausedPluginIsHeldBack(t *testing.T) {
	eachWay(t, Options{}, func(h *host, check func()) {
		h.pause("a", true)
		h.unnoticed(func() { h.disk.replace(pluginPath, "v1") })
		check()
		h.expect(time.Minute)
		h.pause("a", false)
		h.expect(time.Second, "a=v1")
	})
}

// However often it is asked for while the disk does not answer, there is one comparison,
// and one that follows it.
func TestCheckNowPilesUpNothing(t *testing.T) {
	var walks atomic.Int64
	var slow atomic.Bool
	on := func(d *fakeDisk) fsys.Disk {
		return hookedDisk{d, func(op, path string, access func()) {
			if op == "Lstat" && path == "/plugins" && slow.Load() {
				walks.Add(1)
				time.Sleep(100 * time.Millisecond)
			}
			access()
		}}
	}
	inBubbleOn(t, Options{}, on, func(h *host) {
		slow.Store(true)
		for range 1000 {
			h.m.CheckNow("a")
			h.m.CheckAllNow()
		}
		h.unnoticed(func() { h.disk.replace(pluginPath, "v1") })
		h.m.CheckNow("a")
		h.expect(time.Second, "a=v1")
		if n := walks.Load(); n > 4 {
			t.Fatalf("the directory was walked to %d times", n)
		}
	})
}

// SPDX-License-Identifier: MIT

package engine

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// The fake disk says that the file system at /overlay is one whose content may change
// without notifications.
const overlayPath = "/overlay/p.so"

// onUnreliable runs a test with the plugin o on that file system.
func onUnreliable(t *testing.T, o Options, test func(h *host, stats *atomic.Int32)) {
	t.Helper()
	var stats atomic.Int32
	inBubbleOn(t, o, func(d *fakeDisk) fsys.Disk { return statCounter{d, &stats} }, func(h *host) {
		h.disk.mkdir("/overlay")
		h.disk.replace(overlayPath, "v0")
		h.expect(time.Hour)
		h.enable("o", overlayPath)
		h.expect(time.Second)
		stats.Store(0)
		test(h, &stats)
	})
}

// below does something that sends no notifications.
func (h *host) below(do func()) {
	h.disk.mu.Lock()
	h.disk.mute = true
	h.disk.mu.Unlock()
	do()
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	h.disk.mute = false
}

// deliveries lets time pass, and checks how many changes were delivered until then.
func (h *host) deliveries(d time.Duration, want uint64) {
	h.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	if got := h.stats().Deliveries; got != want {
		h.t.Fatalf("%d changes were delivered, want %d", got, want)
	}
}

func TestChangeWithoutNotificationsIsFoundByTheSafetyCheck(t *testing.T) {
	for name, change := range map[string]func(h *host){
		"written":  func(h *host) { h.disk.write(overlayPath, "below") },
		"replaced": func(h *host) { h.disk.replace(overlayPath, "below") },
	} {
		t.Run(name, func(t *testing.T) {
			onUnreliable(t, Options{}, func(h *host, _ *atomic.Int32) {
				h.below(func() { change(h) })
				h.deliveries(50*time.Second, 0)
				h.deliveries(20*time.Second, 1)
				if s := h.stats(); s.Unreliable != 1 || s.SafetyChecks == 0 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

func TestRemovalWithoutNotificationsIsFoundByTheSafetyCheck(t *testing.T) {
	onUnreliable(t, Options{SafetyCheck: 10 * time.Second}, func(h *host, _ *atomic.Int32) {
		h.below(func() { h.disk.remove(overlayPath) })
		h.expect(11*time.Second, "-o")
	})
}

// One stat of each plugin there in a minute, and nothing of those elsewhere.
func TestWhatTheSafetyCheckAsksOfTheSystem(t *testing.T) {
	onUnreliable(t, Options{}, func(h *host, stats *atomic.Int32) {
		h.expect(time.Hour)
		if n := stats.Load(); n < 59 || n > 61 {
			t.Errorf("%d stats of one plugin in an hour", n)
		}
		h.m.Disable("o")
		h.expect(time.Minute)
		stats.Store(0)
		before := h.stats().SafetyChecks
		h.expect(24 * time.Hour)
		if n, s := stats.Load(), h.stats(); n != 0 || s.SafetyChecks != before || s.Unreliable != 0 {
			t.Errorf("%d stats in a day on a file system that notifies of everything; stats %+v", n, s)
		}
	})
}

func TestNoSafetyCheck(t *testing.T) {
	for _, o := range []Options{{SafetyCheck: NoSafetyCheck}, {ForcePolling: true}} {
		onUnreliable(t, o, func(h *host, stats *atomic.Int32) {
			h.expect(10 * time.Minute)
			if s := h.stats(); s.SafetyChecks != 0 || !o.ForcePolling && (s.Unreliable != 0 || stats.Load() != 0) {
				t.Errorf("%d stats; stats %+v", stats.Load(), s)
			}
		})
	}
}

// missed are the health events about notifications that did not arrive.
func (h *host) missed() (codes []HealthCode) {
	return slices.DeleteFunc(h.healthCodes(), func(c HealthCode) bool { return c != HealthMissed && c != HealthPolling })
}

func TestDirectoryWhoseNotificationsDoNotArriveIsPolled(t *testing.T) {
	onUnreliable(t, Options{}, func(h *host, _ *atomic.Int32) {
		h.below(func() { h.disk.write(overlayPath, "once") })
		h.deliveries(2*time.Minute, 1)
		if got, s := h.missed(), h.stats(); !slices.Equal(got, []HealthCode{HealthMissed}) || s.Missed != 1 || s.PolledDirectories != 0 {
			t.Fatalf("health %v, stats %+v", got, s)
		}
		h.disk.write(overlayPath, "the watch works")
		h.deliveries(time.Second, 2)
		h.below(func() { h.disk.write(overlayPath, "again") })
		h.deliveries(2*time.Minute, 3)
		if got, s := h.missed(), h.stats(); !slices.Equal(got, []HealthCode{HealthMissed, HealthPolling}) || s.Missed != 2 || s.PolledDirectories != 1 {
			t.Fatalf("health %v, stats %+v", got, s)
		}
		h.below(func() { h.disk.write(overlayPath, "polled") })
		h.deliveries(2*time.Second, 4)
		h.disk.write(overlayPath, "notified") // the watch is kept
		h.deliveries(200*ms, 5)
		h.disk.mounted() // from now on it may be another file system
		h.deliveries(2*time.Minute, 5)
		if s := h.stats(); s.PolledDirectories != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// A watch is not distrusted for what has an explanation.
func TestWatchIsTrustedAlthoughAComparisonWasFirst(t *testing.T) {
	for name, c := range map[string]struct{ change, explain func(h *host) }{
		"the notification is late": {
			func(h *host) { h.disk.write(overlayPath, "v1") },
			func(h *host) { h.disk.events <- fsnotify.Event{Name: overlayPath, Op: fsnotify.Write} },
		},
		"the notification was dropped": {
			func(h *host) { h.disk.write(overlayPath, "v1") },
			func(h *host) { h.disk.errs <- fsnotify.ErrEventOverflow },
		},
		"a file system was mounted": {
			func(h *host) { h.disk.write(overlayPath, "v1") },
			func(h *host) { h.disk.mounted() },
		},
		"it is written under another name": {
			func(h *host) {
				h.disk.mu.Lock()
				h.disk.nodes[overlayPath].info.Linked = true
				h.disk.mu.Unlock()
				h.disk.write(overlayPath, "v1")
			},
			func(h *host) {},
		},
		"it is not the plugin any more": {
			func(h *host) { h.disk.write(overlayPath, "v1") },
			func(h *host) {
				h.m.Disable("o")
				h.enable("o", overlayPath)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			onUnreliable(t, Options{SafetyCheck: 10 * time.Second}, func(h *host, _ *atomic.Int32) {
				for h.stats().SafetyChecks == 0 {
					h.expect(ms)
				}
				h.expect(9500 * ms) // the next one is about to begin
				h.below(func() { c.change(h) })
				h.deliveries(1500*ms, 1)
				c.explain(h)
				h.deliveries(time.Minute, 1)
				if got, s := h.missed(), h.stats(); len(got) != 0 || s.Missed != 0 || s.PolledDirectories != 0 {
					t.Errorf("health %v, stats %+v", got, s)
				}
			})
		})
	}
}

// On other file systems the check after a delivery finds a deaf watch.
func TestDeafWatchIsFoundByTheCheckAfterADelivery(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h *host)
		missed uint64
	}{
		"replaced": {func(h *host) { h.disk.replace(pluginPath, "v2") }, 1},
		// So does a writer that only maps the file, of which nothing is notified.
		"written": {func(h *host) { h.disk.write(pluginPath, "v2") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(h *host) {
				again := true
				h.m.SetReloadCallback(func(id string) {
					h.reload(id)
					if again {
						again = false
						h.below(func() { c.change(h) })
					}
				}, nil)
				h.disk.replace(pluginPath, "v1")
				h.expect(time.Minute, "a=v1", "a=v2")
				if s := h.stats(); s.Missed != c.missed {
					t.Errorf("stats %+v", s)
				}
				h.disk.replace(pluginPath, "v3")
				h.expect(time.Minute, "a=v3")
			})
		})
	}
}

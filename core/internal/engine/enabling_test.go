// SPDX-License-Identifier: MIT

package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// A file changes while it is being enabled: at each access to the disk in turn. From
// then on the host may have loaded either version, so that the new one is delivered.
func TestChangeDuringEnablingIsDelivered(t *testing.T) {
	for _, o := range []Options{{}, {Quiet: NoQuiet}, {ForcePolling: true}} {
		happened := true
		for n := 1; happened && n < 100; n++ { // later ones are polls
			happened = false
			s := &script{}
			inBubbleOn(t, o, func(d *fakeDisk) fsys.Disk {
				return hookedDisk{d, func(_, _ string, access func()) { s.access(access) }}
			}, func(h *host) {
				h.disk.replace("/plugins/b.so", "v0")
				h.expect(time.Minute)
				s.arm(n, func() {
					happened = true
					h.disk.replace("/plugins/b.so", "v1")
				})
				h.enable("b", "/plugins/b.so")
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if !happened {
					return
				}
				if got := h.stats().Deliveries; got != 1 && n > 2 || got > 1 { // 1 and 2: before what Enable sees
					t.Errorf("%+v: replaced at access %d: %d deliveries, want 1", o, n, got)
				}
			})
		}
	}
}

func TestFileWrittenSinceBeforeItWasEnabledIsDeliveredOnceComplete(t *testing.T) {
	// The host may have loaded something half-written: a mapping shows in no time stamp.
	for name, noise := range map[string]func(h *host){
		"without a trace":                      func(h *host) {},
		"attributes change":                    func(h *host) { h.disk.chmod("/plugins/b.so") },
		"all notifications may have been lost": func(h *host) { h.disk.overflow(func() {}) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{Quiet: NoQuiet}, func(h *host) {
				h.disk.replace("/plugins/b.so", "v0")
				h.expect(time.Minute)
				closeIt := h.disk.open("/plugins/b.so")
				h.enable("b", "/plugins/b.so")
				noise(h)
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := h.stats().Deliveries; n != 0 {
					t.Fatalf("%d deliveries while the file is being written", n)
				}
				closeIt()
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := h.stats().Deliveries; n != 1 {
					t.Fatalf("%d deliveries after the writer has closed the file, want 1", n)
				}
			})
		})
	}
}

func TestDisabledAtOnceLeavesNothing(t *testing.T) {
	inBubble(t, Options{Quiet: NoQuiet}, func(h *host) {
		for range 3 {
			if err := h.m.Enable("b", pluginPath, EnableOptions{}); err != nil {
				t.Fatal(err)
			}
			h.m.Disable("b")
		}
		h.m.Clear()
		h.expect(time.Minute)
		if s := h.stats(); s.WatchedDirectories != 0 || s.Settling != 0 {
			t.Fatalf("%d directories are watched, %d plugins settle", s.WatchedDirectories, s.Settling)
		}
		h.enable("a", pluginPath)
		h.disk.replace(pluginPath, "v2")
		h.expect(0, "a=v2")
	})
}

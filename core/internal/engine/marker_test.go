// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

const markerPathOfTests = "/plugins/.building"

// inBubbleMarked is inBubble with the plugin "m", a file of its own, that has a pause marker.
func inBubbleMarked(t *testing.T, o Options, test func(h *host)) {
	t.Helper()
	inBubble(t, o, func(h *host) {
		h.readsEach()
		h.disk.replace("/plugins/m.so", "v0")
		h.expect(time.Minute)
		h.enableMarked("m", "/plugins/m.so")
		h.expect(time.Minute)
		test(h)
	})
}

// readsEach has the host read the file of the plugin that it is told about.
func (h *host) readsEach() {
	h.m.SetReloadCallback(func(id string) {
		content := h.content(h.status(id).Path)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.told = append(h.told, id+"="+content)
	}, nil)
}

func (h *host) healthEvents() (all []Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ev := range h.ev {
		if ev.Kind == Health {
			all = append(all, ev)
		}
	}
	return all
}

func (h *host) enableMarked(id, path string) {
	h.t.Helper()
	if err := h.m.Enable(id, path, EnableOptions{PauseMarker: new(".building")}); err != nil {
		h.t.Fatal(err)
	}
}

func TestAPauseMarkerHoldsChangesBackUntilItIsRemovedAndThenDeliversTheLatestOnce(t *testing.T) {
	inBubbleMarked(t, Options{}, func(h *host) {
		h.disk.replace(markerPathOfTests, "")
		h.disk.replace("/plugins/m.so", "v1")
		h.disk.replace(pluginPath, "v1") // has no marker
		h.expect(time.Minute, "a=v1")
		h.disk.replace("/plugins/m.so", "v2")
		h.expect(time.Minute)
		h.disk.remove(markerPathOfTests)
		h.expect(time.Minute, "m=v2")
		h.disk.replace("/plugins/m.so", "v3")
		h.expect(time.Minute, "m=v3")
	})
}

// The disk takes longer to say that the marker is there than the file takes to settle.
func TestAPauseMarkerHoldsFromItsNotificationOn(t *testing.T) {
	var slow atomic.Bool
	on := func(d *fakeDisk) fsys.Disk {
		return hookedDisk{d, func(op, path string, access func()) {
			if slow.Load() && path == markerPathOfTests {
				time.Sleep(hangsAfter / 2)
			}
			access()
		}}
	}
	inBubbleOn(t, Options{Quiet: NoQuiet}, on, func(h *host) {
		h.readsEach()
		h.disk.replace("/plugins/m.so", "v0")
		h.expect(time.Minute)
		h.enableMarked("m", "/plugins/m.so")
		h.expect(time.Minute)
		slow.Store(true)
		h.disk.replace(markerPathOfTests, "")
		h.disk.replace("/plugins/m.so", "v1")
		h.expect(time.Minute)
		h.disk.remove(markerPathOfTests)
		h.expect(time.Minute, "m=v1")
	})
}

func TestAPauseMarkerThatIsThereAtEnablingHolds(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.readsEach()
		h.disk.replace(markerPathOfTests, "")
		h.disk.replace("/plugins/m.so", "v0")
		h.expect(time.Minute)
		h.enableMarked("m", "/plugins/m.so")
		h.disk.replace("/plugins/m.so", "v1")
		h.expect(time.Minute)
		h.disk.remove(markerPathOfTests)
		h.expect(time.Minute, "m=v1")
	})
}

func TestAPauseMarkerIsFoundWithoutNotifications(t *testing.T) {
	inBubbleMarked(t, Options{ForcePolling: true}, func(h *host) {
		h.disk.replace(markerPathOfTests, "")
		h.expect(2 * time.Second)
		h.disk.replace("/plugins/m.so", "v1")
		h.expect(time.Minute)
		h.disk.remove(markerPathOfTests)
		h.expect(time.Minute, "m=v1")
	})
}

func TestAPauseMarkerIsComparedAfterNotificationsWereLostAndWhenTheHostAsks(t *testing.T) {
	inBubbleMarked(t, Options{}, func(h *host) {
		h.disk.mute = true
		h.disk.replace(markerPathOfTests, "")
		h.disk.mute = false
		h.expect(time.Minute)
		if s := h.status("m"); s.Marker != "" {
			t.Fatalf("it was noticed: %+v", s)
		}
		if err := h.m.CheckNow("m"); err != nil {
			t.Fatal(err)
		}
		h.expect(time.Second)
		if s := h.status("m"); s.Marker != markerPathOfTests {
			t.Fatalf("after CheckNow: %+v", s)
		}
		h.disk.overflow(func() { h.disk.remove(markerPathOfTests) })
		h.expect(time.Minute)
		if s := h.status("m"); s.Marker != "" {
			t.Fatalf("after an overflow: %+v", s)
		}
	})
}

func TestTwoPausesAndAPauseMarkerAreThreeReasons(t *testing.T) {
	inBubbleMarked(t, Options{}, func(h *host) {
		h.disk.replace(markerPathOfTests, "")
		h.pause("m", true)
		h.disk.replace("/plugins/m.so", "v1")
		h.expect(time.Minute)
		h.disk.remove(markerPathOfTests)
		h.expect(time.Minute)
		h.disk.replace(markerPathOfTests, "")
		h.expect(time.Minute)
		h.pause("m", false)
		h.expect(time.Minute)
		if paused, _ := h.m.IsPluginPaused("m"); paused {
			t.Error("the marker counts as a pause of the host's")
		}
		h.disk.remove(markerPathOfTests)
		h.expect(time.Minute, "m=v1")
	})
}

func TestAPauseMarkerTakesBackAChangeThatWaitsForTheHost(t *testing.T) {
	inBubbleMarked(t, Options{Dispatch: DispatchManual}, func(h *host) {
		h.dispatch(0, 0)
		h.disk.replace("/plugins/m.so", "v1")
		time.Sleep(time.Second)
		h.disk.replace(markerPathOfTests, "")
		synctest.Wait()
		if n := h.dispatch(0, 0); n != 0 {
			t.Errorf("%d events are delivered", n)
		}
		h.disk.remove(markerPathOfTests)
		synctest.Wait()
		if n := h.dispatch(0, 0); n != 1 {
			t.Errorf("%d events are delivered, want 1", n)
		}
	})
}

func TestAPauseMarkerOfADeadBuildIsReportedAndExplained(t *testing.T) {
	inBubbleMarked(t, Options{MarkerAfter: time.Hour}, func(h *host) {
		h.disk.replace(markerPathOfTests, "")
		h.disk.replace("/plugins/m.so", "v1")
		h.expect(59 * time.Minute)
		if heard := h.healthEvents(); len(heard) != 0 {
			t.Fatalf("reported early: %+v", heard)
		}
		h.expect(2 * time.Minute)
		heard := h.healthEvents()
		if len(heard) != 1 || heard[0].Health != HealthPauseMarker || heard[0].Path != markerPathOfTests ||
			!strings.Contains(heard[0].Message, "there for 1h0m0s; the changes of 1 plugin wait; if no build is running, remove it") {
			t.Fatalf("reported %+v", heard)
		}
		explained, err := h.m.Explain("m")
		if err != nil || !strings.Contains(explained, "pause marker:      the pause marker is there; changes wait until it is removed; since ") ||
			!strings.Contains(explained, "held back:         the pause marker is there\n") ||
			!strings.Contains(explained, "paused: held back: the pause marker is there: "+markerPathOfTests) {
			t.Errorf("%v; explained %s", err, explained)
		}
		has(t, metrics(t, h.m), map[string]string{"hotreload_pause_markers": "1", `hotreload_plugin_marked{plugin="m"}`: "1",
			`hotreload_plugin_marked{plugin="a"}`: "0", `hotreload_health_events_total{code="pause_marker"}`: "1"})
		h.expect(24 * time.Hour)
		if n := len(h.healthEvents()); n != 1 {
			t.Errorf("reported %d times", n)
		}
		h.disk.remove(markerPathOfTests)
		h.expect(time.Minute, "m=v1")
		h.disk.replace(markerPathOfTests, "")
		h.expect(2 * time.Hour)
		if n := len(h.healthEvents()); n != 2 {
			t.Errorf("the next one is reported %d times", n-1)
		}
	})
}

func TestAPauseMarkerIsNeverReportedIfTheHostSaysSo(t *testing.T) {
	inBubbleMarked(t, Options{MarkerAfter: NeverMarked}, func(h *host) {
		h.disk.replace(markerPathOfTests, "")
		h.expect(24 * time.Hour)
		has(t, metrics(t, h.m), map[string]string{`hotreload_health_events_total{code="pause_marker"}`: "0"})
	})
}

func TestAPauseMarkerOnAFileSystemThatHangsHoldsAndIsReported(t *testing.T) {
	var hangs atomic.Bool
	on := func(d *fakeDisk) fsys.Disk {
		return hookedDisk{d, func(op, path string, access func()) {
			for hangs.Load() && path == markerPathOfTests {
				time.Sleep(time.Second)
			}
			access()
		}}
	}
	inBubbleOn(t, Options{mountOf: func(string) string { return "/plugins" }}, on, func(h *host) {
		h.readsEach()
		h.disk.replace("/plugins/m.so", "v0")
		h.expect(time.Minute)
		h.enableMarked("m", "/plugins/m.so")
		h.expect(time.Minute)
		hangs.Store(true)
		h.disk.replace(markerPathOfTests, "")
		h.disk.remove(markerPathOfTests)
		h.expect(time.Hour)
		has(t, metrics(t, h.m), map[string]string{`hotreload_health_events_total{code="pause_marker"}`: "1",
			`hotreload_plugin_marked{plugin="m"}`: "1"})
		if explained, _ := h.m.Explain("m"); !strings.Contains(explained, "it is not known yet whether the pause marker is there") {
			t.Errorf("explained %s", explained)
		}
		hangs.Store(false)
		h.disk.replace("/plugins/m.so", "v1")
		h.expect(time.Minute, "m=v1")
	})
}

func TestPluginsOfOnePauseMarkerAreDeliveredInTheOrderOfTheirVersions(t *testing.T) {
	inBubbleMarked(t, Options{}, func(h *host) {
		var want []string
		h.disk.replace(markerPathOfTests, "")
		for _, id := range strings.Split("zyxwvutsrq", "") {
			h.disk.replace("/plugins/"+id, "v0")
			h.expect(time.Minute)
			h.enableMarked(id, "/plugins/"+id)
			want = append(want, id)
		}
		for _, id := range strings.Split("zyxwvutsrq", "") {
			h.disk.replace("/plugins/"+id, "v1")
			h.expect(time.Minute)
		}
		got := make(chan string, 10)
		h.m.SetReloadCallback(func(id string) { got <- id }, nil)
		h.disk.remove(markerPathOfTests)
		h.expect(time.Minute)
		close(got)
		if order := slices.Collect(func(yield func(string) bool) {
			for id := range got {
				yield(id)
			}
		}); !slices.Equal(order, want) {
			t.Errorf("delivered in the order %v, want %v", order, want)
		}
	})
}

func TestAPauseMarkerGoesWithItsLastPlugin(t *testing.T) {
	inBubbleMarked(t, Options{}, func(h *host) {
		h.enableMarked("n", pluginPath)
		if len(h.m.markers) != 1 || len(h.m.markersByLeaf) != 1 {
			t.Fatalf("%d markers", len(h.m.markers))
		}
		h.m.Disable("m")
		h.disk.replace(markerPathOfTests, "")
		h.expect(time.Minute)
		if s := h.status("n"); s.Marker != markerPathOfTests {
			t.Errorf("the other plugin's marker is %q", s.Marker)
		}
		h.m.Clear()
		if len(h.m.markers) != 0 || len(h.m.markersByLeaf) != 0 {
			t.Errorf("%d markers are left", len(h.m.markers))
		}
		h.enableMarked("m", "/plugins/m.so")
		h.expect(time.Minute)
		h.disk.remove(markerPathOfTests)
		h.disk.replace("/plugins/m.so", "v1")
		h.expect(time.Minute, "m=v1")
	})
}

func TestAPauseMarkerInADirectoryThatIsReplacedStaysWatched(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.readsEach()
		h.disk.mkdir("/build")
		h.expect(time.Minute)
		if err := h.m.Enable("m", "/plugins/m.so", EnableOptions{PauseMarker: new("/build/now"), AllowMissing: true}); err != nil {
			t.Fatal(err)
		}
		h.disk.remove("/build")
		h.disk.replace("/plugins/m.so", "v1")
		h.expect(time.Minute, "m=v1")
		h.disk.mkdir("/build")
		h.disk.replace("/build/now", "")
		h.expect(time.Minute)
		h.disk.replace("/plugins/m.so", "v2")
		h.expect(time.Minute)
		h.disk.remove("/build/now")
		h.expect(time.Minute, "m=v2")
	})
}

func TestAPauseMarkerThatIsNoneIsAnError(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		for name, want := range map[string]string{"": "is empty", "plugin.so": "is the plugin's own file", "a\x00b": "NUL",
			".": "a directory on the plugin's path", "x/..": "a directory on the plugin's path", "..": "a directory on the plugin's path", "/plugins": "a directory on the plugin's path",
			strings.Repeat("x", maxNameLen+1): "longer than any file's name"} {
			err := h.m.Enable("m", "/plugins/plugin.so", EnableOptions{PauseMarker: &name, AllowMissing: true})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%.20q: %v, want %q", name, err, want)
			}
		}
		if len(h.m.markers) != 0 {
			t.Errorf("%d markers", len(h.m.markers))
		}
		if _, err := New(Options{MarkerAfter: -2}); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("MarkerAfter: %v", err)
		}
	})
}

// The walk to the marker's directory takes longer than the file takes to settle.
func TestAPauseMarkerHoldsUntilItsDirectoryIsWatched(t *testing.T) {
	var slow atomic.Bool
	on := func(d *fakeDisk) fsys.Disk {
		return hookedDisk{d, func(op, path string, access func()) {
			if slow.Load() && path == "/build" {
				time.Sleep(hangsAfter / 2)
			}
			access()
		}}
	}
	inBubbleOn(t, Options{Quiet: NoQuiet}, on, func(h *host) {
		h.readsEach()
		h.disk.mkdir("/build")
		h.disk.replace("/plugins/m.so", "v0")
		h.expect(time.Minute)
		slow.Store(true)
		if err := h.m.Enable("m", "/plugins/m.so", EnableOptions{PauseMarker: new("/build/now")}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		h.disk.replace("/build/now", "")
		h.disk.replace("/plugins/m.so", "v1")
		h.expect(time.Minute)
		h.disk.remove("/build/now")
		h.expect(time.Minute, "m=v1")
	})
}

func TestCheckNowComparesAPauseMarkerInAnotherDirectory(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.mkdir("/build")
		if err := h.m.Enable("m", pluginPath, EnableOptions{PauseMarker: new("/build/now")}); err != nil {
			t.Fatal(err)
		}
		h.expect(time.Minute)
		h.disk.mute = true
		h.disk.replace("/build/now", "")
		h.disk.mute = false
		if err := h.m.CheckNow("m"); err != nil {
			t.Fatal(err)
		}
		h.expect(time.Second)
		if s := h.status("m"); s.Marker != "/build/now" {
			t.Errorf("status %+v", s)
		}
	})
}

// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/printabletest"
)

func (h *host) status(id string) PluginStatus {
	h.t.Helper()
	s, err := h.m.PluginStatus(id)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// is checks a plugin's state, and that the explanation has a text.
func (h *host) is(state PluginState, text string) {
	h.t.Helper()
	synctest.Wait()
	if s := h.status("a"); s.State != state {
		h.t.Fatalf("the state is %d (%s), want %d", s.State, stateTexts[s.State], state)
	}
	explained, err := h.m.Explain("a")
	if err != nil || !strings.Contains(explained, text) {
		h.t.Fatalf("%v; the explanation lacks %q:\n%s", err, text, explained)
	}
}

func TestStatusFollowsAChangeFromItsNotificationToItsDelivery(t *testing.T) {
	writers := func(files []fsys.ID, _ func() bool) map[fsys.ID][]fsys.Process {
		return map[fsys.ID][]fsys.Process{files[0]: {{PID: 1234, Program: "ld"}, {PID: 5}}}
	}
	inBubble(t, Options{Dispatch: DispatchManual, writers: writers}, func(h *host) {
		h.dispatch(0, 0)
		h.is(StateIdle, "last decisions:    none")
		h.disk.replace(pluginPath, "v1")
		closeIt := h.disk.open(pluginPath)
		h.is(StateSettling, "next check:        in 100ms")
		time.Sleep(time.Second)
		h.is(StateWriting, "waiting: it is held open for writing (")
		h.is(StateWriting, "written by:        process 1234 (ld), process 5\n")
		closeIt()
		time.Sleep(time.Second)
		h.is(StateReady, "held back:         the host must dispatch")
		h.m.SetReloadCallback(func(string) { h.is(StateDelivering, "the host's callback runs") }, nil)
		h.dispatch(0, 0)
		h.is(StateIdle, "generation 1")
		s := h.status("a")
		if s.Generation != 1 || s.LastDelivery.IsZero() || s.LastCheck.IsZero() || s.LastNotification.IsZero() || s.Since != s.LastDelivery {
			t.Fatalf("status %+v", s)
		}
		if n := len(s.Decisions); n == 0 || s.Decisions[n-1].Decision != DecisionDelivered {
			t.Fatalf("decisions %+v", s.Decisions)
		}
	})
}

func TestStatusSaysWhyAChangeIsHeldBack(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.pause("a", true)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute)
		h.is(StateReady, "held back:         the plugin is paused\n")
		h.m.SetGlobalEnabled(false)
		h.is(StateReady, "the plugin is paused, and so are all plugins")
		h.pause("a", false)
		h.is(StateReady, "all plugins are paused")
		h.m.SetEventCallback(nil, nil)
		h.m.SetReloadCallback(nil, nil)
		h.m.SetGlobalEnabled(true)
		h.is(StateReady, "no callback is set")
	})
}

func TestStatusOfAFileThatIsNotThereOrNotGood(t *testing.T) {
	inBubble(t, Options{CheckImage: true}, func(h *host) {
		h.disk.write(pluginPath, "v1")
		h.disk.setImage(pluginPath, errBadImage)
		h.expect(time.Minute)
		h.is(StateIncomplete, "rejected: not a complete image: truncated")
		h.disk.setMode(pluginPath, true)
		h.disk.write(pluginPath, "v2")
		h.expect(time.Second)
		h.is(StateUnreadable, "unreadable: open")
		h.disk.remove(pluginPath)
		h.expect(time.Minute, "-a")
		h.is(StateMissing, "delivered: that the file is gone")
	})
}

func TestStatusSaysHowAPluginIsWatched(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		make func(d *fakeDisk)
		want Watching
		text string
	}{
		"notified": {want: WatchingNotified, text: "watched:           by notifications\n"},
		"forced":   {o: Options{ForcePolling: true}, want: WatchingPolled, text: "compared every poll interval: polling is forced"},
		"no room": {make: func(d *fakeDisk) { d.addErr = errors.New("no space left on device") }, want: WatchingPolled,
			text: "compared every poll interval: /plugins: no space left on device"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubbleOn(t, c.o, func(d *fakeDisk) fsys.Disk {
				if c.make != nil {
					c.make(d)
				}
				return d
			}, func(h *host) {
				if s := h.status("a"); s.Watching != c.want {
					t.Errorf("watching %d, want %d", s.Watching, c.want)
				}
				h.is(StateIdle, c.text)
			})
		})
	}
}

func TestExplanationSaysWhatStandsInTheFilesPlace(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.remove(pluginPath)
		h.disk.mkdir(pluginPath)
		h.expect(time.Minute, "-a")
		h.is(StateMissing, "there is no file: a directory is at its path; a file there is a change\n")
		h.is(StateMissing, "removed: the file is gone; a directory is at its path\n")
		h.is(StateMissing, "delivered: that the file is gone; a directory is at its path\n")
	})
}

// A file that is truncated by its path is written and never closed: no process holds it open.
func TestExplanationNamesNoProcessWhereOnlyNotificationsTellOfAWriter(t *testing.T) {
	for _, o := range []Options{{HeldAfter: time.Hour}, {HeldAfter: time.Hour, DeliverHeld: true}} {
		inBubbleOn(t, o, func(d *fakeDisk) fsys.Disk { return unknownDisk{Disk: d, checks: &atomic.Int32{}} }, func(h *host) {
			h.disk.write(pluginPath, "v1")
			h.expect(time.Minute)
			h.is(StateWriting, "waiting: it was written and, as far as notifications say, not closed")
			h.is(StateWriting, "\"a\": the file was written and, as far as notifications say, not closed; ")
			if explained, _ := h.m.Explain("a"); strings.Contains(explained, "process") ||
				strings.Contains(explained, "or has not changed for 1h0m0s\n") != o.DeliverHeld {
				t.Errorf("with %+v:\n%s", o, explained)
			}
		})
	}
}

func TestExplanationSaysWhatIsComparedBesideNotifications(t *testing.T) {
	for o, text := range map[time.Duration]string{
		time.Hour:     "by notifications; its content may change without any, so it is also compared every 1h0m0s\n",
		NoSafetyCheck: "by notifications; its content may change without any\n",
	} {
		onUnreliable(t, Options{SafetyCheck: o}, func(h *host, _ *atomic.Int32) {
			explained, err := h.m.Explain("o")
			if err != nil || !strings.Contains(explained, text) {
				t.Errorf("%v; the explanation lacks %q:\n%s", err, text, explained)
			}
		})
	}
}

// The mount has the file checked again; nobody has found another one.
func TestDecisionsClaimNoDifferenceThatWasNotFound(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.replace(pluginPath, "v1")
		h.expect(10 * ms)
		h.disk.mounted()
		h.expect(10 * ms)
		h.is(StateSettling, "noticed: compared with the disk, notifications may have been lost\n")
	})
}

func TestExplanationGivesARemovalNoGeneration(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute, "a=v1")
		h.is(StateIdle, "generation:        1\n")
		h.disk.remove(pluginPath)
		h.expect(time.Minute, "-a")
		h.is(StateMissing, "last delivery:     ")
		explained, _ := h.m.Explain("a")
		for line := range strings.Lines(explained) {
			if strings.Contains(line, "last delivery") && strings.Contains(line, "generation") {
				t.Errorf("the removal has a generation: %s", line)
			}
		}
	})
}

func TestStatusSaysThatTheDirectoryIsMissing(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		if err := h.m.Enable("later", "/none/later.so", EnableOptions{AllowMissing: true}); err != nil {
			t.Fatal(err)
		}
		h.expect(time.Minute)
		s := h.status("later")
		if s.State != StateMissing || !strings.Contains(s.WatchedBy, "/none") {
			t.Fatalf("status %+v", s)
		}
	})
}

// A file system that does not answer keeps neither of the two waiting.
func TestStatusAndExplainWhileTheFileSystemHangs(t *testing.T) {
	var hangs atomic.Bool
	on := func(d *fakeDisk) fsys.Disk {
		return hookedDisk{d, func(op, path string, access func()) {
			for hangs.Load() && strings.HasPrefix(path, "/plugins") {
				time.Sleep(time.Second)
			}
			access()
		}}
	}
	inBubbleOn(t, Options{mountOf: func(string) string { return "/plugins" }}, on, func(h *host) {
		hangs.Store(true)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute)
		start := time.Now()
		h.is(StateHanging, "its file system does not answer")
		if waited := time.Since(start); waited != 0 {
			t.Fatalf("it took %v", waited)
		}
		hangs.Store(false)
		h.expect(time.Minute, "a=v1")
		h.is(StateIdle, "delivered: generation 1")
	})
}

func TestAnIdlePluginHasNoHistoryAndTheOldestIsForgotten(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		if h.m.plugins.lookup("a").rare != nil {
			t.Fatal("something is kept of a plugin to which nothing happened")
		}
		h.pause("a", true)
		h.pause("a", false)
		for i := range maxHistories {
			id := fmt.Sprint("b", i)
			if err := h.m.Enable(id, pluginPath, EnableOptions{}); err != nil {
				t.Fatal(err)
			}
			h.pause(id, true)
			h.pause(id, false)
		}
		if n := h.m.histories.count; n != maxHistories {
			t.Fatalf("%d histories are kept, want %d", n, maxHistories)
		}
		if s := h.status("a"); len(s.Decisions) != 0 || h.m.plugins.lookup("a").rare != nil {
			t.Fatalf("the oldest history is kept: %+v", s.Decisions)
		}
		if s := h.status("b1023"); len(s.Decisions) != 2 || s.Decisions[1].Reason != "resumed" {
			t.Fatalf("decisions %+v", s.Decisions)
		}
		h.m.Clear()
		if hs := h.m.histories; hs.count != 0 || hs.newest != nil || hs.oldest != nil {
			t.Fatalf("%d histories are left after Clear", hs.count)
		}
	})
}

func TestHistoryKeepsTheLatestDecisionsAndCountsEqualOnes(t *testing.T) {
	var h history
	for i := range 20 {
		h.add(DecisionDelivered, fmt.Sprint("generation ", i), time.Unix(int64(i), 0))
	}
	for range 3 {
		h.add(DecisionWaiting, "writer", time.Unix(30, 0))
	}
	all := h.latest()
	if len(all) != maxDecisions || all[0].Reason != "generation 13" || all[7].Times != 3 || all[7].Time != time.Unix(30, 0) {
		t.Fatalf("decisions %+v", all)
	}
}

func TestExplanationIsPrintable(t *testing.T) {
	for _, hostile := range printabletest.Hostile {
		s := PluginStatus{ID: hostile, Path: "/" + hostile, State: StateWriting, WatchedBy: hostile, Watching: WatchingPolled,
			Writers: []Process{{PID: 7, Program: hostile}}}
		for line := range strings.Lines(s.explain(time.Now())) {
			if fault := printabletest.Fault(strings.TrimSuffix(line, "\n")); fault != "" {
				t.Errorf("%s: %.200q", fault, line)
			}
		}
	}
}

func TestStatusOfWhatIsNotEnabled(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		_, err := h.m.PluginStatus("nobody")
		_, explained := h.m.Explain("nobody")
		if !errors.Is(err, ErrInvalidArgument) || !errors.Is(explained, ErrInvalidArgument) {
			t.Fatalf("%v, %v", err, explained)
		}
	})
}

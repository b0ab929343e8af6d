// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func (h *host) pause(id string, on bool) {
	h.t.Helper()
	if err := h.m.SetPluginPaused(id, on); err != nil {
		h.t.Fatal(err)
	}
	if is, err := h.m.IsPluginPaused(id); err != nil || is != on {
		h.t.Fatalf("%s is paused: %v, %v; want %v", id, is, err, on)
	}
}

func TestPausedPluginIsDeliveredOnceAfterResumingAndHoldsUpNoOther(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.replace("/plugins/b.so", "w0")
		h.enable("b", "/plugins/b.so")
		h.pause("a", true)
		for _, v := range []string{"v1", "v2"} {
			h.disk.replace(pluginPath, v)
			h.expect(time.Minute)
		}
		h.disk.replace("/plugins/b.so", "w1")
		h.expect(time.Minute, "b=v2") // the content is a's file's
		if s := h.stats(); s.Pending != 1 {
			t.Fatalf("%d events wait, want the paused plugin's change", s.Pending)
		}
		h.pause("a", false)
		h.expect(time.Minute, "a=v2")
		h.pause("a", false)
		h.expect(time.Minute)
	})
}

func TestPausedPluginThatIsBackAtItsVersionIsNotDelivered(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.pause("a", true)
		putBack := h.disk.displace(pluginPath, "v1")
		h.expect(time.Minute)
		putBack()
		h.expect(time.Minute)
		h.pause("a", false)
		h.expect(time.Minute)
	})
}

func TestRemovalOfAPausedPluginIsDeliveredAfterResuming(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.pause("a", true)
		h.disk.remove(pluginPath)
		h.expect(time.Minute)
		h.pause("a", false)
		h.expect(time.Minute, "-a")
	})
}

func TestBothPausesMustEnd(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.pause("a", true)
		h.m.SetGlobalEnabled(false)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute)
		h.pause("a", false)
		h.expect(time.Minute)
		h.pause("a", true)
		h.m.SetGlobalEnabled(true)
		h.expect(time.Minute)
		h.pause("a", false)
		h.expect(time.Minute, "a=v1")
	})
}

func TestEnabledPausedPluginDeliversItsPresentVersionAfterResuming(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		if err := h.m.Enable("b", pluginPath, EnableOptions{Paused: true, DeliverPresent: true}); err != nil {
			t.Fatal(err)
		}
		h.expect(time.Minute)
		h.pause("b", false)
		h.expect(time.Minute, "b=v0")
	})
}

func TestDisablingEndsThePause(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.pause("a", true)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute)
		h.m.Disable("a")
		if s := h.stats(); s.Pending > 1 { // the disabled event at most
			t.Fatalf("%d events wait", s.Pending)
		}
		h.enable("a", pluginPath)
		if on, err := h.m.IsPluginPaused("a"); on || err != nil {
			t.Fatalf("paused %v, %v", on, err)
		}
		h.disk.replace(pluginPath, "v2")
		h.expect(time.Minute, "a=v2")
	})
}

func TestPauseWhileAChangeOfThePluginIsConfirmedHoldsItBack(t *testing.T) {
	whileConfirmed(t, Options{}, func(h *host) { go h.m.SetPluginPaused("a", true) }, func(h *host) {
		h.expect(time.Minute)
		h.dispatch(0, 0)
		h.expect(0)
		h.pause("a", false)
		time.Sleep(time.Minute)
		h.dispatch(0, 0)
		h.expect(0, "a=v1")
	})
}

func TestPausingWaitsForTheDeliveryOfThePluginOnly(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.replace("/plugins/b.so", "w0")
		h.enable("b", "/plugins/b.so")
		entered, leave := make(chan struct{}), make(chan struct{})
		h.m.SetReloadCallback(func(string) { close(entered); <-leave }, nil)
		h.disk.replace(pluginPath, "v1")
		<-entered
		h.pause("b", true) // returns
		paused := make(chan struct{})
		go func() { h.m.SetPluginPaused("a", true); close(paused) }()
		synctest.Wait()
		select {
		case <-paused:
			t.Fatal("pausing returned while the plugin was being delivered")
		default:
		}
		close(leave)
		<-paused
	})
}

func TestCallbackMayPauseItsOwnPlugin(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.m.SetReloadCallback(func(id string) { h.reload(id); h.pause(id, true) }, nil)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute, "a=v1")
		h.disk.replace(pluginPath, "v2")
		h.expect(time.Minute)
	})
}

func TestPausingWhatIsNotEnabledSaysSo(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		_, asked := h.m.IsPluginPaused("nobody")
		for _, err := range []error{h.m.SetPluginPaused("nobody", true), asked, h.m.CheckNow("nobody")} {
			if !errors.Is(err, ErrInvalidArgument) {
				t.Errorf("%v, want ErrInvalidArgument", err)
			}
		}
		h.m.Close()
		_, asked = h.m.IsPluginPaused("a")
		for _, err := range []error{h.m.SetPluginPaused("a", true), asked, h.m.CheckNow("a"), h.m.CheckAllNow()} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("%v, want ErrClosed", err)
			}
		}
	})
}

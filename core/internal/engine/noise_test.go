// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/watch"
)

const logPath = "/plugins/log"

// writeLog writes the log a thousand times a second.
func (h *host) writeLog(during time.Duration) {
	for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(ms) {
		h.disk.write(logPath, "x")
	}
}

// inNoise runs a test with a log beside the plugin that is written all the time.
func inNoise(t *testing.T, o Options, test func(h *host)) {
	if watch.CloseWrite == 0 {
		t.Skip("this system does not report that a writer has closed a file")
	}
	inBubble(t, o, func(h *host) {
		h.disk.closes = true
		h.disk.replace(logPath, "")
		h.expect(time.Second)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.writeLog(10 * time.Second)
		}()
		h.expect(5 * time.Second)
		test(h)
		<-ended
		h.expect(time.Minute)
	})
}

func TestLogBesideAPluginIsHardlyHeard(t *testing.T) {
	inNoise(t, Options{}, func(h *host) {
		before := h.stats().Notifications
		h.expect(3 * time.Second)
		// For about a fifth of a second in each second.
		if n := h.stats().Notifications - before; n > 750 {
			t.Errorf("%d notifications of 3,000 writes were taken", n)
		}
	})
}

func TestChangesInNoiseAreDeliveredOnceEach(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h *host)
		within time.Duration
	}{
		"replaced": {func(h *host) { h.disk.replace(pluginPath, "v1") }, 110 * ms},
		"written and closed": {func(h *host) {
			closeIt := h.disk.open(pluginPath)
			h.disk.write(pluginPath, "v1")
			closeIt()
		}, 110 * ms},
		// As cp -p and reproducible builds do. That it was written is what makes it a change.
		"written, closed and given its former time": {func(h *host) {
			closeIt := h.disk.open(pluginPath)
			h.disk.restore(pluginPath, "v1")
			closeIt()
		}, 110 * ms},
		// truncate(2): nothing but a write tells of it.
		"truncated": {func(h *host) { h.disk.write(pluginPath, "v1") }, 1500 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			inNoise(t, Options{}, func(h *host) {
				c.change(h)
				h.expect(c.within, "a=v1")
			})
		})
	}
}

// A writer that does not close the file is found by the comparison, and waited for.
func TestWriterInNoiseIsWaitedFor(t *testing.T) {
	inNoise(t, Options{}, func(h *host) {
		closeIt := h.disk.open(pluginPath)
		h.disk.write(pluginPath, "half")
		h.expect(1500 * ms)
		if n := h.stats().BeingWritten; n != 1 {
			t.Errorf("%d plugins are being written, want 1", n)
		}
		h.disk.write(pluginPath, "v1")
		h.expect(time.Second)
		closeIt()
		h.expect(110*ms, "a=v1")
	})
}

// Where the system does not say who writes a file, notifications of writes are all there is.
func TestNoiseIsHeardWhereWritersAreUnknown(t *testing.T) {
	if watch.CloseWrite == 0 {
		t.Skip("this system does not report that a writer has closed a file")
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Options{})
		defer h.m.Close()
		h.disk.noProbe, h.disk.closes = true, true
		h.m.SetReloadCallback(h.reload, nil)
		h.disk.replace(logPath, "")
		h.enable("a", pluginPath)
		h.writeLog(2 * time.Second)
		closeIt := h.disk.open(pluginPath)
		h.disk.write(pluginPath, "half")
		h.expect(3 * time.Second)
		h.disk.write(pluginPath, "v1")
		closeIt()
		h.expect(time.Second, "a=v1")
		if n := h.stats().Notifications; n < 2000 {
			t.Errorf("%d notifications of 2,000 writes were taken", n)
		}
	})
}

// A check is under way when writes are notified again: what it missed is not lost.
func TestChangeBeforeWritesAreNotifiedAgainIsNotLost(t *testing.T) {
	if watch.CloseWrite == 0 {
		t.Skip("this system does not report that a writer has closed a file")
	}
	var held atomic.Pointer[func()]
	on := func(d *fakeDisk) fsys.Disk {
		return hookedDisk{d, func(op, path string, access func()) {
			access()
			if f := held.Load(); f != nil && op == "Stat" && path == pluginPath && held.CompareAndSwap(f, nil) {
				(*f)()
			}
		}}
	}
	inBubbleOn(t, Options{}, on, func(h *host) {
		h.disk.closes = true
		h.disk.replace(logPath, "")
		h.expect(time.Second)
		h.writeLog(300 * ms)
		// The file is touched; the check of that has seen it when it is truncated.
		begun := make(chan struct{})
		truncate := func() {
			close(begun)
			h.disk.write(pluginPath, "v1")
			time.Sleep(2 * time.Second)
		}
		held.Store(&truncate)
		h.disk.chmod(pluginPath)
		<-begun
		h.expect(5*time.Second, "a=v1")
	})
}

func TestNothingIsLeftOfNoise(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.replace(logPath, "")
		h.writeLog(time.Second)
		h.expect(time.Minute)
		before := h.stats().Notifications
		h.disk.write(logPath, "x")
		h.expect(time.Second)
		if n := h.stats().Notifications - before; n != 1 {
			t.Errorf("%d notifications of a write were taken", n)
		}
		h.m.mu.Lock()
		defer h.m.mu.Unlock()
		if at := h.m.intake.set.SparedUntil(); !at.IsZero() {
			t.Errorf("a timer runs until %v", at)
		}
	})
}

// kernel is a source that keeps notifications as the kernel does.
type kernel struct {
	*fakeDisk
	room    int
	queue   chan fsnotify.Event
	out     chan fsnotify.Event
	dropped atomic.Int64
	batches atomic.Int64 // that were read while there had been none to read
}

func newKernel(d *fakeDisk, room int, done <-chan struct{}) *kernel {
	k := &kernel{fakeDisk: d, room: room, queue: make(chan fsnotify.Event, room), out: make(chan fsnotify.Event, 32)}
	go func() {
		for {
			if len(k.queue) == 0 {
				k.batches.Add(1)
			}
			select {
			case ev := <-k.queue:
				select {
				case k.out <- ev:
				case <-done:
					return
				}
			case <-done:
				return
			}
		}
	}()
	return k
}

func (k *kernel) Waiting() int                  { return len(k.queue) }
func (k *kernel) Room() int                     { return k.room }
func (k *kernel) Events() <-chan fsnotify.Event { return k.out }

// send has n irrelevant notifications sent.
func (k *kernel) send(n int) {
	for i := range n {
		select {
		case k.queue <- fsnotify.Event{Name: fmt.Sprint("/plugins/object", i, ".o"), Op: fsnotify.Create}:
		default:
			k.dropped.Add(1)
		}
	}
}

// onKernel runs a test with a source that keeps so many notifications.
func onKernel(t *testing.T, room int, o Options, test func(h *host, k *kernel)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		defer close(done)
		h := &host{t: t, disk: newFakeDisk()}
		k := newKernel(h.disk, room, done)
		o.newSource = func() (watch.Source, error) { return k, nil }
		h.start(o, func(d *fakeDisk) fsys.Disk { return d })
		defer h.m.Close()
		h.m.SetReloadCallback(h.reload, nil)
		h.enable("a", pluginPath)
		h.expect(time.Second)
		k.batches.Store(0)
		test(h, k)
	})
}

func TestManyNotificationsAreTakenTogether(t *testing.T) {
	onKernel(t, 16384, Options{}, func(h *host, k *kernel) {
		for range 1000 {
			k.send(100)
			time.Sleep(ms)
		}
		h.expect(time.Second)
		if n := k.batches.Load(); n > 400 {
			t.Errorf("100,000 notifications in a second woke the reader %d times", n)
		}
		if n := h.stats().Notifications; n != 100_000 {
			t.Errorf("%d notifications were taken, want 100,000", n)
		}
	})
}

func TestFirstNotificationsAreTakenAtOnce(t *testing.T) {
	onKernel(t, 16384, Options{}, func(h *host, k *kernel) {
		for range 100 {
			before := h.stats().Notifications
			for range 3 { // what a change makes
				k.send(1)
				synctest.Wait()
			}
			if n := h.stats().Notifications - before; n != 3 {
				t.Fatalf("%d of 3 notifications were taken at once", n)
			}
			time.Sleep(50 * ms)
		}
	})
}

func TestWithoutAQuietPeriodNotificationsAreTakenAtOnce(t *testing.T) {
	onKernel(t, 16384, Options{}, func(h *host, k *kernel) {
		if err := h.m.Enable("now", logPath, EnableOptions{Quiet: NoQuiet, AllowMissing: true}); err != nil {
			t.Fatal(err)
		}
		before := h.stats().Notifications
		for i := range 1000 {
			k.send(1)
			synctest.Wait()
			if n := h.stats().Notifications - before; n != uint64(i+1) {
				t.Fatalf("%d of %d notifications were taken at once", n, i+1)
			}
		}
	})
}

// The kernel drops what its queue has no room for. A million notifications a second are
// several times as many as programs cause.
func TestLeavingNotificationsInTheKernelDropsNone(t *testing.T) {
	for _, room := range []int{16, 1024, 8191, 8192, 16384, 1 << 20} {
		t.Run(fmt.Sprint("room for ", room), func(t *testing.T) {
			onKernel(t, room, Options{}, func(h *host, k *kernel) {
				for i := range 200 {
					k.send(min(1, i/100) * min(room/8, 1000)) // little, then much
					k.send(min(room, 10))
					time.Sleep(ms)
				}
				if n := k.dropped.Load(); n > 0 {
					t.Errorf("%d notifications were dropped", n)
				}
			})
		})
	}
}

// A pause while more waits than the source's buffer holds would let only a buffer through.
func TestNoPauseWhileNotificationsPileUp(t *testing.T) {
	const buffer = 32
	k := &kernel{room: 16384, queue: make(chan fsnotify.Event, 16384)}
	now := time.Unix(1_000_000_000, 0)
	d := moderation{kernel: k, latest: now}
	for _, c := range []struct {
		taken, waiting int
		pauses         bool
	}{{1, 0, true}, {buffer, 0, true}, {buffer, buffer, true}, {1, buffer + 1, false}, {0, 0, false}} {
		for len(k.queue) > 0 {
			<-k.queue
		}
		k.send(c.waiting)
		if got := d.pauses(c.taken, buffer, now); got != c.pauses {
			t.Errorf("after %d notifications, with %d in the kernel: a pause is %v, want %v", c.taken, c.waiting, got, c.pauses)
		}
	}
}

// Of several changes that have waited, the files are checked together. One that has changed
// again settles anew.
func TestChangesThatHaveWaitedAreCheckedBeforeTheirDelivery(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		const plugins = 9
		path := func(i int) string { return fmt.Sprint("/plugins/p", i, ".so") }
		for i := range plugins {
			h.disk.replace(path(i), "v0")
			h.expect(time.Second)
			h.enable(fmt.Sprint("p", i), path(i))
		}
		h.m.SetGlobalEnabled(false)
		for i := range plugins {
			h.disk.replace(path(i), "v1")
		}
		h.expect(time.Minute)
		h.below(func() { // unheard
			for i := 1; i < plugins; i += 3 {
				h.disk.replace(path(i), "v2")
			}
		})
		h.m.mu.Lock()
		h.m.gate.Pause(false) // without the comparison that resuming makes
		h.m.mu.Unlock()
		h.deliveries(time.Second, plugins)
		for _, p := range h.m.plugins.inOrder() {
			if p.id != "a" && p.generation != 1 {
				t.Errorf("%d versions of %s were delivered, want 1", p.generation, p.id)
			}
		}
	})
}

// What was notified before a check began is known to it.
func TestNotificationsComeBeforeTheChecks(t *testing.T) {
	onKernel(t, 16384, Options{}, func(h *host, k *kernel) {
		h.disk.mu.Lock()
		h.disk.mute = true // the kernel sends them
		h.disk.mu.Unlock()
		h.disk.write(pluginPath, "v1")
		k.queue <- fsnotify.Event{Name: pluginPath, Op: fsnotify.Write}
		for range 99 {
			k.send(10)
			time.Sleep(ms)
		}
		// The quiet period ends in a moment, in which notifications are left in the kernel.
		k.queue <- fsnotify.Event{Name: pluginPath, Op: fsnotify.Write}
		h.expect(99 * ms)
		h.expect(20*ms, "a=v1")
	})
}

// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

const ms = time.Millisecond

func TestReplacementIsDeliveredOnceAfterTheQuietPeriod(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		for i := range 20 {
			v := fmt.Sprint("v", i+1)
			h.disk.replace(pluginPath, v)
			h.expect(99 * ms)
			h.expect(2*ms, "a="+v)
			h.expect(time.Minute)
		}
	})
}

func TestBurstIsDeliveredOnceWithTheLastVersion(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		for i := range 15 {
			h.disk.write(pluginPath, fmt.Sprint("part", i))
			time.Sleep(50 * ms)
		}
		h.expect(time.Minute, "a=part14")
	})
}

func TestNoQuietDeliversAtOnce(t *testing.T) {
	inBubble(t, Options{Quiet: NoQuiet}, func(h *host) {
		h.disk.replace(pluginPath, "v1")
		h.expect(0, "a=v1")
	})
}

func TestQuietPerPlugin(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		if err := h.m.Enable("slow", pluginPath, EnableOptions{Quiet: time.Second}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		h.disk.replace(pluginPath, "v1")
		h.expect(500*ms, "a=v1")
		h.expect(600*ms, "slow=v1")
	})
}

func TestSlowWriterIsWaitedForHoweverLong(t *testing.T) {
	for _, quiet := range []time.Duration{0, NoQuiet} {
		inBubble(t, Options{Quiet: quiet}, func(h *host) {
			closeIt := h.disk.open(pluginPath)
			for i := range 5 {
				h.disk.write(pluginPath, fmt.Sprint("half", i))
				h.expect(time.Minute)
			}
			if s := h.stats(); s.BeingWritten != 1 || s.Settling != 1 {
				t.Fatalf("being written %d, settling %d; want 1 and 1", s.BeingWritten, s.Settling)
			}
			h.disk.write(pluginPath, "whole")
			closeIt()
			h.expect(time.Minute, "a=whole")
			if s := h.stats(); s.BeingWritten != 0 || s.Settling != 0 {
				t.Fatalf("afterwards: being written %d, settling %d", s.BeingWritten, s.Settling)
			}
		})
	}
}

func TestLinkerThenStripIsDeliveredOnce(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		closeIt := h.disk.open(pluginPath)
		h.disk.write(pluginPath, "linking")
		time.Sleep(10 * time.Second)
		h.disk.write(pluginPath, "linked")
		closeIt()
		time.Sleep(60 * ms) // strip starts
		closeIt = h.disk.open(pluginPath)
		h.disk.write(pluginPath, "strip")
		time.Sleep(300 * ms)
		h.disk.write(pluginPath, "stripped")
		closeIt()
		h.expect(time.Minute, "a=stripped")
	})
}

// A deployment runs as root and the host as another user: nobody says whether the file
// is open for writing, but the system notifies of writes and closes.
func TestWhereWritersAreUnknownAFileIsCompleteOnceItIsClosed(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.noProbe, h.disk.closes = true, true
		for i := range 3 {
			closeIt := h.disk.open(pluginPath)
			for j := range 4 {
				h.disk.write(pluginPath, fmt.Sprint("half", j))
				h.expect(400 * ms)
			}
			h.disk.write(pluginPath, "half of it")
			h.expect(time.Hour)
			if s := h.stats(); s.BeingWritten != 1 {
				t.Fatalf("being written %d, want 1", s.BeingWritten)
			}
			whole := fmt.Sprint("whole", i)
			h.disk.write(pluginPath, whole)
			closeIt()
			h.expect(time.Minute, "a="+whole)
			h.disk.replace(pluginPath, whole+"!") // renamed over: nobody closes anything
			h.expect(time.Minute, "a="+whole+"!")
		}
	})
}

// A download creates its file at once and writes it when the server answers.
func TestWhereWritersAreUnknownAFileThatWasJustCreatedIsNotComplete(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.noProbe, h.disk.closes = true, true
		h.disk.replace(pluginPath, "")
		closeIt := h.disk.open(pluginPath)
		h.expect(time.Second)
		h.disk.write(pluginPath, "half")
		h.expect(time.Minute)
		h.disk.write(pluginPath, "whole")
		closeIt()
		h.expect(time.Minute, "a=whole")
		h.disk.replace(pluginPath, "") // empty, and it stays so
		h.expect(DefaultMaxDelay - 100*ms)
		h.expect(time.Minute, "a=")
	})
}

// The maximum delay must not deliver what still changes.
func TestWhereWritersAndClosesAreUnknownTheQuietPeriodDecides(t *testing.T) {
	inBubble(t, Options{ForcePolling: true, PollInterval: 10 * ms, Quiet: time.Second, MaxDelay: 2 * time.Second}, func(h *host) {
		h.disk.noProbe = true
		closeIt := h.disk.open(pluginPath)
		for i := range 100 {
			h.disk.write(pluginPath, fmt.Sprint("half", i))
			h.expect(50 * ms)
		}
		h.disk.write(pluginPath, "whole")
		closeIt()
		h.expect(time.Minute, "a=whole")
	})
}

func TestRewrittenWithoutPauseIsDeliveredAtMaxDelay(t *testing.T) {
	inBubble(t, Options{MaxDelay: time.Second}, func(h *host) {
		start := time.Now()
		for time.Since(start) < 10*time.Second {
			closeIt := h.disk.open(pluginPath)
			h.disk.write(pluginPath, "torn")
			time.Sleep(20*ms + 1) // never at the very instant of a look
			h.disk.write(pluginPath, "whole")
			closeIt()
			time.Sleep(20*ms + 1)
		}
		time.Sleep(time.Minute)
		h.mu.Lock()
		defer h.mu.Unlock()
		if n := len(h.told); n < 5 || n > 11 {
			t.Fatalf("told %d times in 10 s of rewriting with a maximum delay of 1 s", n)
		}
		for _, v := range h.told {
			if v != "a=whole" {
				t.Fatalf("told %q", h.told)
			}
		}
	})
}

func TestDeleteAndRecreateIsOneChange(t *testing.T) {
	for _, quiet := range []time.Duration{0, NoQuiet} {
		inBubble(t, Options{Quiet: quiet}, func(h *host) {
			for i := range 5 {
				h.disk.remove(pluginPath)
				time.Sleep(50 * ms)
				v := fmt.Sprint("new", i)
				h.disk.replace(pluginPath, v)
				h.expect(time.Minute, "a="+v)
			}
		})
	}
}

func TestRemovalIsDeliveredOnceAndTheReturnToo(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.remove(pluginPath)
		h.expect(time.Minute, "-a")
		h.disk.replace(pluginPath, "v0")
		h.expect(time.Minute, "a=v0")
	})
}

func TestChmodReadersAndSiblingsDeliverNothing(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.chmod(pluginPath)
		h.disk.replace("/plugins/sibling.so", "x")
		h.disk.remove("/plugins/sibling.so")
		h.expect(time.Minute)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Second, "a=v1")
	})
}

func TestIgnoreUnchangedContent(t *testing.T) {
	inBubble(t, Options{IgnoreUnchangedContent: true}, func(h *host) {
		h.disk.write(pluginPath, "v0") // touch
		h.expect(time.Minute)
		h.disk.replace(pluginPath, "v0") // identical file
		h.expect(time.Minute)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute, "a=v1")
		h.disk.replace(pluginPath, "v0")
		h.expect(time.Minute, "a=v0")
	})
}

func TestTouchIsDelivered(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.write(pluginPath, "v0")
		h.expect(time.Minute, "a=v0")
	})
}

func TestIncompleteImageIsRejectedOnceAndWaitedFor(t *testing.T) {
	inBubble(t, Options{CheckImage: true}, func(h *host) {
		h.disk.setImage(pluginPath, errBadImage)
		h.disk.write(pluginPath, "cut off")
		h.expect(time.Minute)
		h.disk.chmod(pluginPath)
		h.expect(time.Minute)
		if s := h.stats(); s.IncompleteImages != 1 {
			t.Fatalf("incomplete images %d, want 1", s.IncompleteImages)
		}
		h.disk.setImage(pluginPath, nil)
		h.disk.write(pluginPath, "whole image")
		h.expect(time.Minute, "a=whole image")
		if s := h.stats(); s.IncompleteImages != 0 {
			t.Fatalf("afterwards: incomplete images %d", s.IncompleteImages)
		}
		if got := h.healthCodes(); !slices.Equal(got, []HealthCode{HealthImageIncomplete}) {
			t.Fatalf("health events %v, want one HealthImageIncomplete", got)
		}
	})
}

// cp -p and reproducible builds write versions that differ in nothing but their
// content and the inode's own clock.
func TestRejectedVersionRewrittenWithItsSizeAndTimeIsExaminedAgain(t *testing.T) {
	for name, o := range map[string]Options{
		"notified":      {CheckImage: true},
		"without quiet": {CheckImage: true, Quiet: NoQuiet},
		"polled":        {CheckImage: true, ForcePolling: true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, o, func(h *host) {
				h.disk.setImage(pluginPath, errBadImage)
				h.disk.write(pluginPath, "incomplete")
				h.expect(time.Minute)
				h.disk.restore(pluginPath, "incomplet2")
				h.expect(time.Minute)
				h.disk.setImage(pluginPath, nil)
				h.disk.restore(pluginPath, "complete !")
				h.expect(time.Minute, "a=complete !")
				if s := h.stats(); s.IncompleteImages != 0 {
					t.Fatalf("incomplete images %d, want 0", s.IncompleteImages)
				}
			})
		})
	}
	t.Run("where the system does not tell when the inode changed", func(t *testing.T) {
		on := func(d *fakeDisk) fsys.Disk { return clocklessDisk{d} }
		inBubbleOn(t, Options{CheckImage: true}, on, func(h *host) {
			h.disk.setImage(pluginPath, errBadImage)
			h.disk.write(pluginPath, "incomplete")
			h.expect(time.Minute)
			h.disk.setImage(pluginPath, nil)
			h.disk.restore(pluginPath, "complete !")
			h.expect(time.Minute, "a=complete !")
		})
	})
}

// clocklessDisk does not tell when an inode changed, as Windows.
type clocklessDisk struct{ *fakeDisk }

func (d clocklessDisk) Stat(path string) (fsys.Info, error) {
	in, err := d.fakeDisk.Stat(path)
	in.Changed = 0
	return in, err
}

func (d clocklessDisk) Lstat(path string) (fsys.Info, error) {
	in, err := d.fakeDisk.Lstat(path)
	in.Changed = 0
	return in, err
}

func TestTwoIDsOnOneFileBothHear(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.enable("b", pluginPath)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Second, "a=v1", "b=v1")
		if _, err := h.m.Disable("a"); err != nil {
			t.Fatal(err)
		}
		h.disk.replace(pluginPath, "v2")
		h.expect(time.Second, "b=v2")
	})
}

func TestPauseHoldsBackAndResumeDeliversOnce(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.enable("b", pluginPath)
		if err := h.m.SetGlobalEnabled(false); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			h.disk.replace(pluginPath, fmt.Sprint("v", i))
			h.expect(time.Minute)
		}
		h.m.SetGlobalEnabled(true)
		h.expect(time.Second, "a=v4", "b=v4")
		h.m.SetGlobalEnabled(false)
		h.m.SetGlobalEnabled(true)
		h.expect(time.Second)
	})
}

func TestResumeInTheMiddleOfAChangeWaitsForIt(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.m.SetGlobalEnabled(false)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute)
		closeIt := h.disk.open(pluginPath)
		h.disk.write(pluginPath, "half")
		h.m.SetGlobalEnabled(true)
		h.expect(time.Minute)
		h.disk.write(pluginPath, "whole")
		closeIt()
		h.expect(time.Minute, "a=whole")
	})
}

// The notification of the new writing is lost or late: the look just before the
// callback catches it.
func TestChangeThatWaitedIsCheckedOnceMore(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.m.SetGlobalEnabled(false)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute)
		closeIt := h.disk.open(pluginPath)
		h.disk.mute = true
		h.disk.write(pluginPath, "half")
		h.m.SetGlobalEnabled(true)
		h.expect(time.Minute)
		h.disk.write(pluginPath, "whole")
		closeIt()
		h.expect(time.Minute, "a=whole")
	})
}

func TestChangesDuringALongCallbackAreDeliveredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Options{})
		defer h.m.Close()
		h.m.SetReloadCallback(func(id string) {
			h.reload(id)
			time.Sleep(10 * time.Second)
		}, nil)
		h.enable("a", pluginPath)
		h.disk.replace(pluginPath, "v1")
		time.Sleep(time.Second)
		for i := range 10 {
			h.disk.replace(pluginPath, fmt.Sprint("w", i))
			time.Sleep(300 * ms)
		}
		h.expect(time.Minute, "a=v1", "a=w9")
	})
}

func TestOverflowComparesEverything(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.overflow(func() { h.disk.replace(pluginPath, "v1") })
		h.expect(time.Minute, "a=v1")
		if s := h.stats(); s.Overflows != 1 {
			t.Fatalf("overflows %d, want 1", s.Overflows)
		}
		if got := h.healthCodes(); !slices.Equal(got, []HealthCode{HealthOverflow}) {
			t.Fatalf("health events %v", got)
		}
		h.disk.overflow(func() {})
		h.expect(time.Minute)
	})
}

func TestPollingDeliversToo(t *testing.T) {
	inBubble(t, Options{ForcePolling: true}, func(h *host) {
		h.disk.mute = true
		for i := range 3 {
			v := fmt.Sprint("v", i+1)
			h.disk.replace(pluginPath, v)
			h.expect(3*time.Second, "a="+v)
		}
		h.disk.remove(pluginPath)
		h.expect(3*time.Second, "-a")
		if s := h.stats(); s.PolledDirectories != 2 || s.WatchedDirectories != 0 {
			t.Fatalf("polled %d, watched %d; want / and /plugins polled", s.PolledDirectories, s.WatchedDirectories)
		}
	})
}

func TestDirectoriesWithoutRoomArePolledAndWatchedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Options{})
		defer h.m.Close()
		h.disk.addErr = fmt.Errorf("no space left on device")
		h.m.SetReloadCallback(h.reload, nil)
		h.m.SetEventCallback(h.event, nil)
		h.enable("a", pluginPath)
		h.disk.replace(pluginPath, "v1")
		h.expect(3*time.Second, "a=v1")
		h.disk.mu.Lock()
		h.disk.addErr = nil
		h.disk.mu.Unlock()
		h.expect(3 * time.Second)
		if s := h.stats(); s.PolledDirectories != 0 || s.WatchedDirectories != 2 {
			t.Fatalf("polled %d, watched %d; want all watched again", s.PolledDirectories, s.WatchedDirectories)
		}
		h.disk.replace(pluginPath, "v2")
		h.expect(150*ms, "a=v2")
		want := []HealthCode{HealthPolling, HealthPolling, HealthWatching, HealthWatching}
		if got := h.healthCodes(); !slices.Equal(got, want) {
			t.Fatalf("health events %v, want %v", got, want)
		}
	})
}

func TestNetworkFileSystemIsPolled(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.mkdir("/net")
		h.disk.replace("/net/n.so", "n0")
		h.enable("n", "/net/n.so")
		if s := h.stats(); s.PolledDirectories != 1 || s.WatchedDirectories != 2 {
			t.Fatalf("polled %d, watched %d; want only /net polled", s.PolledDirectories, s.WatchedDirectories)
		}
		h.expect(time.Minute)
		h.disk.replace("/net/n.so", "n1") // with other times
		h.expect(3*time.Second, "n=v0")   // reload reads plugin's content
	})
}

// stat on a network file system answers from a cache; opening the file does not.
func TestNetworkFileSystemIsNotTakenFromTheCache(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.mkdir("/net")
		h.disk.replace("/net/n.so", "n0")
		h.enable("n", "/net/n.so")
		h.expect(time.Minute)
		h.disk.mu.Lock()
		n := h.disk.nodes["/net/n.so"]
		old := n.info
		n.cached = &old
		h.disk.mu.Unlock()
		h.disk.noProbe = true
		// The server's clock is behind: every version looks old at once.
		for i := range 4 {
			h.disk.write("/net/n.so", fmt.Sprint("half ", i))
			h.disk.mu.Lock()
			n.info.Changed -= int64(time.Hour)
			h.disk.mu.Unlock()
			h.expect(80 * ms)
		}
		h.disk.write("/net/n.so", "whole")
		h.expect(3*time.Second, "n=v0")
		h.expect(time.Minute)
	})
}

func TestUnreadableFileIsWaitedFor(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.setMode(pluginPath, true)
		h.disk.write(pluginPath, "v1")
		h.expect(time.Minute)
		if s := h.stats(); s.Unreadable != 1 {
			t.Fatalf("unreadable %d, want 1", s.Unreadable)
		}
		h.disk.chmod(pluginPath)
		h.expect(150*ms, "a=v1") // heard of, not polled
		if s := h.stats(); s.Unreadable != 0 {
			t.Fatalf("afterwards: unreadable %d", s.Unreadable)
		}
		if got := h.healthCodes(); !slices.Equal(got, []HealthCode{HealthUnreadable, HealthReadable}) {
			t.Fatalf("health events %v, want unreadable and readable once each", got)
		}
	})
}

// A directory that may not be searched for a while says nothing about the file.
func TestUnsearchableDirectoryIsNoRemoval(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.mkdir("/plugins/sub")
		h.disk.replace("/plugins/sub/b.so", "b0")
		h.enable("b", "/plugins/sub/b.so")
		h.expect(time.Second)
		h.disk.setMode("/plugins/sub", true)
		h.disk.write("/plugins/sub/b.so", "b1")
		h.expect(time.Minute)
		h.disk.setMode("/plugins/sub", false)
		h.expect(3*time.Second, "b=v0")
		h.expect(time.Minute)
	})
}

func TestDisablingAnUnreadablePluginEndsItsHealthProblem(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.setMode(pluginPath, true)
		h.disk.write(pluginPath, "v1")
		h.expect(time.Second)
		h.m.Disable("a")
		h.expect(time.Minute)
		if s := h.stats(); s.Unreadable != 0 || s.Settling != 0 {
			t.Fatalf("unreadable %d, settling %d; want none", s.Unreadable, s.Settling)
		}
	})
}

func TestEnabledInTheMiddleOfWritingIsDeliveredWhenComplete(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.replace("/plugins/b.so", "half")
		closeIt := h.disk.open("/plugins/b.so")
		h.enable("b", "/plugins/b.so")
		h.expect(time.Minute)
		closeIt() // nothing written since: only the probe knows
		h.expect(time.Second, "b=v0")
		h.expect(time.Minute)
	})
}

func TestMissingFileMayBeWaitedFor(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		if err := h.m.Enable("b", "/plugins/sub/dir/b.so", EnableOptions{AllowMissing: true}); err != nil {
			t.Fatal(err)
		}
		h.expect(time.Minute)
		h.disk.mkdir("/plugins/sub")
		h.expect(time.Minute)
		h.disk.mkdir("/plugins/sub/dir")
		h.expect(time.Minute)
		h.disk.replace("/plugins/sub/dir/b.so", "b0")
		h.expect(time.Minute, "b=v0")
		h.disk.replace("/plugins/sub/dir/b.so", "b1")
		h.expect(time.Minute, "b=v0")
	})
}

func TestIdleArmsNoTimer(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Second, "a=v1")
		before := h.stats()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if after := h.stats(); after != before {
			t.Fatalf("a day of idleness changed the stats from %+v to %+v", before, after)
		}
	})
}

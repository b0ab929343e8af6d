// SPDX-License-Identifier: MIT

package engine

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// slowSource does not return from Add of a path before it is let go, as if a link on the
// path had come to lead to a file system that hangs. Like fsnotify it does not return from
// anything else either meanwhile.
type slowSource struct {
	*fakeDisk
	path  string
	letGo chan struct{}

	lock   sync.Mutex
	closed *int
}

func (s *slowSource) Add(path string, files bool) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	if path == s.path {
		<-s.letGo
	}
	return s.fakeDisk.Add(path, files)
}

func (s *slowSource) Remove(path string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.fakeDisk.Remove(path)
}

func (s *slowSource) Close() {
	s.lock.Lock()
	defer s.lock.Unlock()
	*s.closed++
}

const slowDir = "/slow"

// onSlowSource runs a test in which the first source does not return from watching slowDir.
func onSlowSource(t *testing.T, test func(h *host, letGo chan struct{}, sources, closed *int)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		letGo, sources, closed := make(chan struct{}), 0, 0
		var h *host
		o := Options{mountOf: func(path string) string {
			if isBelow(path, slowDir) {
				return slowDir
			}
			return "/"
		}}
		o.newSource = func() (watch.Source, error) {
			sources++
			path := ""
			if sources == 1 {
				path = slowDir
			}
			return &slowSource{fakeDisk: h.disk, path: path, letGo: letGo, closed: &closed}, nil
		}
		h = &host{t: t, disk: newFakeDisk()}
		h.start(o, func(d *fakeDisk) fsys.Disk { return d })
		h.m.SetReloadCallback(h.reload, nil)
		h.m.SetEventCallback(h.event, nil)
		time.Sleep(ms + 1) // or the times would be those of a file system with coarse ones
		h.disk.mkdir(slowDir)
		h.disk.replace(slowDir+"/b.so", "v0")
		h.enable("a", pluginPath)
		test(h, letGo, &sources, &closed)
		h.m.Close()
		synctest.Wait()
		if closed != sources {
			t.Errorf("%d of %d sources were closed", closed, sources)
		}
	})
}

func TestWatchThatIsLongInComingHoldsUpNothing(t *testing.T) {
	onSlowSource(t, func(h *host, letGo chan struct{}, sources, _ *int) {
		enabled := make(chan error, 1)
		go func() { enabled <- h.m.Enable("b", slowDir+"/b.so", EnableOptions{}) }()
		synctest.Wait()
		takesAtMost(t, 0, "Stats, pausing and Disable", func() {
			h.stats()
			h.m.SetGlobalEnabled(false)
			h.m.SetGlobalEnabled(true)
			h.m.Disable("nothing")
		})
		h.disk.replace(pluginPath, "v1")
		h.expect(200*ms, "a=v1")
		h.expect(3 * time.Second)
		if *sources != 2 {
			t.Fatalf("%d sources, want another one in the place of the first", *sources)
		}
		if !slices.Contains(h.healthCodes(), HealthOverflow) {
			t.Errorf("health %v", h.healthCodes())
		}
		h.disk.replace(pluginPath, "v2")
		h.expect(200*ms, "a=v2")
		close(letGo)
		h.expect(time.Minute)
		if err := <-enabled; err != nil {
			t.Fatal(err)
		}
		h.disk.replace(slowDir+"/b.so", "v1")
		h.deliveries(time.Second, 3)
	})
}

func TestWatchThatIsLongInComingHoldsUpNoClose(t *testing.T) {
	for _, after := range []time.Duration{100 * ms, 5 * time.Second} {
		onSlowSource(t, func(h *host, letGo chan struct{}, _, _ *int) {
			go h.m.Enable("b", slowDir+"/b.so", EnableOptions{})
			h.expect(after)
			takesAtMost(t, 2*time.Second, "Close", h.m.Close)
			close(letGo)
		})
	}
}

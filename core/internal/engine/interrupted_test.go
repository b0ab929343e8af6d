// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// These tests let something happen at each access to the disk in turn: the core
// holds no lock then, and whatever it has decided before may not be so any more.

type script struct {
	mu      sync.Mutex
	left    int // accesses until it happens
	happens func()
	done    bool
}

// arm has it happen at the n-th access from now.
func (s *script) arm(n int, happens func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.happens = n, happens
}

// access runs an access with what happens before or after it.
func (s *script) access(do func()) {
	s.step()
	do()
	s.step()
}

func (s *script) step() {
	s.mu.Lock()
	s.left--
	happens := s.happens
	if s.left != 0 {
		happens = nil
	}
	s.mu.Unlock()
	if happens == nil {
		return
	}
	go func() {
		happens()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.done = true
	}()
	time.Sleep(1) // until nobody can go on but with this
}

// interruption is what happens, and what must hold then.
type interruption struct {
	name    string
	happens func(h *interruptedHost)
	// ends: nothing may be delivered after it has returned.
	ends bool
	// versions are those that it makes itself, without half-written ones.
	versions int
}

var interruptions = []interruption{
	{name: "chmod", happens: func(h *interruptedHost) { h.disk.chmod(pluginPath) }},
	{name: "touched elsewhere", happens: func(h *interruptedHost) { h.disk.replace("/plugins/other", "x") }},
	{name: "replaced", versions: 1, happens: func(h *interruptedHost) { h.disk.replace(pluginPath, "interrupting") }},
	{name: "rewritten", versions: 1, happens: func(h *interruptedHost) {
		closeIt := h.disk.open(pluginPath)
		h.mu.Lock()
		h.writing = time.Now()
		h.mu.Unlock()
		h.disk.write(pluginPath, "torn")
		time.Sleep(300 * ms)
		h.disk.write(pluginPath, "interrupting")
		closeIt()
	}},
	{name: "re-created directory", versions: 1, happens: func(h *interruptedHost) {
		h.disk.recreate("/plugins", pluginPath, "interrupting")
	}},
	{name: "overflow", versions: 1, happens: func(h *interruptedHost) {
		h.disk.overflow(func() { h.disk.replace(pluginPath, "interrupting") })
	}},
	{name: "mount", happens: func(h *interruptedHost) { h.disk.mounted() }},
	{name: "pause and resume", happens: func(h *interruptedHost) {
		h.m.SetGlobalEnabled(false)
		time.Sleep(time.Second)
		h.m.SetGlobalEnabled(true)
	}},
	{name: "disable", ends: true, happens: func(h *interruptedHost) { h.m.Disable("a") }},
	{name: "clear", ends: true, happens: func(h *interruptedHost) { h.m.Clear() }},
	{name: "close", ends: true, happens: func(h *interruptedHost) { h.m.Close() }},
}

type interruptedHost struct {
	*host
	ended atomic.Bool

	mu      sync.Mutex
	loaded  []string
	late    string    // what was loaded after the end
	torn    bool      // what was loaded was half-written
	writing time.Time // since when somebody writes
	at      time.Time // when the version that is delivered was complete
}

func (h *interruptedHost) changed(ev Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = ev.Time
}

func (h *interruptedHost) load(string) {
	c := h.content(pluginPath)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended.Load() {
		h.late = c
	}
	if c == "torn" && h.at.After(h.writing) { // else it was complete: the writer came between check and callback
		h.torn = true
	}
	h.loaded = append(h.loaded, c)
}

// mostAccesses is more than a story takes, without those that are polled for ever.
const mostAccesses = 80

func TestWhateverHappensAtAnyAccessToTheDisk(t *testing.T) {
	for name, o := range map[string]Options{
		"on a thread":               {},
		"on a thread, at once":      {Quiet: NoQuiet},
		"in dispatch":               {Dispatch: DispatchManual},
		"in dispatch, at once":      {Dispatch: DispatchManual, Quiet: NoQuiet},
		"unchanged contents":        {IgnoreUnchangedContent: true, CheckImage: true, Quiet: NoQuiet},
		"polled, in dispatch":       {Dispatch: DispatchManual, ForcePolling: true, PollInterval: 70 * ms},
		"contents, in dispatch":     {Dispatch: DispatchManual, IgnoreUnchangedContent: true, CheckImage: true},
		"polled, on a thread, hash": {ForcePolling: true, PollInterval: 70 * ms, IgnoreUnchangedContent: true},
	} {
		for _, i := range interruptions {
			t.Run(name+": "+i.name, func(t *testing.T) {
				t.Parallel()
				for n := 1; n <= mostAccesses && interrupt(t, o, i, n); n++ {
				}
			})
		}
	}
}

// interrupt runs one story in which something happens at the n-th access. It
// reports whether there were so many.
func interrupt(t *testing.T, o Options, i interruption, n int) (reached bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		h := &interruptedHost{host: newHostOn(t, o, func(d *fakeDisk) fsys.Disk {
			return hookedDisk{d, func(_, _ string, access func()) { s.access(access) }}
		})}
		defer h.m.Close()
		h.m.SetReloadCallback(h.load, nil)
		h.m.SetEventCallback(h.changed, nil)
		h.enable("a", pluginPath)
		s.mu.Lock()
		s.left, s.happens = n, func() {
			i.happens(h)
			h.ended.Store(i.ends)
		}
		s.mu.Unlock()
		const own = 2
		for v := range own {
			h.disk.replace(pluginPath, fmt.Sprint("v", v+1))
			h.rest(o)
		}
		h.disk.mu.Lock()
		missing := h.disk.nodes[pluginPath] == nil
		h.disk.mu.Unlock()
		s.mu.Lock()
		reached = s.left <= 0
		if reached && !s.done {
			t.Errorf("at access %d: it does not end", n)
		}
		s.mu.Unlock()
		h.mu.Lock()
		defer h.mu.Unlock()
		last := ""
		if len(h.loaded) > 0 {
			last = h.loaded[len(h.loaded)-1]
		}
		switch now := h.content(pluginPath); {
		case missing:
			t.Errorf("at access %d: the test has lost its file", n)
		case h.late != "":
			t.Errorf("at access %d: delivered after it ended: %q", n, h.late)
		case h.torn:
			t.Errorf("at access %d: a half-written file was delivered: %q", n, h.loaded)
		case !(i.ends && reached) && last != now:
			t.Errorf("at access %d: lost: the host loaded %q, there is %q", n, h.loaded, now)
		case len(h.loaded) > own+i.versions+strings.Count(strings.Join(h.loaded, " "), "torn"):
			t.Errorf("at access %d: delivered %q; only %d versions were made", n, h.loaded, own+i.versions)
		}
	})
	return reached && !t.Failed()
}

// rest lets everything come to rest.
func (h *interruptedHost) rest(o Options) {
	for range 5 {
		time.Sleep(3*time.Second | 1)
		if o.Dispatch == DispatchManual {
			h.m.Dispatch(0, 0)
		}
		synctest.Wait()
	}
}

// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// These tests let the file system at /hung cease to answer at each access to it in
// turn. Everything else must go on, and nothing may be lost.

// hungMount is the fake disk's file system at /hung, and whether it answers.
type hungMount struct {
	mu       sync.Mutex
	left     int // accesses until it hangs
	hangs    bool
	waiting  int           // accesses
	answered chan struct{} // closed when it answers again
	at       string        // the access at which it began to hang
}

const (
	hungDir  = "/hung/dir"
	hungPath = "/hung/dir/b.so"
)

func (m *hungMount) around(op, path string, access func()) {
	if isBelow(path, "/hung") {
		m.mu.Lock()
		if m.left--; m.left == 0 {
			m.hangs, m.at = true, op+" "+path
		}
		hangs := m.hangs
		if hangs {
			m.waiting++
		}
		m.mu.Unlock()
		if hangs {
			<-m.answered
		}
	}
	access()
}

func (m *hungMount) isHanging() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hangs
}

// hung is how many accesses do not return.
func (m *hungMount) hung() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waiting
}

// arm has it hang at the n-th access from now.
func (m *hungMount) arm(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left = n
}

// answer has it answer from now on.
func (m *hungMount) answer() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left = 0
	if m.hangs {
		m.hangs = false
		close(m.answered)
	}
}

func isBelow(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

func fakeMountOf(path string) string {
	if isBelow(path, "/hung") {
		return "/hung"
	}
	return "/"
}

// hungHost is a host with the plugin a on a file system that answers, and b at /hung.
type hungHost struct {
	*host
	o     Options
	mount *hungMount

	enabled bool // Enable of b has returned
	loaded  map[string][]string
}

func newHungHost(t *testing.T, o Options) *hungHost {
	mount := &hungMount{answered: make(chan struct{})}
	o.mountOf = fakeMountOf
	h := &hungHost{o: o, mount: mount, loaded: map[string][]string{}}
	h.host = newHostOn(t, o, func(d *fakeDisk) fsys.Disk { return hookedDisk{d, mount.around} })
	h.disk.mkdir("/hung")
	h.disk.mkdir(hungDir)
	h.disk.replace(hungPath, "v0")
	time.Sleep(time.Hour)
	h.m.SetReloadCallback(h.load, nil)
	h.m.SetEventCallback(h.event, nil)
	h.host.enable("a", pluginPath)
	return h
}

func (h *hungHost) load(id string) {
	c := h.content(map[string]string{"a": pluginPath, "b": hungPath}[id])
	h.mu.Lock()
	defer h.mu.Unlock()
	h.loaded[id] = append(h.loaded[id], c)
}

func (h *hungHost) took(id string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := strings.Join(h.loaded[id], " ")
	delete(h.loaded, id)
	return s
}

// enableHung enables b, which may not return before the file system answers.
func (h *hungHost) enableHung() {
	go func() {
		err := h.m.Enable("b", hungPath, EnableOptions{})
		h.mu.Lock()
		defer h.mu.Unlock()
		h.enabled = err == nil
	}()
	synctest.Wait()
}

func (h *hungHost) isEnabled() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.enabled
}

// pass lets time pass, and dispatches.
func (h *hungHost) pass(d time.Duration) {
	h.t.Helper()
	pass(h.t, d, h.o, h.m)
}

func pass(t *testing.T, d time.Duration, o Options, m *Engine) {
	t.Helper()
	if o.Dispatch != DispatchManual {
		time.Sleep(d | 1)
		synctest.Wait()
		return
	}
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(100*ms | 1)
		takesAtMost(t, 2*hangsAfter, "Dispatch", func() { m.Dispatch(0, 0) })
	}
	synctest.Wait()
}

// takesAtMost checks how long something takes.
func takesAtMost(t *testing.T, d time.Duration, what string, do func()) {
	t.Helper()
	begun := time.Now()
	do()
	if took := time.Since(begun); took > d {
		t.Errorf("%s took %v, at most %v is allowed", what, took, d)
	}
}

// hungStory is what is under way when the file system ceases to answer.
type hungStory struct {
	name string
	o    Options
	// enabling: b is not enabled before.
	enabling bool
	happens  func(h *hungHost)
	want     string // what is loaded of b once the file system answers again
}

func replaceHung(h *hungHost) { h.disk.replace(hungPath, "v1") }

var hungStories = []hungStory{
	{name: "enabling", enabling: true, happens: func(h *hungHost) { h.enableHung() }},
	{name: "enabling, in dispatch", o: Options{Dispatch: DispatchManual}, enabling: true, happens: func(h *hungHost) { h.enableHung() }},
	{name: "enabling with hash", o: Options{IgnoreUnchangedContent: true}, enabling: true, happens: func(h *hungHost) { h.enableHung() }},
	{name: "change", happens: replaceHung, want: "v1"},
	{name: "change, at once", o: Options{Quiet: NoQuiet}, happens: replaceHung, want: "v1"},
	{name: "change, contents", o: Options{CheckImage: true, IgnoreUnchangedContent: true}, happens: replaceHung, want: "v1"},
	{name: "change, in dispatch", o: Options{Dispatch: DispatchManual}, happens: replaceHung, want: "v1"},
	{name: "change, contents, in dispatch", o: Options{Dispatch: DispatchManual, CheckImage: true, IgnoreUnchangedContent: true}, happens: replaceHung, want: "v1"},
	{name: "poll", o: Options{ForcePolling: true}, happens: replaceHung, want: "v1"},
	{name: "poll, in dispatch", o: Options{ForcePolling: true, Dispatch: DispatchManual}, happens: replaceHung, want: "v1"},
	{name: "overflow", happens: func(h *hungHost) { h.disk.overflow(func() { replaceHung(h) }) }, want: "v1"},
	{name: "mount", happens: func(h *hungHost) {
		h.disk.mu.Lock()
		h.disk.watched[hungDir] = 0
		h.disk.mu.Unlock()
		replaceHung(h)
		h.disk.mounted()
	}, want: "v1"},
	{name: "re-created directory", happens: func(h *hungHost) { h.disk.recreate(hungDir, hungPath, "v1") }, want: "v1"},
	{name: "removed and made again", happens: func(h *hungHost) {
		h.disk.remove(hungPath)
		time.Sleep(50 * ms)
		replaceHung(h)
	}, want: "v1"},
}

// hungEndings are what becomes of b while its file system hangs.
var hungEndings = []string{"it answers", "disabled", "closed"}

// mostHungAccesses is more than a story takes, without those that are polled for ever.
const mostHungAccesses = 40

func TestFileSystemThatHangsAtAnyAccessHoldsUpNothingElse(t *testing.T) {
	for _, s := range hungStories {
		for _, ending := range hungEndings {
			t.Run(s.name+": "+ending, func(t *testing.T) {
				t.Parallel()
				n := 1
				for n <= mostHungAccesses && hang(t, s, ending, n) {
					n++
				}
				if !t.Failed() && n < 5 {
					t.Errorf("only %d accesses", n-1)
				}
			})
		}
	}
}

// hang runs one story in which the file system ceases to answer at the n-th access.
// It reports whether there were so many.
func hang(t *testing.T, s hungStory, ending string, n int) (reached bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHungHost(t, s.o)
		defer h.m.Close()
		defer h.mount.answer()
		if !s.enabling {
			h.enableHung()
			h.pass(5 * time.Second)
		}
		h.mount.arm(n)
		s.happens(h)
		h.pass(5 * time.Second)
		if reached = h.mount.isHanging(); !reached && !s.enabling {
			if got := h.took("b"); got != s.want {
				t.Errorf("without hanging: loaded %q, want %q", got, s.want)
			}
			return
		}
		fail := func(format string, args ...any) {
			t.Helper()
			t.Errorf("hanging at access %d (%s): %s", n, h.mount.at, fmt.Sprintf(format, args...))
		}
		h.disk.replace(pluginPath, "v1")
		h.pass(3 * time.Second)
		if got := h.took("a"); got != "v1" {
			fail("loaded %q of the plugin on another file system, want v1", got)
		}
		byWorker := h.isEnabled() && reached // Enable asks on its caller's thread, and reports nothing
		want := []HealthCode(nil)
		if byWorker {
			want = []HealthCode{HealthHanging}
		}
		if got := h.hangReports(); !slices.Equal(got, want) {
			fail("health %v, want %v", got, want)
		}
		switch ending {
		case "disabled":
			takesAtMost(t, 2*hangsAfter, "Disable", func() { h.m.Disable("b") })
		case "closed":
			takesAtMost(t, 2*time.Second, "Close", h.m.Close)
			h.took("a")
			h.mount.answer()
			h.disk.replace(pluginPath, "v2")
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if a, b := h.took("a"), h.took("b"); a != "" {
				fail("loaded %q and %q after Close", a, b)
			}
			return
		}
		h.mount.answer()
		h.pass(10 * time.Second)
		if byWorker {
			want = append(want, HealthAnswering)
		}
		if got := h.hangReports(); !slices.Equal(got, want) {
			fail("health %v after it answers again, want %v", got, want)
		}
		got := h.took("b")
		if ending == "disabled" && !s.enabling {
			if got != "" && got != s.want { // the latter: delivered before it hung
				fail("loaded %q after Disable", got)
			}
			return
		}
		if got != s.want {
			fail("loaded %q once it answers again, want %q", got, s.want)
		}
		if ending == "disabled" {
			h.m.Disable("b") // Enable may have been under way
			h.enableHung()
		}
		h.disk.replace(hungPath, "v2")
		h.pass(10 * time.Second)
		if got := h.took("b"); got != "v2" {
			fail("loaded %q of the next version, want v2", got)
		}
	})
	return reached && !t.Failed()
}

// hangReports are the health events about file systems that hang.
func (h *hungHost) hangReports() (codes []HealthCode) {
	for _, c := range h.healthCodes() {
		if c == HealthHanging || c == HealthAnswering {
			codes = append(codes, c)
		}
	}
	return codes
}

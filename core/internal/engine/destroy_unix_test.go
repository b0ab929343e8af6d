// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A release function is the host's code: it may call every method, whichever
// callback it belongs to, wherever it runs, and however the callback was removed.

type callbackSlot struct {
	name string
	set  func(m *Engine, during func(), release func()) error
	none func(m *Engine) error
}

var callbackSlots = []callbackSlot{
	{"reload", func(m *Engine, during, release func()) error {
		return m.SetReloadCallback(func(string) { during() }, release)
	}, func(m *Engine) error { return m.SetReloadCallback(nil, nil) }},
	{"event", func(m *Engine, during, release func()) error {
		return m.SetEventCallback(func(ev Event) {
			if ev.Kind == FileChanged {
				during()
			}
		}, release)
	}, func(m *Engine) error { return m.SetEventCallback(nil, nil) }},
	{"wakeup", func(m *Engine, during, release func()) error { return m.SetWakeup(during, release) },
		func(m *Engine) error { return m.SetWakeup(nil, nil) }},
	{"validator", func(m *Engine, during, release func()) error {
		return m.SetValidator(func(Candidate) error { during(); return nil }, release)
	}, func(m *Engine) error { return m.SetValidator(nil, nil) }},
	{"log", func(m *Engine, during, release func()) error {
		return m.SetLog(LogInfo, func(r LogRecord) {
			if strings.HasSuffix(r.Message, "is validated") { // nothing is asked of the disk any more
				during()
			}
		}, release)
	}, func(m *Engine) error { return m.SetLog(LogDebug, nil, nil) }},
}

var callsInRelease = map[string]func(m *Engine){
	"Close":             func(m *Engine) { m.Close() },
	"Enable":            func(m *Engine) { _ = m.Enable("q", "/dev/null", EnableOptions{}) },
	"Disable":           func(m *Engine) { _, _ = m.Disable("p") },
	"Clear":             func(m *Engine) { _, _ = m.Clear() },
	"IsEnabled":         func(m *Engine) { _, _ = m.IsEnabled("p") },
	"Plugins":           func(m *Engine) { _, _ = m.Plugins() },
	"SetGlobalEnabled":  func(m *Engine) { _ = m.SetGlobalEnabled(false) },
	"IsGlobalEnabled":   func(m *Engine) { _, _ = m.IsGlobalEnabled() },
	"SetReloadCallback": func(m *Engine) { _ = m.SetReloadCallback(func(string) {}, nil) },
	"SetEventCallback":  func(m *Engine) { _ = m.SetEventCallback(func(Event) {}, nil) },
	"SetWakeup":         func(m *Engine) { _ = m.SetWakeup(func() {}, nil) },
	"SetValidator":      func(m *Engine) { _ = m.SetValidator(nil, nil) },
	"ReportReload":      func(m *Engine) { _ = m.ReportReload("p", 1, ReloadFailed, "") },
	"Dispatch":          func(m *Engine) { _, _ = m.Dispatch(0, ms) },
	"EventFD":           func(m *Engine) { _, _ = m.EventFD() },
	"SetPluginPaused":   func(m *Engine) { _ = m.SetPluginPaused("p", true) },
	"CheckAllNow":       func(m *Engine) { _ = m.CheckAllNow() },
	"Explain":           func(m *Engine) { _, _ = m.Explain("p") },
	"SetLog":            func(m *Engine) { _ = m.SetLog(LogDebug, func(LogRecord) {}, nil) },
	"Stats":             func(m *Engine) { _, _ = m.Stats() },
}

// How a callback comes to its end: inside itself, or on another goroutine.
var waysToRemove = map[string]struct {
	inside  bool
	removal func(s callbackSlot, m *Engine)
}{
	"removed inside":         {true, func(s callbackSlot, m *Engine) { _ = s.none(m) }},
	"replaced inside":        {true, func(s callbackSlot, m *Engine) { _ = s.set(m, func() {}, nil) }},
	"closed inside":          {true, func(s callbackSlot, m *Engine) { m.Close() }},
	"removed while it runs":  {false, func(s callbackSlot, m *Engine) { _ = s.none(m) }},
	"replaced while it runs": {false, func(s callbackSlot, m *Engine) { _ = s.set(m, func() {}, nil) }},
	"closed while it runs":   {false, func(s callbackSlot, m *Engine) { m.Close() }},
}

func TestAReleaseFunctionMayCallEverything(t *testing.T) {
	for _, s := range callbackSlots {
		for mode, o := range map[string]Options{"thread": {Dispatch: DispatchThread}, "manual": {Dispatch: DispatchManual}} {
			if s.name == "wakeup" && o.Dispatch == DispatchThread {
				continue
			}
			for way, w := range waysToRemove {
				for call, f := range callsInRelease {
					t.Run(fmt.Sprintf("%s %s %s %s", s.name, mode, way, call), func(t *testing.T) {
						t.Parallel()
						releaseCalls(t, o, s, w.inside, w.removal, f)
					})
				}
			}
		}
	}
}

func releaseCalls(t *testing.T, o Options, s callbackSlot, inside bool, removal func(callbackSlot, *Engine), call func(*Engine)) {
	dir := realTempDir(t)
	o.Quiet, o.SnapshotDir = NoQuiet, new(filepath.Join(dir, "snapshots"))
	h := &safeHost{t: t, file: filepath.Join(dir, "plugin.so")}
	h.put(h.file, "v1")
	m, err := New(o)
	h.must(err)
	running, released := make(chan struct{}), make(chan struct{})
	var once sync.Once
	during := func() {
		once.Do(func() {
			close(running)
			if inside {
				removal(s, m)
			} else {
				time.Sleep(ms) // so that the removal mostly meets it running
			}
		})
	}
	if s.name != "reload" && s.name != "event" {
		h.must(m.SetReloadCallback(func(string) {}, nil))
	}
	h.must(s.set(m, during, func() { call(m); close(released) }))
	h.must(m.Enable("p", h.file, EnableOptions{Safe: &Safe{}, DeliverPresent: true}))
	within := func(what string, c <-chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(bound):
			t.Fatalf("not within %v: %s", bound, what)
		}
	}
	stop := make(chan struct{})
	var host sync.WaitGroup
	dispatch := func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := m.Dispatch(0, ms); err != nil {
					return
				}
			}
		}
	}
	// A host that is waiting in Dispatch already is not woken.
	if o.Dispatch == DispatchManual && s.name != "wakeup" {
		host.Go(dispatch)
	}
	within("the callback is called", running)
	if s.name == "wakeup" {
		host.Go(dispatch)
	}
	if !inside {
		removed := make(chan struct{})
		go func() { defer close(removed); removal(s, m) }()
		within("the removal returns", removed)
	}
	within("the release function returns", released)
	close(stop)
	closed := make(chan struct{})
	go func() { defer close(closed); host.Wait(); m.Close(); m.goroutines.Wait() }()
	within("the manager is closed, and all that belongs to it has ended", closed)
}

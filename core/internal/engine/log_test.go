// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// journal records a log.
type journal struct {
	mu    sync.Mutex
	lines []LogRecord
}

func (j *journal) add(r LogRecord) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, r)
}

// text returns the messages since the last call.
func (j *journal) text() (all []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.lines {
		all = append(all, r.Message)
	}
	j.lines = nil
	return all
}

func (h *host) log(level LogLevel, fn func(LogRecord), release func()) {
	h.t.Helper()
	if err := h.m.SetLog(level, fn, release); err != nil {
		h.t.Fatal(err)
	}
}

func TestLogSaysWhatHappensUpToItsLevel(t *testing.T) {
	for level, want := range map[LogLevel][]string{
		LogError:   nil,
		LogWarning: nil,
		LogInfo:    {"complete: a new version is complete", "delivered: generation 1"},
		LogDebug:   {"noticed: created, removed or renamed", "complete: a new version is complete", "delivered: generation 1"},
	} {
		inBubble(t, Options{}, func(h *host) {
			var j journal
			h.log(level, j.add, nil)
			h.disk.replace(pluginPath, "v1")
			h.expect(time.Second, "a=v1")
			if got := j.text(); !slices.Equal(got, want) {
				t.Errorf("level %d: %q, want %q", level, got, want)
			}
		})
	}
}

func TestLogHasTheEvents(t *testing.T) {
	inBubble(t, Options{CheckImage: true}, func(h *host) {
		var j journal
		h.log(LogInfo, j.add, nil)
		h.disk.setImage(pluginPath, errBadImage)
		h.disk.write(pluginPath, "v1")
		h.expect(time.Second)
		h.m.Disable("a")
		synctest.Wait()
		got := j.text()
		if len(got) != 2 || !strings.Contains(got[0], "truncated") || got[1] != pluginPath+": disabled" {
			t.Fatalf("log %q", got)
		}
		h.m.Fault("boom")
		synctest.Wait()
		if got := j.text(); len(got) != 1 || !strings.Contains(got[0], "boom") {
			t.Fatalf("log %q", got)
		}
	})
}

// It runs also when the host does not dispatch, and what it leaves waiting is bounded.
func TestLogOfABusyHostIsBoundedAndSaysWhatWasDropped(t *testing.T) {
	inBubble(t, Options{Dispatch: DispatchManual}, func(h *host) {
		var j journal
		leave := make(chan struct{})
		h.log(LogInfo, func(r LogRecord) { <-leave; j.add(r) }, nil)
		for range 2000 {
			h.pause("a", true)
			h.pause("a", false)
		}
		close(leave)
		synctest.Wait()
		got := j.text()
		if len(got) > maxLogged+2 || !strings.HasSuffix(got[len(got)-1], "lines of the log were dropped: the host's function was busy") {
			t.Fatalf("%d lines, the last is %q", len(got), got[len(got)-1])
		}
	})
}

func TestLogCallbackMayCallEverythingAndIsReleasedOnce(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		released := 0
		h.log(LogInfo, func(LogRecord) {
			h.m.Explain("a")
			h.m.SetPluginPaused("a", true)
			h.log(LogInfo, nil, nil) // waits for itself in vain
		}, func() { released++ })
		h.m.SetGlobalEnabled(false)
		h.pause("a", true)
		synctest.Wait()
		if released != 1 {
			t.Fatalf("released %d times", released)
		}
		h.log(LogInfo, func(LogRecord) { h.m.Close() }, func() { released++ })
		h.m.SetPluginPaused("a", false)
		synctest.Wait()
		if _, err := h.m.Stats(); !errors.Is(err, ErrClosed) || released != 2 {
			t.Fatalf("%v, released %d times", err, released)
		}
	})
}

func TestCloseAndAnotherFunctionWaitForTheLogCallback(t *testing.T) {
	for name, end := range map[string]func(m *Engine){
		"close":   (*Engine).Close,
		"another": func(m *Engine) { m.SetLog(LogInfo, func(LogRecord) {}, nil) },
		"none":    func(m *Engine) { m.SetLog(LogInfo, nil, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(h *host) {
				entered, left := make(chan struct{}), false
				h.log(LogInfo, func(LogRecord) {
					close(entered)
					time.Sleep(time.Second)
					left = true
				}, nil)
				h.pause("a", true)
				<-entered
				end(h.m)
				if !left {
					t.Fatal("it returned while the function ran")
				}
			})
		})
	}
}

func TestLogLevelIsChecked(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		for _, level := range []LogLevel{-1, 0, 5} {
			released := 0
			if err := h.m.SetLog(level, func(LogRecord) {}, func() { released++ }); !errors.Is(err, ErrInvalidArgument) || released != 1 {
				t.Errorf("level %d: %v, released %d times", level, err, released)
			}
		}
		h.log(0, nil, nil)
	})
}

func TestPanicInTheLogCallbackIsContained(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.log(LogInfo, func(LogRecord) { panic("boom") }, nil)
		h.pause("a", true)
		synctest.Wait()
		if s := h.stats(); !s.Failed {
			t.Fatal("the panic was not reported")
		}
	})
}

// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// Every goroutine starts here, so that a panic in one never ends the host.

// spawn runs f on a goroutine that Close waits for.
func (m *Engine) spawn(f func()) {
	m.goroutines.Add(1)
	m.contained(func() {
		defer m.goroutines.Done()
		m.guard("a library goroutine", f)
	})
}

func (m *Engine) contained(f func()) { go m.guard("a library goroutine", f) }

// guard runs f and contains a panic in it.
func (m *Engine) guard(where string, f func()) {
	defer func() {
		if r := recover(); r != nil {
			m.fault(fmt.Sprintf("panic in %s: %s", where, Panic(r)))
		}
	}()
	f()
}

// fault makes the manager unusable: its state may be inconsistent.
func (m *Engine) fault(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed == "" {
		m.failed = what
		m.unusable.Store(true)
		m.healthLocked(HealthPanic, "", "", what+"; destroy the manager")
	}
	m.gate.Fail()
}

// Fault is for the layer above: it contained a panic in work for this manager.
func (m *Engine) Fault(what string) { m.fault(what) }

// Panic describes what recover returned to the caller, a deferred function, and
// names the place.
func Panic(r any) string {
	var pc [32]uintptr
	frames := runtime.CallersFrames(pc[:runtime.Callers(1, pc[:])])
	for panicking := false; ; {
		f, more := frames.Next()
		inRuntime := strings.HasPrefix(f.Function, "runtime.")
		if panicking && !inRuntime {
			return fmt.Sprintf("%v (%s:%d)", r, filepath.Base(f.File), f.Line)
		}
		panicking = panicking || f.Function == "runtime.gopanic"
		if !more {
			return fmt.Sprint(r)
		}
	}
}

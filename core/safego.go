package core

import "fmt"

// Every goroutine starts here, so that a panic in one never ends the host.

// spawn runs f on a goroutine that Close waits for.
func (m *Manager) spawn(f func()) {
	m.goroutines.Add(1)
	m.contained(func() {
		defer m.goroutines.Done()
		m.guard("a library goroutine", f)
	})
}

func (m *Manager) contained(f func()) { go m.guard("a library goroutine", f) }

// guard runs f and contains a panic in it.
func (m *Manager) guard(where string, f func()) {
	defer func() {
		if r := recover(); r != nil {
			m.fault(fmt.Sprintf("panic in %s: %v", where, r))
		}
	}()
	f()
}

// fault makes the manager unusable: its state may be inconsistent.
func (m *Manager) fault(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed == "" {
		m.failed = what
		m.unusable.Store(true)
		m.healthLocked(HealthPanic, "", "", what+"; destroy the manager")
	}
	m.afterChange()
}

// Fault is for the layer above: it contained a panic in work for this manager.
func (m *Manager) Fault(what string) { m.fault(what) }

// SPDX-License-Identifier: MIT

package engine

// SetGlobalEnabled pauses (false) or resumes (true) the delivery of changes.
// Each plugin that changed meanwhile is delivered once after resuming. When pausing
// returns, no change is being delivered, except to the caller itself.
func (m *Engine) SetGlobalEnabled(on bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return err
	}
	m.gate.Pause(!on)
	m.turn()
	m.awaitLocked(func() bool { return !m.gate.Paused() || m.running == nil || !m.running.change })
	return nil
}

// IsGlobalEnabled reports whether delivery is not paused.
func (m *Engine) IsGlobalEnabled() (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.gate.Paused(), m.usable()
}

// SetPluginPaused pauses (true) or resumes (false) the delivery of a plugin's changes. A
// change that comes meanwhile, or that waits already, is delivered once after resuming,
// with its latest version. When pausing returns, no change of the plugin is being
// delivered, except to the caller itself.
func (m *Engine) SetPluginPaused(id string, on bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.enabled(id)
	if err != nil {
		return err
	}
	m.pause(p, on)
	m.turn()
	m.awaitLocked(func() bool { return !p.paused() || m.running == nil || !m.running.change || m.running.p != p })
	return nil
}

// pause pauses or resumes a plugin. A change that waits finds its new place in the gate.
func (m *Engine) pause(p *plugin, on bool) {
	if p.pausedItself() == on {
		return
	}
	m.putAnew(p, func() {
		p.state().paused = on
		p.tidy()
	})
	if on {
		m.note(p, LogInfo, DecisionPaused, "paused")
	} else {
		m.note(p, LogInfo, DecisionPaused, "resumed")
	}
	m.afterChange()
}

// putAnew has a change that waits find its place in the gate anew.
func (m *Engine) putAnew(p *plugin, change func()) {
	c := m.withdraw(p)
	change()
	if c != nil {
		m.requeue(c)
	}
}

// requeue puts a change that was withdrawn into the gate again.
func (m *Engine) requeue(c *pendingChange) {
	moved := *c // whoever confirms c sees that c was withdrawn
	c.p.state().pending = &moved
	m.gate.PutChange(&moved)
}

// IsPluginPaused reports whether a plugin is paused by itself. The pause of all plugins is
// another one.
func (m *Engine) IsPluginPaused(id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.enabled(id)
	return err == nil && p.pausedItself(), err
}

// enabled finds an enabled plugin of a usable manager.
func (m *Engine) enabled(id string) (*plugin, error) {
	if err := m.usable(); err != nil {
		return nil, err
	}
	p := m.plugins.lookup(id)
	if p == nil {
		return nil, fail(ErrInvalidArgument, "plugin %q is not enabled", id)
	}
	return p, nil
}

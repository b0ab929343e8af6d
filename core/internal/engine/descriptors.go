// SPDX-License-Identifier: MIT

package engine

// A host may close all descriptors of its process, or put its own files in their place,
// and with them what the manager uses. The manager finds that out, leaves the numbers
// alone and opens others.

// sourceEnded puts another source in the place of one whose descriptor the host closed.
// Everything is compared: what happened meanwhile was not reported.
func (m *Engine) sourceEnded(src *source) {
	if m.intake.src != src {
		return
	}
	m.descriptorsLost()
	m.replaceSource(src)
	if store := m.validation.store; store != nil {
		m.workers.do(store.Base(), func(func(string)) { store.Relock() })
	}
}

func (m *Engine) descriptorsLost() {
	m.healthLocked(HealthDescriptors, "", "", "the process closed file descriptors of the manager or put other files in their place; "+
		"others were opened and every plugin is compared with the disk; ask for the event descriptor again, "+
		"and close only descriptors of your own")
}

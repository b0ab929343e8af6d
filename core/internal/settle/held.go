// SPDX-License-Identifier: MIT

package settle

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// This file is about a file that is held open for writing, but that nothing is written
// to any more: its writer may have leaked the descriptor into a process that never
// closes it.

// Held reports whether a writer has held the file open for Options.HeldAfter, and nothing
// about the file has changed for as long.
func (m *Machine) Held(now time.Time) bool {
	return m.Options.HeldAfter > 0 && m.writing && m.heldFor(now) >= m.Options.HeldAfter
}

// IsUnknown reports whether the last probe could not find out whether there is a writer.
func (m *Machine) IsUnknown() bool { return m.twoChecks() }

// PassedOver reports whether the last probe took a file for complete that is held open.
func (m *Machine) PassedOver() bool { return m.passed }

// heldFor is for how long the file has been held open without a change.
func (m *Machine) heldFor(now time.Time) time.Duration {
	if m.heldSince.IsZero() || m.seenSince.IsZero() {
		return 0
	}
	since := m.heldSince
	for _, t := range []time.Time{m.seenSince, m.lastWritten} {
		if t.After(since) {
			since = t
		}
	}
	return now.Sub(since)
}

// WantsContent reports whether the next probe is to hash the content, although a writer
// holds the file open. Two hashes tell that it stays: a mapping is written without a new
// modification time.
func (m *Machine) WantsContent(now time.Time) bool {
	if !m.Options.DeliverHeld || m.Options.HeldAfter <= 0 || !m.writing {
		return false
	}
	held := m.heldFor(now)
	return held >= m.Options.HeldAfter || held >= m.Options.HeldAfter/2 && m.heldContent == (fsys.Hash{})
}

// passesOver reports whether a file that is held open for writing is taken for complete
// all the same, because its content and its times have stayed.
func (m *Machine) passesOver(r ProbeResult, now time.Time) bool {
	if r.Content == nil || !m.same(m.seen, r.After) {
		return false
	}
	before := m.heldContent
	m.heldContent = *r.Content
	switch {
	case before == (fsys.Hash{}):
	case before != *r.Content:
		m.heldSince = now
	default:
		m.passed = m.Held(now)
	}
	return m.passed
}

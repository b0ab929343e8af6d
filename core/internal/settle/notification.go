// SPDX-License-Identifier: MIT

package settle

import (
	"time"
)

// Notification says that the file may have changed. One Notification may stand for
// several of the system: those that came last decide whether it was written, closed
// or replaced.
type Notification struct {
	// Written means that its content was written, after it was last replaced.
	Written bool
	// Closed means that a writer closed it, after it was last written.
	Closed bool
	// Replaced means that another file was put at the path, or taken away from it, or
	// that the path leads elsewhere. Only a notification of the system says so.
	Replaced bool
	// AttributesOnly means that nothing but attributes changed.
	AttributesOnly bool
	// ClosesReported means, with Written or Lost, that the close of this writer will be notified
	// too. Where the system does not report writers, the file is not complete before.
	ClosesReported bool
	// Lost means that notifications of this file may have been lost, those of closes too.
	Lost bool
	// FirstCheck means that the file was not checked since it was enabled.
	FirstCheck bool
	// Since is when this change was first noticed, if that was earlier.
	Since time.Time
}

// Notify takes a notification. It makes an answer to a check that is under way worthless,
// unless only attributes changed.
func (m *Machine) Notify(n Notification, now time.Time) {
	m.last = now
	if !m.settling {
		*m = Machine{Options: m.Options, settling: true, first: now, last: now, rejected: m.rejected, unknown: m.unknown,
			due: now.Add(m.Options.Quiet)}
	}
	m.noteContent(n, now)
	switch {
	case m.unreadable:
		m.due = now // its mode may have been changed
	case m.writing && n.Closed:
		m.closed(now)
	default:
		m.postpone(now)
	}
	if m.twoChecks() && !m.isUnclosed(now) && !n.AttributesOnly {
		m.due = now // for the first of the two
	}
	m.firstCheck = m.firstCheck || n.FirstCheck
	if !n.Since.IsZero() && n.Since.Before(m.first) {
		m.first = n.Since
	}
}

// noteContent notes what a notification says about the content and its writers.
func (m *Machine) noteContent(n Notification, now time.Time) {
	if n.AttributesOnly {
		return
	}
	m.probing, m.lastWritten = false, now
	m.written, m.mayHaveLost = m.written || n.Written, m.mayHaveLost || n.Lost
	m.replaced = m.replaced || n.Replaced
	if n.Written || n.Replaced || n.Closed {
		m.wasClosed = n.Closed
	}
	if n.Written || n.Closed {
		m.lastContent = now
	}
	switch {
	case n.Closed:
		m.unclosed, m.lost = false, time.Time{}
	case n.Lost && n.ClosesReported:
		if m.lost.IsZero() {
			m.lost = now
		}
	case n.Lost:
		m.forgetWriter()
	case n.Written && n.ClosesReported:
		m.unclosed, m.lost = true, time.Time{}
	case n.Replaced:
		m.forgetWriter() // whoever writes the former file
	}
}

// isUnclosed reports whether the file was written and not closed since, as far as
// notifications say. If they may have been lost, it counts as closed once it has not changed
// for long, however often more may have been lost meanwhile.
func (m *Machine) isUnclosed(now time.Time) bool {
	if m.lost.IsZero() {
		return m.unclosed
	}
	return now.Before(m.lost.Add(lostCloseAfter)) || now.Before(m.seenSince.Add(lostCloseAfter))
}

// forgetWriter forgets what notifications said about a writer.
func (m *Machine) forgetWriter() {
	m.lost = time.Time{}
	if m.unclosed = false; m.unknown {
		m.writing, m.backoff = false, 0
		m.released()
	}
}

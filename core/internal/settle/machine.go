// SPDX-License-Identifier: MIT

package settle

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// Machine settles one file. A zero Machine with its Options set is idle. It is a
// plain value without locks: one goroutine owns it.
//
//	idle ──notification──► settling ──quiet, no writer, stable──► a decision, idle
//	                         ▲    │
//	                         └────┘ a notification, a writer, another version
type Machine struct {
	Options Options // never changes while the file settles

	settling      bool
	probing       bool      // Probed is to follow, and nothing was notified meanwhile
	writing       bool      // the last check found a writer
	unknown       bool      // the last check could not find out whether there is a writer
	unclosed      bool      // written and not closed since, as far as notifications say
	lost          time.Time // when notifications of its writes and closes may have been lost; zero: they were not
	wasClosed     bool      // closed and not written since, as far as notifications say
	firstCheck    bool      // not checked since enabling: is the baseline itself complete?
	written       bool      // a notification said that the content was written, not only attributes
	replaced      bool      // a notification said that another file was put there
	mayHaveLost   bool      // notifications may have been lost
	identityDrift bool      // see Observation
	empty         bool      // the last check found nothing in the file
	atBaseline    bool      // the last check found the baseline
	unreadable    bool      // the last check could not read the file
	rejected      Version   // zero: none
	seen          Version   // at the last check; zero before the first
	seenSince     time.Time // since when each check has found seen; zero: not yet
	first         time.Time // first notification of this change
	last          time.Time // latest activity
	lastWritten   time.Time // latest notification that was not of attributes alone
	lastWriter    time.Time // when a writer was last seen
	lastContent   time.Time // latest notification that the content was written or a writer closed the file
	heldSince     time.Time // since when each check has found a writer; zero: the last one has not
	heldContent   fsys.Hash // the content that was found meanwhile; zero: not hashed
	passed        bool      // the last probe took the file for complete although it is held open
	due           time.Time // when to check, while settling
	backoff       time.Duration
}

// Options are what a plugin's options mean to its Machine.
type Options struct {
	Quiet       time.Duration // quiet period; 0: none
	MaxDelay    time.Duration // when a file that is rewritten without pause is delivered
	RemovalHold time.Duration // how long a file must be missing to count as removed
	// CompareContent means that a hash of the content decides whether a version is new.
	CompareContent bool
	// WritersUnknown means that the system never reports writers of this file. The first
	// of the two checks that must agree is then made at the notification. A Machine that
	// lives on after a change finds this out by itself.
	WritersUnknown bool
	// NamesUnnotified means that no notification tells that another file was put at the
	// path, although writes and closes are notified.
	NamesUnnotified bool
	// HeldAfter is for how long a writer must hold the file open without a change, to
	// count as one that may never close it; 0: none does.
	HeldAfter time.Duration
	// DeliverHeld means that such a file is complete.
	DeliverHeld bool
}

const (
	minBackoff = time.Millisecond
	maxBackoff = 100 * time.Millisecond
	// maxUnclosedBackoff is for a writer whose close will be notified, and for one that
	// may never close the file.
	maxUnclosedBackoff = time.Second
	// lostCloseAfter is for how long a file must not change whose close may have been
	// notified without reaching us.
	lostCloseAfter = 5 * time.Second
	// calm is for how long no write or close may have been notified when it is asked who
	// writes the file. Whoever opens it for writing with O_NONBLOCK in that very moment
	// fails, and a program that has just written the file may do so again.
	calm = 2 * time.Millisecond
	// notificationGap is the maximum gap between two notifications of the same write.
	notificationGap = 10 * time.Millisecond
)

// Decision is what an input led to.
type Decision uint8

const (
	// Wait means: check again at [Machine.Due].
	Wait Decision = iota
	// Probe means: ready as far as stat can say. Examine the file itself and call
	// [Machine.Probed].
	Probe
	// Deliver means that the version is complete and new.
	Deliver
	// Removed means that the file is missing for good, or that something else stands there.
	Removed
	// Unchanged means that there is nothing to deliver.
	Unchanged
	// Reject means that the version is not a complete image.
	Reject
	// StillRejected means that the file is at the rejected version.
	StillRejected
)

var decisionNames = [...]string{"wait", "probe", "deliver", "removed", "unchanged", "reject", "still rejected"}

func (d Decision) String() string { return decisionNames[d] }

// twoChecks reports whether two checks a quiet period apart must agree, because nobody
// knows whether there is a writer.
func (m *Machine) twoChecks() bool { return m.unknown || m.Options.WritersUnknown }

// postpone starts the quiet period anew, up to the maximum delay.
func (m *Machine) postpone(now time.Time) {
	due := now.Add(m.Options.Quiet)
	if end := m.first.Add(m.Options.MaxDelay); due.After(end) {
		due = end
	}
	// After the maximum delay the retries of again are under way already.
	if due.After(m.due) {
		m.due = due
	}
}

// Enable starts the first check, which is due at once. With present, what stands
// there is to be delivered, and may have been quiet for long.
func (m *Machine) Enable(present bool, now time.Time) {
	m.Notify(Notification{FirstCheck: true}, now)
	m.due = now
	if present {
		m.last = time.Time{}
	}
}

// Rejected takes the verdict of a validation that went on elsewhere: v is not to
// be delivered.
func (m *Machine) Rejected(v Version) { m.rejected = v }

// closed notes that a writer closed the file. The quiet period starts anew: a
// linker's output is often opened again at once, by strip for example.
func (m *Machine) closed(now time.Time) {
	m.writing, m.lastWriter, m.last, m.backoff = false, now, now, 0
	m.due = now.Add(m.Options.Quiet)
}

func (m *Machine) end(d Decision) Decision {
	m.settling, m.writing, m.firstCheck = false, false, false
	return d
}

func (m *Machine) wait(until time.Time) Decision {
	m.due = until
	return Wait
}

// again waits with back-off: for a writer to close the file, or for a stable moment.
func (m *Machine) again(now time.Time, most time.Duration) Decision {
	m.backoff = min(max(2*m.backoff, minBackoff), most)
	return m.wait(now.Add(m.backoff))
}

// awaitWriter waits with back-off for a writer to close the file.
func (m *Machine) awaitWriter(now time.Time, most time.Duration) Decision {
	m.writing, m.lastWriter, m.last = true, now, now
	if m.heldSince.IsZero() {
		m.heldSince = now
	}
	if m.Held(now) {
		most = maxUnclosedBackoff
	}
	return m.again(now, most)
}

// released notes that no writer holds the file open any more.
func (m *Machine) released() { m.heldSince, m.heldContent = time.Time{}, fsys.Hash{} }

// Observe takes what stat said.
func (m *Machine) Observe(o Observation, now time.Time) Decision {
	m.probing, m.identityDrift, m.empty = false, o.IdentityDrift, o.Empty
	switch o.Kind {
	case Missing, Other:
		m.seenSince = time.Time{} // what comes next is another file
		m.forgetWriter()
		m.released()
		if end := m.last.Add(max(m.Options.RemovalHold, m.Options.Quiet)); now.Before(end) {
			return m.wait(end)
		}
		return m.end(Removed)
	}
	m.atBaseline = m.isBaseline(o)
	if m.atBaseline && !m.firstCheck {
		if end := m.lastWritten.Add(m.Options.Quiet); m.written && m.twoChecks() && now.Before(end) {
			return m.wait(end) // its times may be set later
		}
		return m.end(Unchanged)
	}
	if m.isRejected(o.Version) {
		return m.end(StillRejected)
	}
	isNew := !m.same(m.seen, o.Version)
	if isNew && m.isAnotherFile(o) {
		m.forgetWriter()
	}
	m.seen = o.Version
	if isNew || m.seenSince.IsZero() {
		m.seenSince = now
	}
	if m.twoChecks() && m.isUnclosed(now) && !m.WantsContent(now) {
		return m.awaitWriter(now, maxUnclosedBackoff)
	}
	if !m.atBaseline && m.Options.Quiet > 0 {
		if isNew && !m.unchangedFor(m.Options.Quiet, o, now) {
			m.last = now
		}
		if end := m.quietEnd(); now.Before(end) {
			return m.wait(end)
		}
	}
	if end := m.lastContent.Add(calm); !m.twoChecks() && now.Before(end) && now.Before(m.first.Add(2*m.Options.MaxDelay)) {
		return m.wait(end)
	}
	m.probing = true
	return Probe
}

// quietEnd is when the file has been quiet for long enough. At the maximum delay a
// file that is rewritten without pause need not be quiet; but one that was just
// closed by its writer gets a moment, because the next tool may open it at once.
// Where writers are unknown, the maximum delay does not cut the quiet period short.
func (m *Machine) quietEnd() time.Time {
	end := m.last.Add(m.Options.Quiet)
	limit := m.first.Add(m.Options.MaxDelay)
	if closed := m.lastWriter.Add(m.Options.Quiet / 2); closed.After(limit) {
		limit = closed
	}
	if end.After(limit) {
		end = limit
	}
	if m.twoChecks() {
		for _, since := range []time.Time{m.seenSince, m.lastWritten} {
			if agreed := since.Add(m.Options.Quiet); agreed.After(end) {
				end = agreed
			}
		}
	}
	return end
}

// emptyEnd is until when an empty file that was not closed may have just been created.
func (m *Machine) emptyEnd() time.Time {
	return m.first.Add(max(m.Options.MaxDelay, m.Options.HeldAfter))
}

// Probed ends a check that led to [Probe]. If the machine was notified in between, the
// result is dropped and the answer is [Wait]: another check follows.
func (m *Machine) Probed(r ProbeResult, now time.Time) Decision {
	if !m.probing {
		return Wait
	}
	m.passed, m.probing, m.unknown = false, false, r.Writer == fsys.WriterUnknown
	held := r.Writer == fsys.HasWriter || m.unknown && m.isUnclosed(now)
	switch {
	case held && m.passesOver(r, now):
	case r.Writer == fsys.HasWriter:
		return m.awaitWriter(now, maxBackoff)
	case held:
		return m.awaitWriter(now, maxUnclosedBackoff)
	default:
		m.released()
	}
	if m.writing && !held {
		m.closed(now)
		if m.Options.Quiet > 0 {
			return Wait
		}
	}
	switch {
	case !m.same(m.seen, r.After):
		m.last, m.seenSince = now, time.Time{}
		return m.again(now, maxBackoff)
	case m.atBaseline || r.Identical:
		return m.end(Unchanged)
	case m.unknown && !held && now.Before(m.quietEnd()):
		return m.wait(m.quietEnd())
	case m.unknown && !held && m.empty && !m.wasClosed && now.Before(m.emptyEnd()):
		return m.wait(m.emptyEnd()) // its writer may have just created it
	case r.Incomplete:
		// chmod(1) moves the change time of a rejected version: nothing new then.
		isNew := m.written || !m.rejected.Is(m.seen)
		m.rejected = m.seen
		if isNew {
			return m.end(Reject)
		}
		return m.end(StillRejected)
	}
	if m.rejected.Is(m.seen) {
		m.rejected = Version{} // it was rewritten with its size and times
	}
	return m.end(Deliver)
}

// Unreadable notes that the file cannot be read, and so not by its host either. It
// is checked again after interval and at every notification.
func (m *Machine) Unreadable(interval time.Duration, now time.Time) Decision {
	m.unreadable, m.writing, m.last, m.seenSince = true, false, now, time.Time{}
	return m.wait(now.Add(interval))
}

// Readable notes that the file can be read. It reports whether it could not before.
func (m *Machine) Readable() (again bool) {
	again = m.unreadable
	m.unreadable = false
	return again
}

// unchangedFor reports whether the change time says that nothing touched the file for d.
// Otherwise two checks a quiet period apart must agree.
func (m *Machine) unchangedFor(d time.Duration, o Observation, now time.Time) bool {
	return o.Version.Changed != 0 && !o.ForeignClock && o.Version.Changed <= now.Add(-d).UnixNano()
}

// Settling reports whether the file is to be checked at [Machine.Due].
func (m *Machine) Settling() bool { return m.settling }

// Due is when to check the file, while it settles.
func (m *Machine) Due() time.Time { return m.due }

// Writing reports whether the last check found a writer. Where the system does not
// report writers, a file that was written and not closed has one.
func (m *Machine) Writing() bool { return m.writing }

// FirstCheck reports whether the file was not checked since it was enabled.
func (m *Machine) FirstCheck() bool { return m.firstCheck }

// AtBaseline reports whether the last check found the version that the host knows.
func (m *Machine) AtBaseline() bool { return m.atBaseline }

// IsUnreadable reports whether the last check could not read the file.
func (m *Machine) IsUnreadable() bool { return m.unreadable }

// HasRejected reports whether a version was ever rejected, which must be remembered.
func (m *Machine) HasRejected() bool { return m.rejected.Exists() }

// FirstNotified is when the change that settles was first noticed.
func (m *Machine) FirstNotified() time.Time { return m.first }

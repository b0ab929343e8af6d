// SPDX-License-Identifier: MIT

package engine

import "time"

// Stats are a manager's figures at one moment. The counters only grow.
type Stats struct {
	Failed             bool      // after a contained fault
	Plugins            int       // enabled ids
	WatchedDirectories int       // with a notification watch
	PolledDirectories  int       // compared every PollInterval instead
	Pending            int       // events waiting to be delivered
	Settling           int       // changed, not yet quiet and complete
	BeingWritten       int       // of these, held open for writing
	IncompleteImages   int       // plugins whose latest version CheckImage rejected
	Notifications      uint64    // read from the source
	Overflows          uint64    // times the system dropped notifications
	Deliveries         uint64    // changes delivered
	Removals           uint64    // removals delivered
	Unchanged          uint64    // settled without anything to deliver
	Superseded         uint64    // complete versions replaced by a newer one before they were delivered
	LastDelivery       time.Time // zero if none
	Unreadable         int       // plugins whose file changed and cannot be read
	HeldOpen           int       // plugins whose file a writer holds open without writing
	WritersUnknown     uint64    // of Deliveries, those where the system did not say whether there was a writer

	// Of safe reload.
	Snapshots        int    // on the disk
	SnapshotBytes    int64  // of these
	Validating       int    // versions being copied or validated
	Rejected         uint64 // versions that validation rejected
	ReloadsOK        uint64 // reported
	ReloadsFailed    uint64 // reported
	Rollbacks        uint64 // failures after which there was a good version
	Suppressed       uint64 // versions not delivered because their content is known to fail
	Retries          uint64 // failed versions offered again
	Unreported       uint64 // generations not reported in time
	SnapshotFailures uint64 // attempts

	WatchedFiles int    // mount points that are watched themselves
	PolledFiles  int    // mount points compared every PollInterval instead
	Unreliable   int    // directories and files compared by the safety check
	SafetyChecks uint64 // times that these were compared
	Missed       uint64 // changes found that no notification reported
}

// Stats returns the present figures. It works after a fault too.
func (m *Engine) Stats() (Stats, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return Stats{}, errClosed()
	}
	s := m.stats
	s.Failed = m.failed != ""
	s.Plugins = m.plugins.byID.Len()
	s.WatchedDirectories, s.PolledDirectories = m.intake.set.Count()
	s.WatchedFiles, s.PolledFiles = m.intake.set.CountFiles()
	if m.opts.SafetyCheck != NoSafetyCheck {
		s.Unreliable = m.intake.set.CountUnreliable()
	}
	for _, w := range m.intake.settling {
		if w.machine.Settling() {
			s.Settling++
		}
	}
	s.BeingWritten = m.intake.writing
	s.Pending = m.gate.Pending()
	s.Snapshots, s.SnapshotBytes, s.Validating = m.validation.live, m.validation.bytes, m.validation.busy
	return s, nil
}

// SPDX-License-Identifier: MIT

package core

import "time"

// Stats are a manager's figures at one moment. The counters only grow.
type Stats struct {
	Failed             bool      // after a contained fault
	Plugins            int       // enabled ids
	WatchedDirectories int       // with a notification watch
	PolledDirectories  int       // compared every PollInterval instead
	Pending            int       // events waiting to be delivered
	Settling           int       // changed, not yet quiet and whole
	BeingWritten       int       // of these, held open for writing
	IncompleteImages   int       // of these, refused by CheckImage so far
	Notifications      uint64    // read from the source
	Overflows          uint64    // times the system dropped notifications
	Deliveries         uint64    // changes told
	Removals           uint64    // removals told
	Unchanged          uint64    // settled without anything to tell
	Superseded         uint64    // complete versions replaced by a newer one before they were delivered
	LastDelivery       time.Time // zero if none
	Unreadable         int       // plugins whose file changed and cannot be read

	// Of safe reload.
	Snapshots        int    // on the disk
	SnapshotBytes    int64  // of these
	Validating       int    // versions being copied or validated
	Rejected         uint64 // versions that validation refused
	ReloadsOK        uint64 // reported
	ReloadsFailed    uint64 // reported
	Rollbacks        uint64 // failures after which there was a good version
	Suppressed       uint64 // versions not told because their content is known to fail
	Retries          uint64 // failed versions offered again
	Unreported       uint64 // generations not reported in time
	SnapshotFailures uint64 // attempts
}

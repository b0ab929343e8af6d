// SPDX-License-Identifier: MIT

package core

import "time"

// Stats are a manager's figures at one moment, all read at the same time. The uint64
// counters count from New and only grow; the int figures are of now.
//
// Since 1.0.0. See also [Manager.Stats].
type Stats struct {
	Failed             bool      // a fault was contained: see ErrPanic
	Plugins            int       // enabled ids
	WatchedDirectories int       // directories with a watch of the system
	PolledDirectories  int       // directories that are compared every PollInterval instead
	Pending            int       // events that wait to be delivered
	Settling           int       // plugins whose file changed and is not yet quiet and complete
	BeingWritten       int       // of these, those that a process holds open for writing
	IncompleteImages   int       // plugins whose latest version CheckImage rejected
	Notifications      uint64    // notifications of the system
	Overflows          uint64    // times that the system dropped notifications
	Deliveries         uint64    // changes delivered
	Removals           uint64    // removals delivered
	Unchanged          uint64    // settled without anything to deliver: chmod, noise, identical content
	Superseded         uint64    // complete versions that a newer one replaced before they were delivered
	LastDelivery       time.Time // of the latest change; zero if there was none
	Unreadable         int       // plugins whose file changed and cannot be read at the moment
	HeldOpen           int       // plugins whose file is held open for writing for HeldAfter and does not change
	WritersUnknown     uint64    // of Deliveries, those where the system did not say whether a writer had the file open

	// Of safe reload.
	Snapshots        int    // copies on the disk
	SnapshotBytes    int64  // their size together
	Validating       int    // versions that are being copied or validated
	Rejected         uint64 // versions that validation rejected
	ReloadsOK        uint64 // generations reported as ReloadOK
	ReloadsFailed    uint64 // reports of ReloadFailed
	Rollbacks        uint64 // of these, those with a good version to go back to
	Suppressed       uint64 // versions not delivered because their content is known to fail
	Retries          uint64 // failed versions that were scheduled to be delivered again
	Unreported       uint64 // generations that were not reported in time
	SnapshotFailures uint64 // attempts to make a snapshot that failed

	// Of mounts, and of what notifications do not say.
	WatchedFiles int    // files that are mount points, with a watch of their own
	PolledFiles  int    // files that are mount points and compared every PollInterval instead
	Unreliable   int    // directories and files that the safety check compares
	SafetyChecks uint64 // times that it has compared them
	Missed       uint64 // changes that a comparison found although a notification ought to have come
}

// MetricsContentType is what an endpoint sends [Manager.Metrics] as.
//
// Since 1.0.0. See also [Manager.Metrics].
const (
	// MetricsContentType is the value of the HTTP header Content-Type.
	MetricsContentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

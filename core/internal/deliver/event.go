// SPDX-License-Identifier: MIT

package deliver

import "time"

// Kind says what an [Event] is about. The values are those of the C header.
type Kind int32

// The kinds of events.
const (
	FileChanged Kind = 1 // the file has a new, complete version
	Enabled     Kind = 2 // Enable succeeded
	Disabled    Kind = 3 // Disable or Clear; the last event of its id, dropped with Enabled if both waited too long
	FileRemoved Kind = 4 // the file is gone
	Health      Kind = 5 // the library degraded or recovered
	Rejected    Kind = 6 // validation rejected a version
	Rollback    Kind = 7 // a version failed in the host; this is what to go back to
	Discovered  Kind = 8 // a folder has found a plugin
)

// HealthCode says what a [Health] event is about.
type HealthCode int32

// The subjects of health events.
const (
	HealthOverflow        HealthCode = 1  // the system dropped notifications
	HealthPolling         HealthCode = 2  // a directory cannot be watched and is polled
	HealthWatching        HealthCode = 3  // a polled directory is watched again
	HealthImageIncomplete HealthCode = 4  // CheckImage rejected a version
	HealthPanic           HealthCode = 5  // a fault was contained
	HealthUnreadable      HealthCode = 6  // a plugin's file cannot be read, and is waited for
	HealthReadable        HealthCode = 7  // it can be read again
	HealthSnapshotFailed  HealthCode = 8  // no snapshot could be made; it is tried again
	HealthNoReport        HealthCode = 9  // the host did not report in time
	HealthHanging         HealthCode = 10 // a file system does not answer; its plugins wait
	HealthAnswering       HealthCode = 11 // it answers again
	HealthDescriptors     HealthCode = 12 // the host closed descriptors of the manager, which opened others
	HealthStaleMount      HealthCode = 13 // what was mounted at a plugin's path was deleted
	HealthMissed          HealthCode = 14 // a change was found that no notification reported
	HealthHeldOpen        HealthCode = 15 // a writer holds a plugin's file open and does not write

	HealthFolderLimit      HealthCode = 16 // a folder has more files or directories than it may have, or is too deep
	HealthFolderSkipped    HealthCode = 17 // a file of a folder cannot be enabled
	HealthFolderUnreadable HealthCode = 18 // a folder, or a directory in it, is missing or cannot be listed
	HealthFolderReadable   HealthCode = 19 // it can be listed again
	HealthPauseMarker      HealthCode = 20 // a pause marker is there for long
)

// Event is what an event callback receives.
type Event struct {
	Kind       Kind
	Sequence   uint64    // 1, 2, … per manager, in the order of delivery
	Time       time.Time // when this was decided; of a change, when it was found complete
	FirstSeen  time.Time // of a change: when it was first noticed
	ID         string    // the plugin, "" for the manager as a whole
	Path       string    // as registered, or the directory of a health event
	FolderID   string    // the folder that has found the plugin, or that a health event is about
	Generation uint64    // of a change: how many versions were delivered, from 1
	Failed     uint64    // of a Rollback: the latest generation that failed
	Health     HealthCode
	Message    string // of FileRemoved: what stands at the path now, "" if nothing

	// With safe reload, of a change: the snapshot, and of a Rollback: the last
	// good one (Generation is 0 if there is none).
	Snapshot     string
	SnapshotSize int64
	SnapshotHash string // SHA-256 in hexadecimal; also of what was Rejected
	// TrustedComment is that of the signature, if there had to be one; also of what was
	// Rejected, if its signature holds.
	TrustedComment string
}

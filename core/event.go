// SPDX-License-Identifier: MIT

package core

import (
	"fmt"
	"time"

	"github.com/qtforge/hotreload/core/internal/engine"
)

// Kind says what an [Event] is about. The values are those of the C header.
//
// Since 1.0.0. See also [HealthCode].
type Kind int32

// The kinds of events. The list may grow: ignore kinds that you do not know.
//
// Since 1.0.0. See also [Manager.SetEventCallback].
const (
	// FileChanged: the file has a new, complete version. Load [Event].Snapshot with safe
	// reload, otherwise Path.
	FileChanged Kind = 1
	// Enabled: Enable succeeded. It comes before every change of its id.
	Enabled Kind = 2
	// Disabled: Disable or Clear ended the watching. It is the last event of its id. If
	// Enabled and Disabled of a plugin both wait, both are dropped when the plugin is
	// enabled again, or when more than 256 other such plugins wait.
	Disabled Kind = 3
	// FileRemoved: the file was removed, and stayed away for the quiet period. If something
	// that is no file stands in its place (a directory, a FIFO), Event.Message says what. If
	// the file comes back, that is a FileChanged.
	FileRemoved Kind = 4
	// Health: the library degraded or recovered. Event.Health says how; nothing is lost.
	Health Kind = 5
	// Rejected: safe reload rejected a version. Event.Message says why. The host keeps
	// the version that it has.
	Rejected Kind = 6
	// Rollback: ReportReload said that a version failed. Event.Generation and
	// Event.Snapshot are the last good version, 0 and "" if there is none.
	Rollback Kind = 7
	// Discovered: the folder Event.FolderID has found a plugin and enabled it. Of a new file
	// it comes when the first version is complete, directly before the FileChanged of that
	// version, and Generation is 1. Of a file that was there when the folder was enabled, and
	// that is not to be delivered, it comes at once, and Generation is 0.
	Discovered Kind = 8
)

// String returns the kind's name, "Kind(12)" for one that is not known.
func (k Kind) String() string { return nameOf(kindNames, k, "Kind") }

var kindNames = map[Kind]string{FileChanged: "FileChanged", Enabled: "Enabled", Disabled: "Disabled", FileRemoved: "FileRemoved",
	Health: "Health", Rejected: "Rejected", Rollback: "Rollback", Discovered: "Discovered"}

// HealthCode says what a [Health] event is about. The values are those of the C header.
//
// Since 1.0.0. See also [Stats], whose figures say the same.
type HealthCode int32

// The subjects of health events. The list may grow: log codes that you do not know.
//
// Since 1.0.0. See also [Event], whose Message says more.
const (
	// HealthOverflow: the system dropped notifications. Everything is compared with the
	// disk, so that no change is lost.
	HealthOverflow HealthCode = 1
	// HealthPolling: the directory Event.Path cannot be watched (no watches left, a file
	// system without notifications). It is compared every [Options].PollInterval.
	HealthPolling HealthCode = 2
	// HealthWatching: the directory Event.Path was polled and is watched again.
	HealthWatching HealthCode = 3
	// HealthImageIncomplete: [Options].CheckImage rejected a version of a plugin. The next
	// one is waited for.
	HealthImageIncomplete HealthCode = 4
	// HealthPanic: a fault, or a panic of a callback, was contained. Close the manager
	// and make a new one.
	HealthPanic HealthCode = 5
	// HealthUnreadable: a plugin's file cannot be read. It is waited for.
	HealthUnreadable HealthCode = 6
	// HealthReadable: that file can be read again.
	HealthReadable HealthCode = 7
	// HealthSnapshotFailed: no snapshot could be made (disk full, directory gone). It is
	// tried again after 1 s, doubling to 1 minute, and at each change.
	HealthSnapshotFailed HealthCode = 8
	// HealthNoReport: the host did not report on a generation within [Safe].ReportTimeout.
	HealthNoReport HealthCode = 9
	// HealthHanging: the file system at Event.Path does not answer (a dead server). Its
	// plugins wait; all others go on.
	HealthHanging HealthCode = 10
	// HealthAnswering: that file system answers again.
	HealthAnswering HealthCode = 11
	// HealthDescriptors: the process closed file descriptors of the manager, or put other
	// files in their place. The manager opened others and compares everything with the
	// disk. Ask [Manager.EventFD] again.
	HealthDescriptors HealthCode = 12
	// HealthStaleMount: a plugin's file, or a directory on its path, is a mount point, and
	// what was mounted there was deleted or replaced. No new version can come before it is
	// mounted again.
	HealthStaleMount HealthCode = 13
	// HealthMissed: a change of a plugin's file was found that no notification reported.
	// Event.Path is the directory, or the file that is a mount point, whose watch is asked for
	// anew. If this happens there again, it is polled.
	HealthMissed HealthCode = 14
	// HealthHeldOpen: a process has held a plugin's file open for writing for
	// [Options].HeldAfter, and nothing about the file has changed for as long. Event.Message
	// names the process, if this one may examine it. It comes once, and again only after the
	// file was closed. The file is waited for, unless Options.DeliverHeld is on.
	HealthHeldOpen HealthCode = 15
	// HealthFolderLimit: a folder has more files or directories than
	// [FolderOptions].MaxFiles, or directories deeper than MaxDepth. Those beyond are not
	// watched.
	HealthFolderLimit HealthCode = 16
	// HealthFolderSkipped: the file Event.Path of a folder is not enabled, and perhaps others:
	// its id is another plugin's or malformed, or safe reload is not possible. It is tried
	// again when that plugin is disabled, and now and then.
	HealthFolderSkipped HealthCode = 17
	// HealthFolderUnreadable: the directory Event.Path of a folder is missing or cannot be
	// listed. It is waited for.
	HealthFolderUnreadable HealthCode = 18
	// HealthFolderReadable: that directory can be listed again.
	HealthFolderReadable HealthCode = 19
	// HealthPauseMarker: the pause marker Event.Path is there for [Options].MarkerAfter, or
	// cannot be asked for. Its build may have died. Its plugins wait until it is removed.
	HealthPauseMarker HealthCode = 20
)

// String returns the code's name without "Health", "None" for 0, "HealthCode(99)" for one
// that is not known.
func (c HealthCode) String() string { return nameOf(healthNames, c, "HealthCode") }

var healthNames = map[HealthCode]string{0: "None", HealthOverflow: "Overflow", HealthPolling: "Polling", HealthWatching: "Watching",
	HealthImageIncomplete: "ImageIncomplete", HealthPanic: "Panic", HealthUnreadable: "Unreadable", HealthReadable: "Readable",
	HealthSnapshotFailed: "SnapshotFailed", HealthNoReport: "NoReport", HealthHanging: "Hanging", HealthAnswering: "Answering",
	HealthDescriptors: "Descriptors", HealthStaleMount: "StaleMount", HealthMissed: "Missed", HealthHeldOpen: "HeldOpen",
	HealthFolderLimit: "FolderLimit", HealthFolderSkipped: "FolderSkipped", HealthFolderUnreadable: "FolderUnreadable",
	HealthFolderReadable: "FolderReadable",
	HealthPauseMarker:    "PauseMarker"}

// Event is what an event callback receives. It is a copy that the callback may keep.
//
// Since 1.0.0. See also [Manager.SetEventCallback].
type Event struct {
	Kind     Kind
	Sequence uint64 // 1, 2, … for each manager, in the order of delivery
	// Time is when this was decided: of a change without safe reload, when the file was
	// found complete; with safe reload, when it was validated.
	Time      time.Time
	FirstSeen time.Time // of a change: when its first notification came; otherwise as Time
	ID        string    // the plugin; "" for a Health event about the whole manager
	Path      string    // as it was given to Enable; of some Health events a directory; or ""
	// FolderID is the folder that has found the plugin, or that a Health event is about; ""
	// for a plugin that the host enabled itself.
	FolderID string
	// Generation counts the versions of this plugin that were delivered: 1, 2, … Of a
	// FileChanged it is that of the new version, of a FileRemoved that of the latest, of a
	// Rollback that of the last good one. Otherwise 0.
	Generation uint64
	// Failed is the generation that failed, of a Rollback; otherwise 0. If more than one
	// has failed since the last Rollback, it is the latest of them.
	Failed  uint64
	Health  HealthCode // of a Health event; otherwise 0
	Message string     // for people: one printable line of at most 1000 bytes, or ""

	// Snapshot is the private, read-only copy to load, with safe reload: of a FileChanged
	// the new version, of a Rollback the last good one; otherwise "". Its name was never
	// used before. It stays until the generation is superseded by [Safe].Keep good ones,
	// or has failed, or is released, or the plugin is disabled, or the manager is closed.
	Snapshot     string
	SnapshotSize int64 // in bytes; also of the version that was Rejected, if it was copied
	// SnapshotHash is the SHA-256 of Snapshot, 64 hexadecimal digits; also of the version
	// that was Rejected, if it was copied.
	SnapshotHash string
	// TrustedComment is the trusted comment of the signature of Snapshot, or of its
	// manifest, as printable text with a space for each tab. It was verified. Also of the
	// version that was Rejected, if its signature holds; otherwise "".
	TrustedComment string
}

func eventOf(e *engine.Event) Event {
	return Event{Kind: Kind(e.Kind), Sequence: e.Sequence, Time: e.Time, FirstSeen: e.FirstSeen, ID: e.ID, Path: e.Path, FolderID: e.FolderID,
		Generation: e.Generation, Failed: e.Failed, Health: HealthCode(e.Health), Message: e.Message,
		Snapshot: e.Snapshot, SnapshotSize: e.SnapshotSize, SnapshotHash: e.SnapshotHash,
		TrustedComment: e.TrustedComment}
}

// Candidate is a version that a [Validator] is asked about.
//
// Since 1.0.0. See also [Manager.SetValidator].
type Candidate struct {
	ID           string
	Path         string // as it was given to Enable; do not read it: it may have another version by now
	Snapshot     string // the private copy of the plugin's own file, which the host will load; read this
	SnapshotSize int64  // in bytes
	SnapshotHash string // SHA-256, 64 hexadecimal digits
	Generation   uint64 // what Event.Generation will be, if no other version is delivered before
	// TrustedComment is that of the signature, which was verified; see Event. "" without
	// Safe.PublicKeys.
	TrustedComment string
}

// Validator accepts a version (nil) or rejects it: the text of the error is the message
// of the [Rejected] event. It runs on a goroutine of the manager that is locked to its
// thread, one call at a time for each manager, and may take long: other plugins are
// delivered meanwhile. [Safe].ValidatorTimeout limits one call. It may call every method
// of the manager.
//
// Since 1.0.0. See also [Candidate] and [Manager.SetValidator].
type Validator func(Candidate) error

// Outcome is what a host reports of a generation. The values are those of the C header.
//
// Since 1.0.0. See also [Manager.ReportReload].
type Outcome int32

// The outcomes.
//
// Since 1.0.0. See also [Manager.ReportReload].
const (
	// ReloadOK: the generation is loaded. It is the good one now; snapshots of earlier
	// ones are removed, but for [Safe].Keep good ones.
	ReloadOK Outcome = 1
	// ReloadFailed: the generation does not work, or no longer works. A [Rollback] event
	// names the last good one, and the content is not delivered again once
	// [Safe].Retries are used up.
	ReloadFailed Outcome = 2
	// ReloadReleased: the host needs the generation's snapshot no longer. It is removed.
	ReloadReleased Outcome = 3
)

// String returns the outcome's name without "Reload", "Outcome(9)" for one that is not
// known.
func (o Outcome) String() string { return nameOf(outcomeNames, o, "Outcome") }

var outcomeNames = map[Outcome]string{ReloadOK: "OK", ReloadFailed: "Failed", ReloadReleased: "Released"}

func nameOf[T ~int32](names map[T]string, value T, what string) string {
	if name, known := names[value]; known {
		return name
	}
	return fmt.Sprintf("%s(%d)", what, int32(value))
}

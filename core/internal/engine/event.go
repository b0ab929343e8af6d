// SPDX-License-Identifier: MIT

package engine

import "github.com/qtforge/hotreload/core/internal/deliver"

// Event is what an event callback receives; its kinds and codes are documented in
// package deliver.
type (
	Event      = deliver.Event
	Kind       = deliver.Kind
	HealthCode = deliver.HealthCode
)

const (
	FileChanged = deliver.FileChanged
	Enabled     = deliver.Enabled
	Disabled    = deliver.Disabled
	FileRemoved = deliver.FileRemoved
	Health      = deliver.Health
	Rejected    = deliver.Rejected
	Rollback    = deliver.Rollback
	Discovered  = deliver.Discovered

	HealthOverflow        = deliver.HealthOverflow
	HealthPolling         = deliver.HealthPolling
	HealthWatching        = deliver.HealthWatching
	HealthImageIncomplete = deliver.HealthImageIncomplete
	HealthPanic           = deliver.HealthPanic
	HealthUnreadable      = deliver.HealthUnreadable
	HealthReadable        = deliver.HealthReadable
	HealthSnapshotFailed  = deliver.HealthSnapshotFailed
	HealthNoReport        = deliver.HealthNoReport
	HealthHanging         = deliver.HealthHanging
	HealthAnswering       = deliver.HealthAnswering
	HealthDescriptors     = deliver.HealthDescriptors
	HealthStaleMount      = deliver.HealthStaleMount
	HealthMissed          = deliver.HealthMissed
	HealthHeldOpen        = deliver.HealthHeldOpen

	HealthFolderLimit      = deliver.HealthFolderLimit
	HealthFolderSkipped    = deliver.HealthFolderSkipped
	HealthFolderUnreadable = deliver.HealthFolderUnreadable
	HealthFolderReadable   = deliver.HealthFolderReadable
	HealthPauseMarker      = deliver.HealthPauseMarker
)

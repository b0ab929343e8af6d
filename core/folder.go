// SPDX-License-Identifier: MIT

package core

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/engine"
)

// FolderOptions configure a folder. The zero value means all defaults.
//
// Since 1.0.0. See also [Manager.EnableFolder] and docs/folders.md.
type FolderOptions struct {
	// Include are patterns of the files that are plugins: "*.so", "fx/*.so", "**/*.so". A
	// pattern is compared with the whole path of a file in the folder, which has "/" between
	// names. "**" as a name stands for any number of directories. Without patterns every
	// file in the folder itself is a plugin.
	Include []string
	// Exclude are patterns of files that are no plugins, and of directories in which none are
	// looked for.
	Exclude []string
	// MaxDepth is how many directories below the folder are entered. 0: DefaultMaxDepth; else
	// 1 to 100.
	MaxDepth int
	// MaxFiles limits the plugins of the folder, and the directories in it. 0:
	// DefaultMaxFiles; else 1 to 1,000,000.
	MaxFiles int
	// AllowMissing permits that the directory does not exist yet.
	AllowMissing bool
	// DeliverPresent delivers the files that are there now, too, as first versions. Without
	// it their present versions count as known.
	DeliverPresent bool
	// Paused enables the folder paused: see [Manager.SetFolderPaused].
	Paused bool
	// ShortIDs gives a file its path in the folder without the last extension as its id:
	// "fx/echo" instead of "plugins/fx/echo.so".
	ShortIDs bool
	// AllNames permits plugins with names that temporary, backup, lock and hidden files have.
	AllNames bool
	// PauseMarker is the name of a file in the folder: while it is there, the folder is
	// paused. "": none.
	PauseMarker string

	// ID, if it is not nil, gives a file its id by its path in the folder, with "/" between
	// names; "" means that the file is no plugin. Equal paths must have equal ids. It runs on
	// a goroutine of the manager, one call at a time, and may call every method. A folder
	// that is enabled inside it has no plugins yet when EnableFolder returns. EnableFolder
	// waits for it: hold no lock that it takes.
	ID func(path string) string
	// Release, if it is not nil, runs exactly once, after the last call of ID, also if
	// EnableFolder fails.
	Release func()

	Quiet time.Duration // of each plugin: as in EnableOptions
	// Safe asks for safe reload of each plugin: as in EnableOptions, but Signature, Manifest
	// and PluginName are for one plugin.
	Safe *Safe
}

// Defaults of [FolderOptions].
//
// Since 1.0.0.
const (
	DefaultMaxDepth = engine.DefaultMaxDepth // 16
	DefaultMaxFiles = engine.DefaultMaxFiles // 100,000
)

func (o *FolderOptions) engine() engine.FolderOptions {
	return engine.FolderOptions{Include: o.Include, Exclude: o.Exclude, MaxDepth: o.MaxDepth, MaxFiles: o.MaxFiles,
		AllowMissing: o.AllowMissing, DeliverPresent: o.DeliverPresent, Paused: o.Paused, ShortIDs: o.ShortIDs, AllNames: o.AllNames,
		PauseMarker: o.PauseMarker, ID: o.ID, Release: o.Release, Quiet: o.Quiet, Safe: (*engine.Safe)(o.Safe)}
}

// EnableFolder begins to find plugins in a directory: each file that the options name is
// enabled while it is there. When EnableFolder returns, the files that are there are
// enabled, and none that comes goes unnoticed.
//
// id is any name of the caller's, as of a plugin; folders and plugins have names apart. The
// id of a plugin is the folder's id, "/", and the file's path in the folder, unless options
// say otherwise. What an id may not have is escaped; docs/folders.md has the rule.
//
// A new file is delivered when it is complete: a [Discovered] event and a [FileChanged] event
// follow one another. A file that is removed is delivered after the quiet period: a
// [FileRemoved] event, then a [Disabled] event. Plugins are also what links lead to, and
// neither FIFOs nor devices.
//
// Errors: ErrFileNotFound, ErrInvalidPath (also a path that is no directory),
// ErrAlreadyExists, ErrPermissionDenied, ErrInvalidArgument for id, a pattern or an option,
// ErrClosed, ErrPanic, ErrIO, ErrNoMemory.
//
// Since 1.0.0. See also [Manager.DisableFolder] and [FolderOptions].
func (m *Manager) EnableFolder(id, directory string, o FolderOptions) error {
	return public(m.engine.EnableFolder(id, directory, o.engine()))
}

// DisableFolder ends the search for plugins in the folder id, and disables those that it
// has found. It reports whether the folder was enabled. When it returns, no callback about one
// of its plugins is running or will run, nor FolderOptions.ID; inside a callback it does not
// wait for that callback.
//
// Errors: ErrClosed, ErrPanic.
//
// Since 1.0.0. See also [Manager.EnableFolder]; Clear ends folders, too.
func (m *Manager) DisableFolder(id string) (bool, error) {
	was, err := m.engine.DisableFolder(id)
	return was, public(err)
}

// Folders returns the ids of the enabled folders, sorted. The slice is the caller's.
//
// Errors: ErrClosed, ErrPanic.
//
// Since 1.0.0. See also [Manager.EnableFolder].
func (m *Manager) Folders() ([]string, error) {
	ids, err := m.engine.Folders()
	return ids, public(err)
}

// SetFolderPaused pauses the delivery of changes of the plugins of the folder id (on is
// true), or resumes it (false): as SetPluginPaused does of one plugin. New files wait as well. A pause
// by FolderOptions.PauseMarker goes on while the marker is there.
//
// Errors: ErrInvalidArgument for an id that is not enabled, ErrClosed, ErrPanic.
//
// Since 1.0.0. See also [Manager.IsFolderPaused].
func (m *Manager) SetFolderPaused(id string, on bool) error {
	return public(m.engine.SetFolderPaused(id, on))
}

// IsFolderPaused reports whether the folder id is paused, by SetFolderPaused or by its marker.
//
// Errors: ErrInvalidArgument for an id that is not enabled, ErrClosed, ErrPanic.
//
// Since 1.0.0. See also [Manager.SetFolderPaused].
func (m *Manager) IsFolderPaused(id string) (bool, error) {
	on, err := m.engine.IsFolderPaused(id)
	return on, public(err)
}

// SPDX-License-Identifier: MIT

package core

import (
	"errors"

	"github.com/qtforge/hotreload/core/internal/engine"
	"github.com/qtforge/hotreload/core/internal/printable"
)

// The kinds of failure. Test for them with [errors.Is].
var (
	ErrFileNotFound     = engine.ErrFileNotFound     // the path does not exist
	ErrInvalidPath      = engine.ErrInvalidPath      // empty, too long, a directory, a device or FIFO
	ErrAlreadyExists    = engine.ErrAlreadyExists    // the id is enabled already
	ErrPermissionDenied = engine.ErrPermissionDenied // the file is unreadable, or a directory of its path is not searchable
	ErrInvalidArgument  = engine.ErrInvalidArgument  // a value is out of range, empty or malformed
	ErrClosed           = engine.ErrClosed           // the manager is closed
	ErrNotSupported     = engine.ErrNotSupported     // not in this mode, or not on this system
	ErrPanic            = engine.ErrPanic            // a fault inside the library was contained
	ErrIO               = engine.ErrIO               // any other failure of the system
	ErrNoMemory         = engine.ErrNoMemory         // out of memory or file descriptors
)

// Error is every error that this package returns.
type Error struct {
	Kind error  // one of the kinds above
	Msg  string // names the value and what to do
	Err  error  // the system's error, or nil
}

// Error returns one printable line of at most 1000 bytes (see [Printable]).
func (e *Error) Error() string { return (*engine.Error)(e).Error() }

// Unwrap makes both the kind and the system's error visible to errors.Is.
func (e *Error) Unwrap() []error { return (*engine.Error)(e).Unwrap() }

// public makes an error of the engine one of this package.
func public(err error) error {
	if e, ok := errors.AsType[*engine.Error](err); ok {
		return (*Error)(e)
	}
	return err
}

// Printable returns text as one line that is safe to show: control characters,
// characters that are invisible or change the direction of writing, and bytes that
// are not UTF-8 appear as Go's escapes (\n, \x1b, \u202e, \u3164). If that is longer
// than most bytes, its middle is replaced by "…". It may be applied again, with the
// same result. It reads no more of a long text than it returns.
func Printable(text string, most int) string { return printable.Text(text, most) }

// Panic describes what recover returned to the caller, a deferred function, and names
// the place.
func Panic(recovered any) string { return engine.Panic(recovered) }

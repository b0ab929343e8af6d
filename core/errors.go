// SPDX-License-Identifier: MIT

package core

import (
	"errors"

	"github.com/qtforge/hotreload/core/internal/engine"
	"github.com/qtforge/hotreload/core/internal/printable"
)

// The kinds of failure. Each error of this package has one of them; test for it with
// [errors.Is]. After any of them but ErrPanic the manager is as it was before the call.
//
// Since 1.0.0. See also [Error].
var (
	// ErrFileNotFound: the path does not exist. [EnableOptions].AllowMissing permits that.
	ErrFileNotFound = engine.ErrFileNotFound
	// ErrInvalidPath: the path is empty, too long, a loop of links, or contains a NUL byte;
	// or it leads to a directory, a device, a FIFO or a socket.
	ErrInvalidPath = engine.ErrInvalidPath
	// ErrAlreadyExists: the id is enabled already. Disable it first.
	ErrAlreadyExists = engine.ErrAlreadyExists
	// ErrPermissionDenied: the file is not readable, a directory of its path is not
	// searchable, or others could exchange what lies in the snapshot directory.
	ErrPermissionDenied = engine.ErrPermissionDenied
	// ErrInvalidArgument: a value is out of range, empty or malformed. The message names
	// the value and its range.
	ErrInvalidArgument = engine.ErrInvalidArgument
	// ErrClosed: the manager is closed.
	ErrClosed = engine.ErrClosed
	// ErrNotSupported: the dispatch mode or the system does not offer this, or the plugin
	// is enabled without safe reload.
	ErrNotSupported = engine.ErrNotSupported
	// ErrPanic: a fault inside the library, or a panic of a callback, was contained. The
	// manager finds no further changes; what waits is still delivered. Stats and Close
	// work; close it and make a new one.
	ErrPanic = engine.ErrPanic
	// ErrIO: any other failure of the system. [Error].Err is what the system said.
	ErrIO = engine.ErrIO
	// ErrNoMemory: the process is out of memory or of file descriptors.
	ErrNoMemory = engine.ErrNoMemory
)

// Error is every error that this package returns. errors.Is finds both its kind and the
// system's error (fs.ErrNotExist, a syscall.Errno), errors.As the Error itself.
//
// Since 1.0.0. See also [ErrFileNotFound] and the other kinds.
type Error struct {
	Kind error  // one of the kinds: ErrFileNotFound and so on
	Msg  string // names the value and says what to do; it may contain any text of the caller's
	Err  error  // the system's error; nil if the system was not asked or did not fail
}

// Error returns one printable line of at most 1000 bytes: Msg, and Err in parentheses.
// See also [Printable].
func (e *Error) Error() string { return (*engine.Error)(e).Error() }

// Unwrap returns Kind, and Err if it is not nil, for [errors.Is] and [errors.As].
func (e *Error) Unwrap() []error { return (*engine.Error)(e).Unwrap() }

// public makes an error of the engine one of this package.
func public(err error) error {
	if e, ok := errors.AsType[*engine.Error](err); ok {
		return (*Error)(e)
	}
	return err
}

// Printable returns text as one line that is safe to show in a terminal or a log, of at
// most most bytes. Control characters, characters that are invisible or change the
// direction of writing, and bytes that are not UTF-8 appear as Go's escapes (\n, \x1b,
// \u202e, \u3164). If that is longer than most bytes, its middle is replaced by "…". It may
// be applied again, with the same result. It reads no more of a long text than it returns.
// It may be called on any goroutine.
//
// Since 1.0.0. See also [Error], whose text is printable already.
func Printable(text string, most int) string { return printable.Text(text, most) }

// Panic describes in one line what a panic was about, and names the file and the line
// where it happened. recovered is what recover returned to the caller, which must be a
// deferred function.
//
// Since 1.0.0. See also [Manager.Fault].
func Panic(recovered any) string { return engine.Panic(recovered) }

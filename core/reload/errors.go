// SPDX-License-Identifier: MIT

package reload

import (
	"errors"

	"github.com/qtforge/hotreload/core/internal/printable"
)

// The kinds of error; test with [errors.Is].
var (
	ErrInvalid = errors.New("invalid argument")
	ErrExists  = errors.New("it exists already")
	ErrUnknown = errors.New("it does not exist")
	ErrCycle   = errors.New("plugins need each other")
	ErrNeeded  = errors.New("other plugins need it")
	ErrClosed  = errors.New("the engine is closed")
	ErrFailed  = errors.New("the first version cannot be used")
	ErrBroken  = errors.New("a fault inside the engine was contained")
)

// Error is every error that this package returns.
type Error struct {
	Kind error  // one of the errors above
	Msg  string // names the value and what to do
}

// Error returns one printable line of at most 1000 bytes.
func (e *Error) Error() string { return printable.Text(e.Msg, printable.MaxMessage) }

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

func errorOf(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Msg: printable.Sprintf(format, args...)}
}

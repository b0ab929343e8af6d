// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// The kinds of failure; test with [errors.Is].
var (
	ErrFileNotFound     = errors.New("file not found")
	ErrInvalidPath      = errors.New("invalid path")
	ErrAlreadyExists    = errors.New("already enabled")
	ErrPermissionDenied = errors.New("permission denied")
	ErrInvalidArgument  = errors.New("invalid argument")
	ErrClosed           = errors.New("manager is closed")
	ErrNotSupported     = errors.New("not supported")
	ErrPanic            = errors.New("a fault inside the library was contained")
	ErrIO               = errors.New("input/output error")
	ErrNoMemory         = errors.New("out of memory or file descriptors")
)

// Error is every error that this package returns.
type Error struct {
	Kind error  // one of the sentinels above
	Msg  string // names the value and what to do
	Err  error  // the system's error, or nil
}

// Error returns one printable line of at most 1000 bytes (see Printable).
func (e *Error) Error() string {
	if e.Err != nil {
		return Printable(e.Msg+" ("+Printable(e.Err.Error(), maxForeign)+")", maxMessage)
	}
	return Printable(e.Msg, maxMessage)
}

// Unwrap makes both the kind and the system's error visible to errors.Is.
func (e *Error) Unwrap() []error {
	if e.Err != nil {
		return []error{e.Kind, e.Err}
	}
	return []error{e.Kind}
}

func fail(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Msg: message(format, args...)}
}

// pathError classifies what the system said about a plugin's path.
func pathError(id, path string, err error) *Error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	kind, before, name, after := ErrIO, "cannot examine ", quoted(path, maxForeign), ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind, before, after = ErrFileNotFound, "", " does not exist; check the path, or allow it to be missing"
	case errors.Is(err, syscall.ENOTDIR):
		kind, before, after = ErrFileNotFound, "", " does not exist: a part of the path is not a directory"
	case errors.Is(err, fs.ErrPermission):
		kind, before, after = ErrPermissionDenied, "no permission to read ", "; check the modes of the file and its directories"
	case errors.Is(err, syscall.ENAMETOOLONG):
		kind, before, after = ErrInvalidPath, "the path ", fmt.Sprintf(" is too long (%d bytes)", len(path))
		name = abbreviate(path)
	case errors.Is(err, syscall.ELOOP):
		kind, before, after = ErrInvalidPath, "", " is a loop of symbolic links"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		kind, before, after = ErrNoMemory, "cannot open ", ": no memory or file descriptors left"
	}
	return &Error{Kind: kind, Msg: message("plugin %q: %s%s%s", id, before, name, after), Err: err}
}

// abbreviate quotes s, shortened if it would drown the message it stands in.
func abbreviate(s string) string { return quoted(s, 80) }

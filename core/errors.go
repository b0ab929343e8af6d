package core

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

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Msg + " (" + e.Err.Error() + ")"
	}
	return e.Msg
}

// Unwrap makes both the kind and the system's error visible to errors.Is.
func (e *Error) Unwrap() []error {
	if e.Err != nil {
		return []error{e.Kind, e.Err}
	}
	return []error{e.Kind}
}

func fail(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, args...)}
}

// pathError classifies what the system said about a plugin's path.
func pathError(id, path string, err error) *Error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	e := &Error{Kind: ErrIO, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Kind, e.Msg = ErrFileNotFound, fmt.Sprintf("plugin %q: %q does not exist; check the path, or allow it to be missing", id, path)
	case errors.Is(err, syscall.ENOTDIR):
		e.Kind, e.Msg = ErrFileNotFound, fmt.Sprintf("plugin %q: %q does not exist: a part of the path is not a directory", id, path)
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Msg = ErrPermissionDenied, fmt.Sprintf("plugin %q: no permission to read %q; check the modes of the file and its directories", id, path)
	case errors.Is(err, syscall.ENAMETOOLONG):
		e.Kind, e.Msg = ErrInvalidPath, fmt.Sprintf("plugin %q: the path %s is too long (%d bytes)", id, abbreviate(path), len(path))
	case errors.Is(err, syscall.ELOOP):
		e.Kind, e.Msg = ErrInvalidPath, fmt.Sprintf("plugin %q: %q is a loop of symbolic links", id, path)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		e.Kind, e.Msg = ErrNoMemory, fmt.Sprintf("plugin %q: cannot open %q: no memory or file descriptors left", id, path)
	default:
		e.Msg = fmt.Sprintf("plugin %q: cannot examine %q", id, path)
	}
	return e
}

// abbreviate quotes s, shortened if it would drown the message it stands in.
func abbreviate(s string) string {
	const most = 64
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q…", s[:most])
}

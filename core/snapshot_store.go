package core

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// store is where a manager keeps its snapshots: a directory of its own inside
// the user's, locked as long as the process lives, so that another process can
// tell what a dead one has left. Only the worker uses it (vet.go).
//
//	base/PROCESS-RANDOM/.hotreload   the mark
//	base/PROCESS-RANDOM/N/NAME
type store struct {
	base string   // after prepare without links
	dir  string   // "" until the first snapshot, and after somebody removed it
	lock *os.File // of dir
	next uint64   // N
}

// The mark says that a directory is a store. It is made before anything else is
// made there. What is not marked is never removed, whatever its name: people put
// their own things into this directory, too. A process that is killed before it
// has made the mark leaves an empty directory.
const (
	markName = ".hotreload"
	markText = "Snapshots of libhotreload, which removes this directory when the process that made it has ended.\n" +
		"cb0f3a5e-6d1b-4d53-9b1e-2f1d0e7a8c64\n"
)

// prepare makes sure that the base directory exists and is the user's alone. From
// then on base is the path without links, so that nobody who may change a link
// can lead the host elsewhere.
func (s *store) prepare() error {
	if !filepath.IsAbs(s.base) {
		return fail(ErrInvalidArgument, "the snapshot directory %q is no absolute path", s.base)
	}
	real, err := privateDir(s.base, true)
	if insecure, ok := errors.AsType[*insecureError](err); ok {
		return fail(ErrPermissionDenied, "the snapshot directory %q %s; choose another one", s.base, insecure.why)
	}
	if err != nil {
		return &Error{Kind: ErrIO, Msg: message("cannot make the snapshot directory %q; choose another one", s.base), Err: err}
	}
	s.base = real
	return nil
}

// insecureError is why a directory is not the user's alone.
type insecureError struct{ why string }

func (e *insecureError) Error() string { return e.why }

func insecure(format string, args ...any) error { return &insecureError{message(format, args...)} }

// open makes the manager's own directory.
func (s *store) open() error {
	again := store{base: s.base}
	if err := again.prepare(); err != nil {
		return err
	}
	if again.base != s.base {
		return fail(ErrPermissionDenied, "the snapshot directory %q leads to %q now; choose one that nobody moves", s.base, again.base)
	}
	s.drop()
	for range 8 { // another process may take a new directory for a dead one's before it is locked
		random := maphash.Bytes(maphash.MakeSeed(), nil)
		dir := filepath.Join(s.base, fmt.Sprintf("%d-%08x", os.Getpid(), uint32(random)))
		if err := os.Mkdir(dir, 0o700); err != nil {
			if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return err
		}
		lock, err := lockDir(dir)
		if err == nil {
			if err = writeMark(dir, lock); err == nil {
				s.dir, s.lock = dir, lock
				return nil
			}
			_ = lock.Close()
		}
		if !errors.Is(err, errLocked) {
			_ = os.Remove(dir)
			return err
		}
	}
	return errorf("no new directory in %q stays there", s.base)
}

// drop gives the lock up, if there is one.
func (s *store) drop() {
	if s.lock != nil {
		_ = s.lock.Close()
	}
	s.dir, s.lock = "", nil
}

// close removes the manager's directory.
func (s *store) close() {
	if s.dir != "" {
		removeStore(s.dir, s.lock)
		s.dir, s.lock = "", nil
	}
}

// sweep removes what dead processes have left: directories with a name as open
// gives them, with the mark, and that nobody has locked.
func (s *store) sweep() {
	list, err := os.ReadDir(s.base)
	if err != nil {
		return
	}
	for _, d := range list {
		dir := filepath.Join(s.base, d.Name())
		if !d.IsDir() || dir == s.dir || !ourName(d.Name()) || !marked(dir) {
			continue
		}
		if lock, err := lockDir(dir); err == nil {
			removeStore(dir, lock)
		}
	}
}

// ourName reports whether a directory has a name as open gives them.
func ourName(name string) bool {
	for i, c := range name {
		if c == '-' && i > 0 {
			_, err := hex.DecodeString(name[i+1:])
			return err == nil && len(name) == i+9
		}
		if c < '0' || c > '9' {
			return false
		}
	}
	return false
}

// isNumber reports whether a name in a store is a snapshot's.
func isNumber(name string) bool {
	_, err := strconv.ParseUint(name, 10, 64)
	return err == nil
}

// begin makes the directory of a new snapshot, and the manager's if it is gone.
func (s *store) begin() (*snapshot, error) {
	for try := 0; ; try++ {
		if s.dir == "" {
			if err := s.open(); err != nil {
				return nil, err
			}
		}
		s.next++
		root := filepath.Join(s.dir, strconv.FormatUint(s.next, 10))
		err := os.Mkdir(root, 0o700)
		switch {
		case err == nil:
			return &snapshot{root: root}, nil
		case try == 2:
			return nil, err
		case errors.Is(err, fs.ErrNotExist):
			s.drop() // somebody removed it
		case errors.Is(err, fs.ErrPermission):
			_ = os.Chmod(s.dir, 0o700)
		case !errors.Is(err, fs.ErrExist):
			return nil, err
		}
	}
}

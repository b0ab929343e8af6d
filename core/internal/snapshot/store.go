// SPDX-License-Identifier: MIT

package snapshot

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/printable"
)

// Store is where a process keeps its snapshots: a directory of its own inside the
// base directory, locked as long as the process lives, so that another process can
// tell what a dead process has left.
//
//	base/PROCESS-RANDOM/.hotreload             the mark
//	base/PROCESS-RANDOM/d/d/d/d/d/d/d/d/N/NAME
type Store struct {
	// Step, if set, is called between the steps of Take; for tests.
	Step func(at string)

	standard bool       // the base directory was not chosen by the host
	opening  sync.Mutex // held while the directory is made; Close does not wait for it

	mu     sync.Mutex      // of the fields below; nothing that may block happens under it
	base   string          // without links
	dir    string          // "" until the first snapshot, and after somebody removed it
	lock   *os.File        // of dir
	user   int             // who made dir
	left   []left          // directories of other users that the process was
	next   uint64          // N
	active map[string]bool // names of the snapshots that calls of Take fill now
	closed bool
}

// left is a directory of another user.
type left struct {
	dir  string
	lock *os.File
	user int
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

// deep is where the snapshots are in a store. A plugin may look for files some
// directories above its own ("$ORIGIN/../../lib", Path(__file__).parents[3]). From a
// snapshot that leads to directories which belong to the user alone, and not to /tmp,
// where everybody may have put such files.
var deep = strings.Repeat(level+string(filepath.Separator), levels-1) + level

const (
	level  = "d"
	levels = 8
)

// Open makes sure that the base directory exists and is the user's alone, and opens
// a store in it. Nothing is made in the base directory before the first Take. The
// errors are *BaseError.
func Open(base string) (*Store, error) {
	real, err := prepare(base)
	if err != nil {
		return nil, err
	}
	return &Store{base: real}, nil
}

// OpenStandard is Open in the first base directory that is the user's alone and can
// be used: the usual ones, and if others have taken them, a directory of a random name
// that only this user can have made. Where nothing can be loaded from (a file system
// mounted noexec) comes last.
func OpenStandard() (*Store, error) {
	base, err := chooseBase()
	if err != nil {
		return nil, err
	}
	return &Store{base: base, standard: true}, nil
}

// chooseBase returns the base directory for OpenStandard, without links.
func chooseBase() (string, error) {
	var first error
	for _, noexec := range []bool{false, true} {
		for _, base := range standardBases() {
			if fsys.NoExec(filepath.Dir(base)) != noexec {
				continue
			}
			real, err := prepare(base)
			if err == nil {
				if err = mayMakeIn(real); err == nil {
					return real, nil
				}
				err = &BaseError{Dir: base, Err: err}
			}
			if first == nil {
				first = err
			}
		}
		if base, ok := ownBase(noexec); ok {
			return base, nil
		}
	}
	return "", first
}

// Base is the path of the base directory without links: nobody who may change a
// link can lead the host elsewhere.
func (s *Store) Base() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base
}

// BaseError says why a base directory cannot be used.
type BaseError struct {
	Dir string
	// Insecure says who could exchange the snapshots, or is "".
	Insecure string
	// Err is what the system said, or nil.
	Err error
}

func (e *BaseError) Error() string {
	switch {
	case e.Insecure != "":
		return printable.Sprintf("the snapshot directory %q %s; choose another one", e.Dir, e.Insecure)
	case e.Err != nil:
		return printable.Sprintf("cannot make the snapshot directory %q; choose another one", e.Dir)
	}
	return printable.Sprintf("the snapshot directory %q is no absolute path", e.Dir)
}

func (e *BaseError) Unwrap() error { return e.Err }

// prepare makes sure that the base directory exists and is the user's alone, and
// returns its path without links.
func prepare(base string) (string, error) {
	if !filepath.IsAbs(base) {
		return "", &BaseError{Dir: base}
	}
	real, err := privateDir(base, true)
	if insecure, ok := errors.AsType[*insecureError](err); ok {
		return "", &BaseError{Dir: base, Insecure: insecure.why}
	}
	if err != nil {
		return "", &BaseError{Dir: base, Err: err}
	}
	return real, nil
}

// insecureError is why a directory is not the user's alone.
type insecureError struct{ why string }

func (e *insecureError) Error() string { return e.why }

func insecure(format string, args ...any) error {
	return &insecureError{printable.Sprintf(format, args...)}
}

func (s *Store) step(at string) {
	if s.Step != nil {
		s.Step(at)
	}
}

// directory returns the store's own directory, and makes it if there is none.
func (s *Store) directory() (string, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	s.mu.Lock()
	s.leaveLocked()
	dir, closed := s.dir, s.closed
	s.mu.Unlock()
	if closed {
		return "", fsys.ErrStopped
	}
	if dir != "" {
		return dir, nil
	}
	dir, lock, err := s.create()
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.dir, s.lock, s.user = dir, lock, os.Geteuid()
	s.mu.Unlock()
	return dir, nil
}

// create makes a directory of this process.
func (s *Store) create() (string, *os.File, error) {
	base := s.Base()
	real, err := prepare(base)
	if err == nil && real != base {
		err = &BaseError{Dir: base, Insecure: printable.Sprintf("leads to %q now", real)}
	}
	if err == nil && s.standard {
		err = mayMakeIn(base)
	}
	if err != nil && s.standard { // the process may have become another user's
		if base, err = chooseBase(); err == nil {
			s.mu.Lock()
			s.base = base
			s.mu.Unlock()
		}
	}
	if err != nil {
		return "", nil, err
	}
	for range 8 { // another process may take a new directory for a dead one's before it is locked
		random := maphash.Bytes(maphash.MakeSeed(), nil)
		dir := filepath.Join(base, fmt.Sprintf("%d-%08x", os.Getpid(), uint32(random)))
		if err := os.Mkdir(dir, 0o700); err != nil {
			if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return "", nil, err
		}
		lock, err := lockDir(dir)
		if err == nil {
			if err = writeMark(dir, lock); err == nil {
				if err = os.MkdirAll(filepath.Join(dir, deep), 0o700); err == nil {
					return dir, lock, nil
				}
			}
			removeStore(dir, lock, func() {})
		}
		if !errors.Is(err, errLocked) {
			_ = os.Remove(dir)
			return "", nil, err
		}
	}
	return "", nil, printable.Errorf("no new directory in %q stays there", base)
}

// forget gives up a directory that somebody removed.
func (s *Store) forget(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == dir {
		_ = s.lock.Close()
		s.dir, s.lock = "", nil
	}
}

// Relock locks the store's directory anew if the host has closed the descriptor that holds
// the lock: without it another process takes the store for a dead one's.
func (s *Store) Relock() {
	s.opening.Lock()
	defer s.opening.Unlock()
	s.mu.Lock()
	dir, lock := s.dir, s.lock
	s.mu.Unlock()
	if dir == "" || isOpen(lock) || !exists(dir) {
		return
	}
	again, err := lockDir(dir)
	for try := 0; errors.Is(err, errLocked) && try < 50 && exists(dir); try++ {
		time.Sleep(10 * time.Millisecond) // the system may still be closing what held the lock
		again, err = lockDir(dir)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.dir != dir || s.lock != lock: // it was removed or given up meanwhile
		if err == nil {
			_ = again.Close()
		}
	case err == nil:
		s.lock = again
	default: // another process is removing it
		s.dir, s.lock = "", nil
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// isOpen reports whether the host has left the descriptor of a lock alone.
func isOpen(lock *os.File) bool {
	_, err := lock.Stat()
	return err == nil
}

// leaveLocked gives up the directory of a user that the process is no longer: that user could
// exchange what is there. It stays locked, for the process may become that user again, and
// has its directory back then.
func (s *Store) leaveLocked() {
	user := os.Geteuid()
	if s.dir == "" || s.user == user {
		return
	}
	s.left = append(s.left, left{s.dir, s.lock, s.user})
	s.dir, s.lock = "", nil
	if i := slices.IndexFunc(s.left, func(l left) bool { return l.user == user }); i >= 0 {
		s.dir, s.lock, s.user = s.left[i].dir, s.left[i].lock, user
		s.left = slices.Delete(s.left, i, i+1)
	}
}

// begin makes the directory of a new snapshot, and the store's if it is gone. If it
// returns no error, end must follow.
func (s *Store) begin() (root string, err error) {
	name := s.takeName("")
	defer func() {
		if err != nil {
			s.end(name)
		}
	}()
	s.Relock()
	for try := 0; ; try++ {
		dir, err := s.directory()
		if err != nil {
			return "", err
		}
		root = filepath.Join(dir, deep, name)
		err = os.Mkdir(root, 0o700)
		switch {
		case err == nil:
			return root, nil
		case try == 2:
			return "", err
		case errors.Is(err, fs.ErrNotExist):
			s.forget(dir)
		case errors.Is(err, fs.ErrPermission):
			if os.Chmod(filepath.Join(dir, deep), 0o700) != nil && s.standard {
				s.forget(dir)
			}
		case errors.Is(err, fs.ErrExist):
			name = s.takeName(name)
		default:
			return "", err
		}
	}
}

// takeName is the next name for a snapshot, in place of one that somebody else took. It
// is noted before the directory is made, so that Close leaves it to its Take.
func (s *Store) takeName(instead string) (name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active == nil {
		s.active = map[string]bool{}
	}
	delete(s.active, instead)
	s.next++
	name = strconv.FormatUint(s.next, 10)
	s.active[name] = true
	return name
}

// end is the end of one Take. The last one in a closed store removes the store.
func (s *Store) end(name string) {
	s.mu.Lock()
	delete(s.active, name)
	last := s.closed && len(s.active) == 0
	s.mu.Unlock()
	if last {
		s.remove()
	}
}

// Close removes the store with all its snapshots. It does not wait for a Take that
// is under way: that one removes its snapshot and the store when it comes back, and
// if the process ends before, the next Sweep does. Close itself removes files in the
// base directory, which takes as long as that file system does.
func (s *Store) Close() {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	dir, busy := s.dir, maps.Clone(s.active)
	s.mu.Unlock()
	switch {
	case !first:
	case len(busy) == 0:
		s.remove()
	case dir != "":
		dir = filepath.Join(dir, deep)
		list, _ := os.ReadDir(dir) // what cannot be listed is left to the last Take
		for _, d := range list {
			if name := d.Name(); isNumber(name) && !busy[name] {
				_ = removeSnapshot(filepath.Join(dir, name))
			}
		}
	}
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// remove removes the store, which nobody uses any more.
func (s *Store) remove() {
	s.mu.Lock()
	all := append(s.left, left{s.dir, s.lock, s.user})
	s.dir, s.lock, s.left = "", nil, nil
	s.mu.Unlock()
	for _, l := range all {
		if l.dir != "" {
			removeStore(l.dir, l.lock, func() {}) // as far as this user may
		}
	}
}

// Sweep removes what dead processes have left: directories with a name as create
// gives them, with the mark, and that nobody has locked. It calls at before each
// access with the path that is accessed.
func (s *Store) Sweep(at func(path string)) {
	base := s.Base()
	at(base)
	list, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, d := range list {
		dir := filepath.Join(base, d.Name())
		at(dir)
		if !d.IsDir() || !ourName(d.Name()) || !marked(dir) {
			continue
		}
		if lock, err := lockDir(dir); err == nil {
			removeStore(dir, lock, func() { at(dir) })
		}
	}
}

// ourName reports whether a directory has a name as create gives them.
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

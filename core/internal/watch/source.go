// SPDX-License-Identifier: MIT

package watch

import (
	"errors"
	"io/fs"
	"sync/atomic"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// Source reports what the system's notifications say. It has one user. Events of a
// directory are sent from the moment that Add returns. An event named like a
// watched directory may concern that directory itself or its entry in its parent.
// Names are not clean: what is in "/" is named "//name".
type Source interface {
	// Events delivers what happens. It is closed when the source has ended by itself,
	// because the host has closed its descriptor: another source must take its place.
	Events() <-chan fsnotify.Event
	// Errors delivers fsnotify.ErrEventOverflow when events were dropped.
	Errors() <-chan error
	// Mounts signals that a file system was mounted or unmounted somewhere.
	Mounts() <-chan struct{}
	// Add watches the directory at path (absolute, without links): for what
	// appears in it and goes and, if files, for what becomes of the files in it.
	// Adding it again adds the latter, and puts a new watch in the place of one
	// that the system has dropped. A file at path is watched itself: its events
	// have its path as their name, and when it is removed or renamed, the watch ends.
	// Add may block, because it looks the path up.
	Add(path string, files bool) error
	// Remove ends what Add began; the system may have dropped the watch already.
	// It may wait for an Add that blocks.
	Remove(path string)
	Close()
}

// Keeping is a Source whose events the system keeps until they are read, equal ones that
// follow one another as one.
type Keeping interface {
	Source
	// Room is how many events the system keeps. Beyond that it drops them.
	Room() int
	// Waiting is how many it keeps at the moment, at most.
	Waiting() int
}

const (
	// Buffer is how many events may wait for the user of a Source where the system keeps
	// few.
	Buffer = 1024
	// keptBuffer is the same where the system keeps as many as largeRoom. What is in the
	// buffer has been read one by one while the user let events wait.
	keptBuffer = 32
	largeRoom  = 16384
)

type fsnotifySource struct {
	w      *fsnotify.Watcher
	errs   chan error
	mounts *mountWatcher
	ended  atomic.Bool
	ears   *ears
	room   int // see Keeping
}

// errEnded is Add's when the host has closed the source's descriptor.
var errEnded = errors.New("the descriptor for notifications was closed by somebody else")

// Open returns a Source of the system's notifications.
func Open() (Source, error) {
	room, buffer := queueRoom(), uint(Buffer)
	if room >= largeRoom {
		buffer = keptBuffer
	}
	w, err := fsnotify.NewBufferedWatcher(buffer)
	if err != nil {
		return nil, err
	}
	s := &fsnotifySource{w: w, errs: make(chan error, 1), room: room}
	s.mounts = newMountWatcher(s.end)
	s.ears = newEars(s.overflowed, s.end)
	go s.drain()
	return s, nil
}

// drain always takes errors at once: fsnotify 1.10 sends some of them with its
// lock held, and Add or Remove would wait for that lock for ever.
// Only the overflow matters, and one is as good as many.
func (s *fsnotifySource) drain() {
	defer s.ended.Store(true)
	for err := range s.w.Errors {
		if errors.Is(err, fsnotify.ErrEventOverflow) {
			s.overflowed()
		}
	}
}

func (s *fsnotifySource) overflowed() {
	select {
	case s.errs <- fsnotify.ErrEventOverflow:
	default:
	}
}

func (s *fsnotifySource) Events() <-chan fsnotify.Event { return s.w.Events }
func (s *fsnotifySource) Errors() <-chan error          { return s.errs }
func (s *fsnotifySource) Mounts() <-chan struct{}       { return s.mounts.channel() }

// Add follows no link that stands on the path since it was walked: it may lead to a file
// system that hangs, and fsnotify reports nothing while it waits.
func (s *fsnotifySource) Add(path string, files bool) error {
	if s.ended.Load() {
		return errEnded
	}
	if fsys.LeadsThroughLink(path) {
		return &fs.PathError{Op: "watch", Path: path, Err: fs.ErrNotExist}
	}
	add := withNames
	if files {
		add = withFiles
	}
	err := add(s.w, path)
	if isForeign(err) {
		s.end()
	}
	return err
}

// end closes the channel of events, which tells the user of the source.
func (s *fsnotifySource) end() {
	if !s.ended.Swap(true) {
		go s.w.Close()
	}
}

// Remove may find that the system dropped the watch already: that is its aim.
// fsnotify 1.10 panics, with its tables intact, if another directory that is
// watched was moved to the path before the path was added again.
func (s *fsnotifySource) Remove(path string) {
	if s.ended.Load() {
		return
	}
	defer func() { _ = recover() }()
	_ = s.w.Remove(path)
}

func (s *fsnotifySource) Close() {
	s.ended.Store(true)
	_ = s.w.Close()
	s.mounts.close()
	s.ears.close()
}

// None stands in where the system has no room for another source: nothing can be
// added to it, so everything is polled.
type None struct{ Err error }

// Events never sends.
func (None) Events() <-chan fsnotify.Event { return nil }

// Errors never sends.
func (None) Errors() <-chan error { return nil }

// Mounts never signals.
func (None) Mounts() <-chan struct{} { return nil }

// Add fails.
func (s None) Add(string, bool) error { return s.Err }

// Remove does nothing.
func (None) Remove(string) {}

// Close does nothing.
func (None) Close() {}

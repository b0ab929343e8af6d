// SPDX-License-Identifier: MIT

package watch

import "github.com/fsnotify/fsnotify"

// Hearer is a Source that also hears of what this computer's programs do where nobody
// notifies of what others do, in a polled directory: on FUSE and network file systems, and
// to a file in a directory that this process may not read. That tells when a writer has
// closed the file. Events may be missing; nothing relies on them alone.
type Hearer interface {
	Source
	// Heard sends these events. It need not be the channel of Events.
	Heard() <-chan fsnotify.Event
	// Hear listens to the files in the directory at path, or to the file there. It waits as
	// long as the file system does. Repeated, it listens to what stands there by now.
	Hear(path string)
	// Deafen ends what Hear began. It does not wait.
	Deafen(path string)
}

// IsSilent reports whether the directory at a path without links is polled because its
// file system sends no notifications.
func (s *Set) IsSilent(path string) bool {
	d := s.dirAt(path)
	return d != nil && d.state == silent
}

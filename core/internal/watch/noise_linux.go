// SPDX-License-Identifier: MIT

package watch

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// sparedMask is what withFiles asks of the system, but for writes.
const sparedMask = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_MOVE_SELF | unix.IN_DELETE | unix.IN_DELETE_SELF |
	unix.IN_ATTRIB | unix.IN_CLOSE_WRITE | unix.IN_ONLYDIR

// Spare implements Sparing. fsnotify only adds to what a watch reports, and to remove and
// add the watch would lose what happens in between. The kernel puts this mask in the place
// of the former one; fsnotify's Add brings that back.
func (s *fsnotifySource) Spare(path string) error {
	fd := descriptorOf(s.w)
	switch {
	case s.ended.Load():
		return errEnded
	case fd < 0:
		return errors.ErrUnsupported
	case fsys.LeadsThroughLink(path):
		return &fs.PathError{Op: "watch", Path: path, Err: fs.ErrNotExist}
	}
	_, err := unix.InotifyAddWatch(fd, path, sparedMask)
	if isForeign(err) {
		s.end()
	}
	return err
}

// Room implements Keeping.
func (s *fsnotifySource) Room() int { return s.room }

// Waiting implements Keeping. An event of a file takes 32 bytes or more.
func (s *fsnotifySource) Waiting() int {
	fd := descriptorOf(s.w)
	if s.ended.Load() || fd < 0 {
		return s.room
	}
	bytes, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil {
		return s.room
	}
	return bytes / (2 * unix.SizeofInotifyEvent)
}

// queueRoom is how many notifications the kernel keeps for each source that is opened now;
// 0 if that is not known.
func queueRoom() int {
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}

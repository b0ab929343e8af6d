// SPDX-License-Identifier: MIT

package fsys

import (
	"errors"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// openWithoutWaiting opens the regular file at the end of a path. What else stands
// there is not opened: that alone rewinds a tape, starts a watchdog, or wakes a process
// that waits to write to a FIFO. O_PATH finds out what stands there without opening it,
// and the link in /proc then opens that very file, whatever stands at the path by then.
func openWithoutWaiting(path string) (*os.File, error) {
	found, err := openFD(path, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	in, err := fstat(found)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer closeIfStill(found, in.ID())
	switch {
	case in.Kind != Regular:
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	fd := -1
	if isLocal(found) {
		// Not /proc/self: a host's first thread may have ended.
		fd, err = openFD("/proc/thread-self/fd/"+strconv.Itoa(found), forReading)
	}
	if fd < 0 && (err == nil || errors.Is(err, fs.ErrNotExist)) {
		// A network file system asks its server only when a path is opened, and /proc
		// may not be mounted.
		fd, err = openFD(path, forReading)
	}
	if e, ok := err.(*fs.PathError); ok {
		e.Path = path
	}
	if err != nil {
		return nil, err
	}
	// Nothing waits on a regular file, and os.NewFile would ask the poller about one that is
	// opened so.
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFL, 0)
	return os.NewFile(uintptr(fd), path), nil
}

// closeIfStill closes a descriptor if it is still that of the file: the file system may
// have been slow, and the host may have closed all descriptors and opened others.
func closeIfStill(fd int, file ID) {
	if in, err := fstat(fd); err == nil && in.ID() == file {
		_ = unix.Close(fd)
	}
}

// isLocal reports whether a file is known to be on no network file system.
func isLocal(fd int) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && silentType(&st) == ""
}

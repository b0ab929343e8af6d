// SPDX-License-Identifier: MIT

package snapshot

import "golang.org/x/sys/unix"

// passThrough opens a directory that one may search but not list.
const passThrough = unix.O_PATH

// openBelow is openat that enters no other file system, bind mounts included.
func openBelow(parent int, name string, flags int) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_BENEATH}
	fd, err := unix.Openat2(parent, name, &how)
	if err == unix.ENOSYS || err == unix.EPERM { // before Linux 5.6, or a filter of system calls
		return openWithin(parent, name, flags)
	}
	return fd, err
}

package core

import (
	"os"

	"golang.org/x/sys/unix"
)

// reflink makes dst share src's blocks, copied on write; false where the file
// system cannot.
func reflink(dst, src *os.File) bool {
	return unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) == nil
}

// noexec reports whether nothing may be mapped executable in a directory.
func noexec(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Flags&unix.ST_NOEXEC != 0
}

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

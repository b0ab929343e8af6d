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

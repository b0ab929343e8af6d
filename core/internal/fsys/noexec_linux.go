// SPDX-License-Identifier: MIT

package fsys

import "golang.org/x/sys/unix"

// NoExec reports whether nothing in a directory may be mapped executable.
func NoExec(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Flags&unix.ST_NOEXEC != 0
}

// SPDX-License-Identifier: MIT

package fsys

import "golang.org/x/sys/unix"

// unreliableFilesystem names the file system at dir if its content may change below it:
// in the layer or directory that it lies over, or by a return to a snapshot.
func unreliableFilesystem(dir string) string {
	var st unix.Statfs_t
	for {
		switch unix.Statfs(dir, &st) {
		case nil:
			return unreliableType(uint32(st.Type))
		case unix.EINTR:
		default:
			return ""
		}
	}
}

func unreliableType(magic uint32) string {
	switch magic {
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	case aufs:
		return "aufs"
	case unix.ECRYPTFS_SUPER_MAGIC:
		return "eCryptfs"
	case zfs:
		return "ZFS"
	}
	return ""
}

// Magic numbers that golang.org/x/sys/unix does not have, from the sources of the file
// systems.
const (
	aufs = 0x61756673
	zfs  = 0x2fc12fc1
)

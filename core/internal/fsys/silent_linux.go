// SPDX-License-Identifier: MIT

package fsys

import "golang.org/x/sys/unix"

// silentFilesystem names the file system at dir if changes made elsewhere (on a
// server, in another kernel, by a user-space process) send no notifications.
func silentFilesystem(dir string) string {
	var st unix.Statfs_t
	for {
		switch unix.Statfs(dir, &st) {
		case nil:
			return silentType(&st)
		case unix.EINTR:
		case unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.EACCES, unix.ENAMETOOLONG:
			return "" // it is about the path
		default:
			return "a file system that does not say its type" // a FUSE process need not
		}
	}
}

func silentType(st *unix.Statfs_t) string {
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC:
		return "NFS"
	case unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC:
		return "SMB"
	case unix.FUSE_SUPER_MAGIC:
		return "FUSE"
	case unix.V9FS_MAGIC:
		return "9p"
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC, unix.CODA_SUPER_MAGIC:
		return "AFS or Coda"
	case unix.CEPH_SUPER_MAGIC:
		return "Ceph"
	case lustre, gpfs, gfs2, ocfs2, panfs, beegfs, orangefs:
		return "a cluster file system"
	case vboxsf, prlfs, vmhgfs:
		return "a folder shared by the virtual machine's host"
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC:
		return "a kernel interface"
	}
	return ""
}

// Magic numbers that golang.org/x/sys/unix does not have, from the sources of the
// file systems and of stat(1) in coreutils, which calls these remote.
const (
	lustre   = 0x0bd00bd0
	gpfs     = 0x47504653
	gfs2     = 0x01161970
	ocfs2    = 0x7461636f
	panfs    = 0xaad7aaea
	beegfs   = 0x19830326
	orangefs = 0x20030528
	vboxsf   = 0x786f4256
	prlfs    = 0x7c7c6673
	vmhgfs   = 0xbacbacbc
)

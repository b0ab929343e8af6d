package core

import "golang.org/x/sys/unix"

// silentFilesystem names the file system at dir if changes made elsewhere (on a
// server, in another kernel, by a user-space process) send no notifications.
func silentFilesystem(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return ""
	}
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
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC:
		return "a kernel interface"
	}
	return ""
}

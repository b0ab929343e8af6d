// SPDX-License-Identifier: MIT

package fsys

import "golang.org/x/sys/unix"

// Folds implements Disk.
func (OS) Folds(dir string) bool {
	var st unix.Statfs_t
	if restarted(func() error { return unix.Statfs(dir, &st) }) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.MSDOS_SUPER_MAGIC, unix.EXFAT_SUPER_MAGIC, ntfs, ntfs3, hfs, hfsPlus:
		return true
	case unix.EXT4_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC, bcachefs:
		return hasFoldFlag(dir)
	}
	return false
}

// Magic numbers that golang.org/x/sys/unix does not have.
const (
	ntfs     = 0x5346544e
	ntfs3    = 0x7366746e
	hfs      = 0x4244
	hfsPlus  = 0x482b
	bcachefs = 0xca451a4e
)

// hasFoldFlag reports whether chattr +F was set for a directory, where its file system
// has that.
func hasFoldFlag(dir string) bool {
	const folds = 0x40000000 // FS_CASEFOLD_FL
	fd, err := openFD(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
	if err != nil {
		return false
	}
	in, err := fstat(fd)
	if err != nil {
		return false
	}
	defer closeIfStill(fd, in.ID())
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	return err == nil && flags&folds != 0
}

func restarted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

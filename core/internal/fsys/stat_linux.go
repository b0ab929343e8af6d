// SPDX-License-Identifier: MIT

package fsys

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// Stat implements Disk.
func (OS) Stat(path string) (Info, error) { return statx(unix.AT_FDCWD, path, unix.AT_NO_AUTOMOUNT) }

// Lstat implements Disk.
func (OS) Lstat(path string) (Info, error) {
	return statx(unix.AT_FDCWD, path, unix.AT_NO_AUTOMOUNT|unix.AT_SYMLINK_NOFOLLOW)
}

func fstat(fd int) (Info, error) { return statx(fd, "", unix.AT_EMPTY_PATH) }

// statx says when a file was born, which stat(2) does not.
func statx(dir int, path string, flags int) (Info, error) {
	var st unix.Statx_t
	for {
		switch err := unix.Statx(dir, path, flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err {
		case nil:
			return infoOfStatx(&st), nil
		case unix.EINTR:
		case unix.ENOSYS, unix.EPERM: // kernels before 4.11, and sandboxes that know no statx
			return statxless(dir, path, flags)
		default:
			return Info{}, &fs.PathError{Op: "stat", Path: path, Err: err}
		}
	}
}

func statxless(dir int, path string, flags int) (Info, error) {
	in, err := statWith(path, func(st *unix.Stat_t) error {
		switch {
		case flags&unix.AT_EMPTY_PATH != 0:
			return unix.Fstat(dir, st)
		case flags&unix.AT_SYMLINK_NOFOLLOW != 0:
			return unix.Lstat(path, st)
		}
		return unix.Stat(path, st)
	})
	in.Mount = MountUnknown
	return in, err
}

func infoOfStatx(st *unix.Statx_t) Info {
	in := Info{
		Kind: kindOf(uint32(st.Mode)),
		Fingerprint: Fingerprint{Exists: true, Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Inode: st.Ino, Size: int64(st.Size),
			ModTime: nanoseconds(st.Mtime)},
		Changed: nanoseconds(st.Ctime),
		Linked:  st.Nlink > 1,
		Deleted: st.Nlink == 0,
		Mount:   mountOf(st),
	}
	// ext4 and xfs give a number to the next file as soon as it is free; the birth
	// time tells the two apart. Those on no block device do not (btrfs, tmpfs), or
	// show another birth time after chmod has copied a file up (overlayfs).
	if st.Dev_major != 0 && st.Mask&unix.STATX_BTIME != 0 {
		in.Fingerprint.Born = nanoseconds(st.Btime)
	}
	return in
}

// mountOf is what statx says; kernels before 5.8 do not.
func mountOf(st *unix.Statx_t) Mount {
	switch {
	case st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT == 0:
		return MountUnknown
	case st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		return Mounted
	}
	return NotMounted
}

func nanoseconds(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }

// MayRead implements Disk. It asks without opening the file. Some file systems
// know the answer only when the file is opened, so that a refusal is tried.
func (OS) MayRead(path string) error {
	if unix.Faccessat2(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS) == nil {
		return nil
	}
	return tryOpen(path)
}

package core

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

func (osDisk) stat(path string) (fileInfo, error) {
	return statx(unix.AT_FDCWD, path, unix.AT_NO_AUTOMOUNT)
}

func (osDisk) lstat(path string) (fileInfo, error) {
	return statx(unix.AT_FDCWD, path, unix.AT_NO_AUTOMOUNT|unix.AT_SYMLINK_NOFOLLOW)
}

func fstat(fd int) (fileInfo, error) { return statx(fd, "", unix.AT_EMPTY_PATH) }

// statx avoids os.Stat, which allocates; this runs for every hint. Unlike
// stat(2) it tells when a file was born.
func statx(dir int, path string, flags int) (fileInfo, error) {
	var st unix.Statx_t
	for {
		switch err := unix.Statx(dir, path, flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err {
		case nil:
			return infoOfStatx(&st), nil
		case unix.EINTR:
		case unix.ENOSYS, unix.EPERM: // kernels before 4.11, and sandboxes that know no statx
			return statxless(dir, path, flags)
		default:
			return fileInfo{}, &fs.PathError{Op: "stat", Path: path, Err: err}
		}
	}
}

func statxless(dir int, path string, flags int) (fileInfo, error) {
	return statWith(path, func(st *unix.Stat_t) error {
		switch {
		case flags&unix.AT_EMPTY_PATH != 0:
			return unix.Fstat(dir, st)
		case flags&unix.AT_SYMLINK_NOFOLLOW != 0:
			return unix.Lstat(path, st)
		}
		return unix.Stat(path, st)
	})
}

func infoOfStatx(st *unix.Statx_t) fileInfo {
	in := fileInfo{
		kind: kindOf(uint32(st.Mode)),
		fp: fingerprint{exists: true, dev: unix.Mkdev(st.Dev_major, st.Dev_minor), ino: st.Ino, size: int64(st.Size),
			mtime: nanoseconds(st.Mtime)},
		changed: nanoseconds(st.Ctime),
		linked:  st.Nlink > 1,
	}
	// ext4 and xfs give a number to the next file as soon as it is free; the birth
	// time tells the two apart. Those on no block device do not (btrfs, tmpfs), or
	// show another birth time after chmod has copied a file up (overlayfs).
	if st.Dev_major != 0 && st.Mask&unix.STATX_BTIME != 0 {
		in.fp.born = nanoseconds(st.Btime)
	}
	return in
}

func nanoseconds(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }

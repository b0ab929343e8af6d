package core

import (
	"io/fs"
	"strings"
	"unsafe"

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
		switch err := statxInto(&st, dir, path, flags); err {
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

func statxInto(st *unix.Statx_t, dir int, path string, flags int) error {
	const what = unix.STATX_BASIC_STATS | unix.STATX_BTIME
	var p pathArg
	if !p.set(path) {
		return unix.Statx(dir, path, flags, what, st)
	}
	_, _, err := unix.Syscall6(unix.SYS_STATX, uintptr(dir), uintptr(unsafe.Pointer(&p)), uintptr(flags), what, uintptr(unsafe.Pointer(st)), 0)
	if err != 0 {
		return err
	}
	return nil
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

// mayRead asks without opening the file. What the answer is when it may not is
// found by opening it: some file systems know only then.
func (osDisk) mayRead(path string) error {
	var p pathArg
	if p.set(path) {
		dir := unix.AT_FDCWD
		if _, _, err := unix.Syscall6(unix.SYS_FACCESSAT2, uintptr(dir), uintptr(unsafe.Pointer(&p)), unix.R_OK, unix.AT_EACCESS, 0, 0); err == 0 {
			return nil
		}
	}
	_, err := readable(path)
	return err
}

// open is open(2) for reading.
func open(path string, flags int) (int, error) {
	var p pathArg
	if !p.set(path) {
		return unix.Open(path, flags, 0)
	}
	dir := unix.AT_FDCWD
	fd, _, err := unix.Syscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(&p)), uintptr(flags), 0, 0, 0)
	if err != 0 {
		return -1, err
	}
	return int(fd), nil
}

// pathArg is a path as the kernel takes it, if it is not too long. The functions
// of package unix allocate memory for theirs, which is most of what a look would
// leave to the collector.
type pathArg [256]byte

func (p *pathArg) set(path string) bool {
	if len(path) >= len(p) || strings.IndexByte(path, 0) >= 0 {
		return false
	}
	p[copy(p[:], path)] = 0
	return true
}

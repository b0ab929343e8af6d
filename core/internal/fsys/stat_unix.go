// SPDX-License-Identifier: MIT

//go:build unix

package fsys

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

func statWith(path string, stat func(*unix.Stat_t) error) (Info, error) {
	var st unix.Stat_t
	for {
		err := stat(&st)
		if err == nil {
			return infoOf(&st), nil
		}
		if err != unix.EINTR {
			return Info{}, &fs.PathError{Op: "stat", Path: path, Err: err}
		}
	}
}

func infoOf(st *unix.Stat_t) Info {
	return Info{
		Kind: kindOf(uint32(st.Mode)),
		Fingerprint: Fingerprint{Exists: true, Dev: uint64(st.Dev), Inode: uint64(st.Ino), Size: st.Size,
			ModTime: unixNano(st.Mtim)},
		Changed: unixNano(st.Ctim),
		Linked:  st.Nlink > 1,
		Deleted: st.Nlink == 0,
	}
}

func kindOf(mode uint32) Kind {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return Regular
	case unix.S_IFDIR:
		return Directory
	case unix.S_IFLNK:
		return Link
	case unix.S_IFIFO:
		return FIFO
	case unix.S_IFSOCK:
		return Socket
	case unix.S_IFBLK, unix.S_IFCHR:
		return Device
	}
	return Other
}

func unixNano(t unix.Timespec) int64 { return int64(t.Sec)*1e9 + int64(t.Nsec) }

// tryOpen opens the file as its host would, and closes it again.
func tryOpen(path string) error {
	f, err := openWithoutWaiting(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// forReading waits for no other process, and makes no terminal the process's own.
const forReading = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY

func openFD(path string, flags int) (int, error) {
	for {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		switch err {
		case nil:
			return fd, nil
		case unix.EINTR:
		default:
			return -1, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

func (f osFile) Stat() (Info, error) { return fstat(int(f.Fd())) }

// WorkingDirectory asks the system; os.Getwd would trust $PWD.
func WorkingDirectory() (string, error) {
	buf := make([]byte, 4097)
	n, err := unix.Getcwd(buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n-1]), nil
}

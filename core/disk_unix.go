//go:build unix

package core

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

func statWith(path string, stat func(*unix.Stat_t) error) (fileInfo, error) {
	var st unix.Stat_t
	for {
		err := stat(&st)
		if err == nil {
			return infoOf(&st), nil
		}
		if err != syscall.EINTR {
			return fileInfo{}, &fs.PathError{Op: "stat", Path: path, Err: err}
		}
	}
}

func infoOf(st *unix.Stat_t) fileInfo {
	return fileInfo{
		kind: kindOf(uint32(st.Mode)),
		fp: fingerprint{exists: true, dev: uint64(st.Dev), ino: uint64(st.Ino), size: st.Size,
			mtime: unixNano(st.Mtim)},
		changed: unixNano(st.Ctim),
		linked:  st.Nlink > 1,
	}
}

func kindOf(mode uint32) fileKind {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return kindFile
	case unix.S_IFDIR:
		return kindDir
	case unix.S_IFLNK:
		return kindLink
	}
	return kindOther
}

func unixNano(t unix.Timespec) int64 { return int64(t.Sec)*1e9 + int64(t.Nsec) }

// readable opens the file as its host would, and closes it again.
func readable(path string) (fileInfo, error) {
	fd, err := openRead(path, 0)
	if err != nil {
		return fileInfo{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	return fstat(fd)
}

// unopened is the verdict on a file that cannot be opened.
func unopened(err error) verdict {
	if err == unix.EACCES || err == unix.EPERM {
		return denied
	}
	return unknown
}

// openRead never waits: not for a FIFO's writer, not for a terminal.
func openRead(path string, flags int) (int, error) {
	for {
		fd, err := open(path, flags|unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// workingDirectory asks the system; os.Getwd would trust $PWD.
func workingDirectory() (string, error) {
	buf := make([]byte, 4097)
	n, err := unix.Getcwd(buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n-1]), nil
}

// SPDX-License-Identifier: MIT

//go:build unix

package deliver

import "golang.org/x/sys/unix"

// signal is a descriptor that polls readable while it is set: a pipe with a byte in it.
// A pipe has an inode of its own, by which it is recognised: a host that closes all
// descriptors soon has other files under the numbers. An event descriptor has none.
type signal struct {
	fd, w int
	id    inode
}

type inode struct{ dev, ino uint64 }

func newSignal() (signal, error) {
	p, err := pipe()
	if err != nil {
		return signal{}, err
	}
	return signal{fd: p[0], w: p[1], id: inodeOf(p[0])}, nil
}

// inodeOf is what a descriptor stands for; zero if there is none.
func inodeOf(fd int) inode {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return inode{}
	}
	return inode{uint64(st.Dev), uint64(st.Ino)}
}

// isOurs reports whether both ends are still what they were.
func (s signal) isOurs() bool { return inodeOf(s.fd) == s.id && inodeOf(s.w) == s.id }

func (s signal) set(on bool) {
	var b [1]byte
	if on {
		_, _ = unix.Write(s.w, b[:])
	} else {
		_, _ = unix.Read(s.fd, b[:])
	}
}

func (s signal) close() {
	for _, fd := range []int{s.fd, s.w} {
		if inodeOf(fd) == s.id {
			_ = unix.Close(fd)
		}
	}
}

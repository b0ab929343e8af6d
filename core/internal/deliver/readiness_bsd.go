// SPDX-License-Identifier: MIT

//go:build unix && !linux

package deliver

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// signal is a descriptor that polls readable while it is set: a pipe with a byte in
// it.
type signal struct{ fd, w int }

func newSignal() (signal, error) {
	var p [2]int
	// As in package os: no fork may happen between the two steps.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(p[:]); err != nil {
		return signal{}, err
	}
	for _, fd := range p {
		unix.CloseOnExec(fd)
		_ = unix.SetNonblock(fd, true)
	}
	return signal{fd: p[0], w: p[1]}, nil
}

func (s signal) set(on bool) {
	var b [1]byte
	if on {
		_, _ = unix.Write(s.w, b[:])
	} else {
		_, _ = unix.Read(s.fd, b[:])
	}
}

func (s signal) close() {
	_ = unix.Close(s.fd)
	_ = unix.Close(s.w)
}

// SPDX-License-Identifier: MIT

//go:build unix && !linux

package engine

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// readiness is a descriptor that polls readable while it is set: a pipe with a
// byte in it.
type readiness struct {
	fd, w int
	set   bool
	asked bool // somebody polls it
}

func newReadiness() (*readiness, error) {
	var p [2]int
	// As in package os: no fork may happen between the two steps.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(p[:]); err != nil {
		return nil, err
	}
	for _, fd := range p {
		unix.CloseOnExec(fd)
		_ = unix.SetNonblock(fd, true)
	}
	return &readiness{fd: p[0], w: p[1]}, nil
}

func (r *readiness) update(on bool) {
	if r.set == on {
		return
	}
	r.set = on
	var b [1]byte
	if on {
		_, _ = unix.Write(r.w, b[:])
	} else {
		_, _ = unix.Read(r.fd, b[:])
	}
}

func (r *readiness) close() {
	_ = unix.Close(r.fd)
	_ = unix.Close(r.w)
}

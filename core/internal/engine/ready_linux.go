// SPDX-License-Identifier: MIT

package engine

import "golang.org/x/sys/unix"

// readiness is a descriptor that polls readable while it is set.
type readiness struct {
	fd    int
	set   bool
	asked bool // somebody polls it
}

func newReadiness() (*readiness, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	return &readiness{fd: fd}, nil
}

func (r *readiness) update(on bool) {
	if r.set == on {
		return
	}
	r.set = on
	var one = [8]byte{1: 1}
	if on {
		_, _ = unix.Write(r.fd, one[:])
	} else {
		_, _ = unix.Read(r.fd, one[:])
	}
}

func (r *readiness) close() { _ = unix.Close(r.fd) }

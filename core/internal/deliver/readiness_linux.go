// SPDX-License-Identifier: MIT

package deliver

import "golang.org/x/sys/unix"

// signal is a descriptor that polls readable while it is set.
type signal struct{ fd int }

func newSignal() (signal, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return signal{fd}, err
}

func (s signal) set(on bool) {
	one := [8]byte{1: 1} // not 0, in either byte order
	if on {
		_, _ = unix.Write(s.fd, one[:])
	} else {
		_, _ = unix.Read(s.fd, one[:])
	}
}

func (s signal) close() { _ = unix.Close(s.fd) }

// SPDX-License-Identifier: MIT

//go:build unix && !linux

package deliver

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// pipe makes a pipe that no program of the host inherits.
func pipe() (p [2]int, err error) {
	// As in package os: no fork may happen between the steps.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(p[:]); err != nil {
		return p, err
	}
	for _, fd := range p {
		unix.CloseOnExec(fd)
		_ = unix.SetNonblock(fd, true)
	}
	return p, nil
}

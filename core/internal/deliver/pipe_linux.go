// SPDX-License-Identifier: MIT

package deliver

import "golang.org/x/sys/unix"

// pipe makes a pipe that no program of the host inherits.
func pipe() (p [2]int, err error) {
	err = unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK)
	return p, err
}

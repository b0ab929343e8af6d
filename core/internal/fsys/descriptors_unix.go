// SPDX-License-Identifier: MIT

//go:build unix

package fsys

import "golang.org/x/sys/unix"

// HaveDescriptors returns the system's error if fewer than n descriptors can be opened.
func HaveDescriptors(n int) (err error) {
	for range n {
		fd, e := unix.Open("/", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_DIRECTORY, 0)
		if e == unix.EACCES { // "/" may not be listed: another way to one descriptor
			fd, e = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		}
		if e != nil {
			return e
		}
		defer unix.Close(fd)
	}
	return nil
}

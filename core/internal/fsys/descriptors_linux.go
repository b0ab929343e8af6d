// SPDX-License-Identifier: MIT

package fsys

import "golang.org/x/sys/unix"

// HaveDescriptors returns the system's error if fewer than n descriptors can be had.
func HaveDescriptors(n int) error {
	for range n {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
	}
	return nil
}

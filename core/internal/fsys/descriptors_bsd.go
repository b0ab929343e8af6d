// SPDX-License-Identifier: MIT

//go:build unix && !linux

package fsys

import "golang.org/x/sys/unix"

// HaveDescriptors returns the system's error if fewer than n descriptors can be had.
func HaveDescriptors(n int) error {
	for range (n + 1) / 2 {
		var ends [2]int
		if err := unix.Pipe(ends[:]); err != nil {
			return err
		}
		for _, fd := range ends {
			unix.CloseOnExec(fd)
			defer unix.Close(fd)
		}
	}
	return nil
}

// SPDX-License-Identifier: MIT

//go:build unix && !linux

package snapshot

import "golang.org/x/sys/unix"

// passThrough opens a directory that may be listed: there is no O_PATH.
const passThrough = unix.O_RDONLY

func openBelow(parent int, name string, flags int) (int, error) {
	return openWithin(parent, name, flags)
}

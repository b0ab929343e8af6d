// SPDX-License-Identifier: MIT

package snapshot

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// passThrough opens a directory that one may search but not list.
const passThrough = unix.O_PATH

// openBelow is openat that enters no other file system, bind mounts included.
func openBelow(parent int, name string, flags int) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_BENEATH}
	fd, err := unix.Openat2(parent, name, &how)
	if err == unix.ENOSYS || err == unix.EPERM { // before Linux 5.6, or a filter of system calls
		return openWithin(parent, name, flags)
	}
	return fd, err
}

// unmapped reports whether a user stands for all those whom this process's user
// namespace does not know.
func unmapped(uid uint32) bool {
	overflow, err := os.ReadFile("/proc/sys/kernel/overflowuid")
	if err != nil || strings.TrimSpace(string(overflow)) != strconv.FormatUint(uint64(uid), 10) {
		return false
	}
	mapping, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(mapping)) {
		var inside, outside, count uint64
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err != nil || inside <= uint64(uid) && uint64(uid)-inside < count {
			return false
		}
	}
	return true
}

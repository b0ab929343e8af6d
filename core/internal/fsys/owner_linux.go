// SPDX-License-Identifier: MIT

package fsys

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// standsForUnknown reports whether users whom this user namespace does not know are
// shown as uid.
func standsForUnknown(uid uint32) bool {
	if uid != overflowUser() {
		return false
	}
	known := uint64(0)
	ranges, ok := userRanges()
	for _, r := range ranges {
		known += r.count
	}
	return ok && known < 1<<32-1
}

// isUnmapped reports whether uid is nobody but those users.
func isUnmapped(uid uint32) bool {
	if uid != overflowUser() {
		return false
	}
	ranges, ok := userRanges()
	for _, r := range ranges {
		ok = ok && (uint64(uid) < r.first || uint64(uid)-r.first >= r.count)
	}
	return ok
}

var overflowUser = sync.OnceValue(func() uint32 {
	text, err := os.ReadFile("/proc/sys/kernel/overflowuid")
	uid, err2 := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil || err2 != nil {
		return 65534
	}
	return uint32(uid)
})

// userRange are users whom the user namespace knows.
type userRange struct{ first, outside, count uint64 }

func userRanges() (ranges []userRange, ok bool) {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return nil, false
	}
	for line := range strings.Lines(string(text)) {
		var r userRange
		if _, err := fmt.Sscan(line, &r.first, &r.outside, &r.count); err != nil {
			return nil, false
		}
		ranges = append(ranges, r)
	}
	return ranges, true
}

// SPDX-License-Identifier: MIT

package fsys

import (
	"bufio"
	"os"
	"strings"
)

// MountOf returns the mount point that a path lies on, by the path's text alone:
// it asks nothing of the file system, which may hang. The path leads through no
// links.
func MountOf(path string) string {
	best := "/"
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return best
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text()) // proc(5): the fifth is the mount point
		if len(fields) < 5 {
			continue
		}
		point := unescape(fields[4])
		if len(point) > len(best) && (path == point || strings.HasPrefix(path, point+"/")) {
			best = point
		}
	}
	return best
}

// unescape undoes what the kernel does to spaces and the like: \040.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c := (s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'); s[i+1] <= '3' {
				b.WriteByte(c)
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

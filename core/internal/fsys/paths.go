// SPDX-License-Identifier: MIT

package fsys

import (
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// MaxLinks is how many links a path may go through, as the Linux kernel has it.
const MaxLinks = 40

// SplitRoot separates an absolute path into its root ("/", `C:\`) and the rest.
func SplitRoot(path string) (root, rest string) {
	v := len(filepath.VolumeName(path))
	if v == 0 {
		return string(filepath.Separator), path
	}
	return path[:v] + string(filepath.Separator), path[v:]
}

// NextName separates the first name from what SplitRoot left. The name is "" if
// there is none.
func NextName(path string) (name, rest string) {
	for name == "" || name == "." {
		for path != "" && isSeparator(rune(path[0])) {
			path = path[1:]
		}
		if path == "" {
			return "", ""
		}
		n := 1
		for n < len(path) && !isSeparator(rune(path[n])) {
			n++
		}
		name, path = path[:n], path[n:]
	}
	return name, path
}

// SplitPath separates the last name from an absolute path.
func SplitPath(path string) (dir, name string) {
	i := len(path) - 1
	for i >= 0 && !isSeparator(rune(path[i])) {
		i--
	}
	dir, name = path[:i+1], path[i+1:]
	if v := len(filepath.VolumeName(path)); len(dir) > v+1 {
		dir = dir[:len(dir)-1]
	}
	return dir, name
}

func isSeparator(c rune) bool { return c == '/' || c == filepath.Separator }

// JoinPath is the path of a name in a directory. Unlike filepath.Join it keeps
// "..", which after a link leads elsewhere than it seems to.
func JoinPath(dir, name string) string {
	if isSeparator(rune(dir[len(dir)-1])) {
		return dir + name
	}
	return dir + string(filepath.Separator) + name
}

// ResolveLink is where a link with this text in the real directory dir leads.
func ResolveLink(dir, text string) string {
	if filepath.IsAbs(text) {
		return text
	}
	return JoinPath(dir, text)
}

// MayBeSame reports whether two names may be one name in a directory that folds names. Which
// form of a letter outside of ASCII is another one depends on the file system: all of these
// may be the same, and one check too many is made.
func MayBeSame(a, b string) bool {
	return strings.EqualFold(a, b) || !isASCII(a) && !isASCII(b)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

package core

import (
	"path/filepath"
	"unsafe"
)

// splitRoot separates an absolute path into its root ("/", `C:\`) and the rest.
func splitRoot(path string) (root, rest string) {
	v := len(filepath.VolumeName(path))
	if v == 0 {
		return string(filepath.Separator), path
	}
	return path[:v] + string(filepath.Separator), path[v:]
}

// nextName separates the first name from what splitRoot left; "" if there is none.
func nextName(path string) (name, rest string) {
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

// splitPath separates the last name from an absolute path.
func splitPath(path string) (dir, name string) {
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

func joinPath(dir, name string) string {
	if isSeparator(rune(dir[len(dir)-1])) {
		return dir + name
	}
	return dir + string(filepath.Separator) + name
}

// pathBuffer joins paths without allocating.
type pathBuffer []byte

// join returns a path in memory that the next call reuses.
func (b *pathBuffer) join(dir, name string) string {
	*b = append((*b)[:0], dir...)
	if !isSeparator(rune(dir[len(dir)-1])) {
		*b = append(*b, filepath.Separator)
	}
	*b = append(*b, name...)
	return unsafe.String(unsafe.SliceData(*b), len(*b))
}

// resolveLink is where a link with this text in the real directory dir leads.
func resolveLink(dir, text string) string {
	if filepath.IsAbs(text) {
		return text
	}
	return joinPath(dir, text)
}

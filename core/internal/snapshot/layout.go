// SPDX-License-Identifier: MIT

package snapshot

import (
	"fmt"
	"path/filepath"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// Member is one file of a plugin.
type Member struct {
	Path string // absolute
	Name string // its place in the snapshot, relative
}

// ApartError says that two files of a plugin have no directory in common.
type ApartError struct{ One, Other string }

func (e *ApartError) Error() string {
	return fmt.Sprintf("%q and %q have no directory in common", e.One, e.Other)
}

// Layout gives the files of a plugin, its own first, places that keep their
// relative positions. The paths are absolute and clean.
func Layout(files []string) ([]Member, error) {
	root := filepath.Dir(files[0])
	for _, f := range files[1:] {
		for {
			if _, ok := Below(root, f); ok {
				break
			}
			up := filepath.Dir(root)
			if up == root {
				return nil, &ApartError{files[0], f}
			}
			root = up
		}
	}
	members := make([]Member, 0, len(files))
	for _, f := range files {
		name, _ := Below(root, f)
		members = append(members, Member{f, name})
	}
	return members, nil
}

// Below is where path is below the directory root; both are clean.
func Below(root, path string) (name string, ok bool) {
	prefix := fsys.JoinPath(root, "")
	if len(path) > len(prefix) && fsys.NameKey(path[:len(prefix)]) == fsys.NameKey(prefix) {
		return path[len(prefix):], true
	}
	return "", false
}

// SPDX-License-Identifier: MIT

//go:build unix

package verify

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// StrictPath says who else could exchange the file at path: every directory,
// link and file on the way must belong to the user or root and be writable by
// nobody else. "" if nobody could.
func StrictPath(path string) string { return StrictFrom(path, map[string]bool{}) }

// StrictFrom is StrictPath that takes the paths in seen for strict, and adds to them.
func StrictFrom(path string, seen map[string]bool) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err.Error()
	}
	if why := strictWalk(path, seen, 0); why != "" {
		return why
	}
	return strictWalk(real, seen, 0)
}

func strictWalk(path string, seen map[string]bool, links int) string {
	if seen[path] {
		return ""
	}
	seen[path] = true
	// Not lexically: a ".." goes up from where the link before it really leads.
	if dir, _ := fsys.SplitPath(path); dir != path {
		if why := strictWalk(dir, seen, links); why != "" {
			return why
		}
	}
	st, err := os.Lstat(path)
	if err != nil {
		return err.Error()
	}
	if why := strictMode(path, st); why != "" || st.Mode()&fs.ModeSymlink == 0 {
		return why
	}
	target, err := os.Readlink(path)
	if err != nil {
		return err.Error()
	}
	if links++; links > fsys.MaxLinks {
		return fmt.Sprintf("%q is a loop of links", path)
	}
	if !filepath.IsAbs(target) {
		dir, _ := fsys.SplitPath(path)
		if dir, err = filepath.EvalSymlinks(dir); err != nil {
			return err.Error()
		}
		target = fsys.JoinPath(dir, target)
	}
	return strictWalk(target, seen, links)
}

// strictFile says who else could write to an open file; "" if nobody could.
func strictFile(f *os.File) string {
	st, err := f.Stat()
	if err != nil {
		return err.Error()
	}
	return strictMode(f.Name(), st)
}

// strictMode says why the owner and mode of what stands at path are not strict.
func strictMode(path string, st fs.FileInfo) string {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Uid != 0 && int(sys.Uid) != os.Geteuid() {
		return fmt.Sprintf("%q belongs to user %d", path, sys.Uid)
	}
	if st.Mode()&fs.ModeSymlink == 0 && st.Mode().Perm()&0o022 != 0 {
		return fmt.Sprintf("%q is writable by others (mode %#o)", path, st.Mode().Perm())
	}
	return ""
}

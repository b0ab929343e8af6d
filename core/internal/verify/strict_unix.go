// SPDX-License-Identifier: MIT

//go:build unix

package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// StrictPath says who else could exchange the file at path: every directory,
// link and file on the way must belong to the user or root and be writable by
// nobody else. "" if nobody could.
func StrictPath(path string) string { return StrictFrom(path, map[string]bool{}) }

// StrictFrom is StrictPath that takes the paths in seen for strict, and adds to them.
func StrictFrom(path string, seen map[string]bool) string {
	strict := func(path string, st fs.FileInfo, _ bool) string { return strictMode(path, st) }
	return (&walk{seen: seen, strict: strict}).whole(path)
}

// placePath says who else could put files into the directory at path, or exchange what
// stands there; "" if nobody could. A sticky directory on the way, as /tmp, does no
// harm: what is below it exists and is not another user's. Without strict modes it
// accepts what is usual: directories that a group may write to, as /usr/local/lib on
// Debian, and those of users whom the user namespace does not know, as all of root's may
// be.
func placePath(path string, strict bool) string {
	writers := fs.FileMode(0o002)
	if strict {
		writers = 0o022
	}
	return (&walk{seen: map[string]bool{}, strict: func(path string, st fs.FileInfo, end bool) string {
		switch owner, uid := ownerOf(path, st); {
		case owner == fsys.Unknown && !strict:
		case owner == fsys.Another || owner == fsys.Unknown:
			return belongs(path, owner, uid)
		}
		if st.Mode()&fs.ModeSymlink == 0 && st.Mode().Perm()&writers != 0 && (end || st.Mode()&fs.ModeSticky == 0) {
			return writable(path, st)
		}
		return ""
	}}).whole(path)
}

// walk goes down to a path.
type walk struct {
	seen map[string]bool // paths that were found strict
	// strict says why what stands at a path is not; end: it is where the walk ends.
	strict func(path string, st fs.FileInfo, end bool) (why string)
}

func (w *walk) whole(path string) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err.Error()
	}
	if why := w.down(path, true, 0); why != "" {
		return why
	}
	return w.down(real, true, 0)
}

func (w *walk) down(path string, end bool, links int) string {
	if w.seen[path] && !end { // where it ends more is asked
		return ""
	}
	w.seen[path] = true
	// Not lexically: a ".." goes up from where the link before it really leads.
	if dir, _ := fsys.SplitPath(path); dir != path {
		if why := w.down(dir, false, links); why != "" {
			return why
		}
	}
	st, err := os.Lstat(path)
	if err != nil {
		return err.Error()
	}
	if why := w.strict(path, st, end); why != "" || st.Mode()&fs.ModeSymlink == 0 {
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
	return w.down(target, end, links)
}

// strictFile says who else could write to an open file; "" if nobody could.
func strictFile(f *os.File) string {
	st, err := f.Stat()
	if err != nil {
		return err.Error()
	}
	return strictMode(f.Name(), st)
}

// strictMode says why the owner and mode of what stands at path are not strict. A user
// whom the user namespace does not know may be root outside, or anybody.
func strictMode(path string, st fs.FileInfo) string {
	if owner, uid := ownerOf(path, st); owner == fsys.Another || owner == fsys.Unknown {
		return belongs(path, owner, uid)
	}
	if st.Mode()&fs.ModeSymlink == 0 && st.Mode().Perm()&0o022 != 0 {
		return writable(path, st)
	}
	return ""
}

func belongs(path string, owner fsys.Owner, uid uint32) string {
	if owner == fsys.Unknown {
		return fmt.Sprintf("%q belongs to a user whom this user namespace does not know (shown as %d)", path, uid)
	}
	return fmt.Sprintf("%q belongs to user %d", path, uid)
}

func writable(path string, st fs.FileInfo) string {
	return fmt.Sprintf("%q is writable by others (mode %#o)", path, st.Mode().Perm())
}

func ownerOf(path string, st fs.FileInfo) (owner fsys.Owner, uid uint32) {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return fsys.Mine, 0
	}
	return fsys.OwnerOf(sys.Uid, func() bool {
		return st.Mode()&fs.ModeSymlink == 0 && unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS) == nil
	}), sys.Uid
}

// isMissing reports whether there is nothing at a path.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}

// SPDX-License-Identifier: MIT

//go:build unix

package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// privateDir makes sure that the directory at path is the user's alone, and
// returns its path without links. If create, what is missing is made.
//
// As OpenSSH's safe_path it resolves the links and then goes down from /, each
// directory opened in the one before: every one of them must belong to root or to
// the user and be writable by nobody else, or its owner could exchange what is
// below it. One in which everybody may make files but only owners may remove them
// (root's /tmp with its sticky bit) will do: what is below it must belong to root
// or the user all the same, so nobody else has made it, and nobody else can move
// it away. That holds for what is made there, too: if somebody else was faster,
// making it fails, and then theirs is found and does not do.
func privateDir(path string, create bool) (real string, err error) {
	for range 3 { // a link may be put there in between
		if real, err = withoutLinks(filepath.Clean(path)); err != nil {
			return "", err
		}
		if err = descend(real, create); !errors.Is(err, errLink) {
			break
		}
	}
	switch {
	case errors.Is(err, errLink):
		return "", insecure("is no directory (nor may it be a link)")
	case err != nil:
		return "", err
	}
	return real, nil
}

var errLink = errors.New("no directory, or a link")

// withoutLinks resolves the links on the way to path, but not path itself. What
// does not exist yet is no link.
func withoutLinks(path string) (string, error) {
	for up := filepath.Dir(path); ; up = filepath.Dir(up) {
		real, err := filepath.EvalSymlinks(up)
		if err == nil {
			return filepath.Join(real, path[len(up):]), nil
		}
		if _, there := os.Lstat(up); !errors.Is(err, fs.ErrNotExist) || there == nil || up == filepath.Dir(up) {
			return "", err
		}
	}
}

// descend goes from / to path, which has no links, and examines each directory.
func descend(path string, create bool) error {
	dir, err := openAt(unix.AT_FDCWD, "/")
	if err != nil {
		return &fs.PathError{Op: "open", Path: "/", Err: err}
	}
	defer func() { _ = unix.Close(dir) }()
	at := "/"
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		if err := mayHold(dir, at); err != nil {
			return err
		}
		at = fsys.JoinPath(at, name)
		next, err := openAt(dir, name)
		if err == unix.ENOENT && create {
			if err = mkdirAt(dir, name); err == nil || err == unix.EEXIST {
				next, err = openAt(dir, name)
			}
		}
		switch {
		case err == unix.ENOTDIR || err == unix.ELOOP || err == unix.EMLINK:
			return errLink
		case err != nil:
			return &fs.PathError{Op: "open", Path: at, Err: err}
		}
		_ = unix.Close(dir)
		dir = next
	}
	return isPrivate(dir, at)
}

// mayHold says why a directory may not be on the way.
func mayHold(dir int, at string) error {
	st, err := fstatAt(dir, at)
	if err != nil {
		return err
	}
	owner := ownerOf(dir, &st)
	switch {
	case owner == fsys.Another || owner == fsys.Unknown && !rootsByCustom(at):
		return insecure("could be exchanged by user %d, who owns %q (mode %#o); every directory on the way must belong to root or to user %d",
			st.Uid, at, st.Mode&0o7777, os.Geteuid())
	case st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0:
		return insecure("could be exchanged by others: %q, which belongs to user %d, has mode %#o and may be written to by its group or everybody (chmod go-w)",
			at, st.Uid, st.Mode&0o7777)
	}
	return nil
}

// rootsByCustom reports whether a directory belongs to root on every system. In a
// user namespace without root (bwrap, unshare --map-user) root and every other
// user outside look alike; there, these are taken for root's.
func rootsByCustom(at string) bool {
	return strings.Count(at, "/") == 1 || at == "/var/tmp" || at == "/run/user"
}

// isPrivate says why a directory is not the user's alone.
func isPrivate(dir int, at string) error {
	st, err := fstatAt(dir, at)
	if err != nil {
		return err
	}
	switch owner := ownerOf(dir, &st); {
	case owner == fsys.Unknown:
		return insecure("belongs to a user whom this user namespace does not know (shown as %d, mode %#o)", st.Uid, st.Mode&0o7777)
	case owner != fsys.Mine:
		return insecure("belongs to user %d, not to %d (mode %#o)", st.Uid, os.Geteuid(), st.Mode&0o7777)
	case st.Mode&0o077 != 0:
		return insecure("is open to others (mode %#o, not 0700)", st.Mode&0o7777)
	}
	return nil
}

// ownerOf says who owns an open directory.
func ownerOf(dir int, st *unix.Stat_t) fsys.Owner {
	return fsys.OwnerOf(st.Uid, func() bool { return unix.Faccessat(dir, ".", unix.W_OK, unix.AT_EACCESS) == nil })
}

func fstatAt(fd int, path string) (st unix.Stat_t, err error) {
	if err = restarted(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return st, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return st, nil
}

// openAt opens a directory to pass through it; it follows no link.
func openAt(dir int, name string) (fd int, err error) {
	err = restarted(func() (err error) {
		fd, err = unix.Openat(dir, name, passThrough|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

func mkdirAt(dir int, name string) error {
	return restarted(func() error { return unix.Mkdirat(dir, name, 0o700) })
}

// restarted does again what a signal interrupted.
func restarted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

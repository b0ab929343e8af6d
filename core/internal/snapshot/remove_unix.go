// SPDX-License-Identifier: MIT

//go:build unix

package snapshot

import (
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Removal goes down by descriptors: it follows no link and enters no other file
// system, nor what somebody else owns. It knows what a snapshot consists of, and
// leaves everything else where it is, and the directories that hold it.

// maxDepth is how many directories deep a snapshot's files may be to be removed.
const maxDepth = 100

// writeMark marks a new directory, which is locked.
func writeMark(dir string, lock *os.File) error {
	fd, err := unix.Openat(int(lock.Fd()), markName, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o400)
	if err != nil {
		return &os.PathError{Op: "create", Path: filepath.Join(dir, markName), Err: err}
	}
	f := os.NewFile(uintptr(fd), filepath.Join(dir, markName))
	_, err = f.WriteString(markText)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		_ = unix.Unlinkat(int(lock.Fd()), markName, 0)
	}
	return err
}

// marked reports whether a directory is a store of this user's.
func marked(dir string) bool {
	d, err := openDirectory(unix.AT_FDCWD, dir)
	if err != nil {
		return false
	}
	defer d.Close()
	return hasMark(d)
}

// hasMark is marked for an open directory.
func hasMark(d *os.File) bool {
	if st, err := fstatAt(int(d.Fd()), d.Name()); err != nil || int(st.Uid) != os.Geteuid() {
		return false
	}
	fd, err := unix.Openat(int(d.Fd()), markName, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	f := os.NewFile(uintptr(fd), markName)
	defer f.Close()
	st, err := fstatAt(fd, markName)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() || st.Size != int64(len(markText)) {
		return false
	}
	text, err := io.ReadAll(io.LimitReader(f, int64(len(markText))+1))
	return err == nil && string(text) == markText
}

// removeStore removes a store whose lock the caller has, and gives that up. It calls
// step before each snapshot.
func removeStore(dir string, lock *os.File, step func()) {
	defer lock.Close()
	base, err := openDirectory(unix.AT_FDCWD, filepath.Dir(dir))
	if err != nil {
		return
	}
	defer base.Close()
	// By way of base, for that is how another file system is noticed.
	d, err := openDirectory(int(base.Fd()), filepath.Base(dir))
	if err != nil {
		return
	}
	defer d.Close()
	if !sameFile(d, lock) || !hasMark(d) {
		return
	}
	removeSnapshots(d, levels, step)
	names, err := d.Readdirnames(-1)
	if err != nil || len(names) != 1 || names[0] != markName {
		return // the mark stays as long as something does
	}
	_ = unix.Unlinkat(int(d.Fd()), markName, 0)
	_ = unix.Unlinkat(int(base.Fd()), filepath.Base(dir), unix.AT_REMOVEDIR)
}

// removeSnapshots removes the snapshots that are so many directories below d, and the
// directories in between if nothing is left in them.
func removeSnapshots(d *os.File, down int, step func()) {
	if down > 0 {
		if inner, err := openDirectory(int(d.Fd()), level); err == nil {
			removeSnapshots(inner, down-1, step)
			_ = inner.Close()
			_ = unix.Unlinkat(int(d.Fd()), level, unix.AT_REMOVEDIR)
		}
		return
	}
	names, err := d.Readdirnames(-1)
	if err != nil {
		return
	}
	for _, name := range names {
		if isNumber(name) {
			step()
			removeDirectory(d, name, 0)
		}
	}
}

// removeSnapshot removes a snapshot, which begin has made.
func removeSnapshot(root string) error {
	store, err := openDirectory(unix.AT_FDCWD, filepath.Dir(root))
	if err != nil {
		return err
	}
	defer store.Close()
	removeDirectory(store, filepath.Base(root), 0)
	return nil
}

// removeDirectory removes what belongs to a snapshot: the user's directories with
// mode 0700 and 0500, and the files in them with mode 0600 and 0500.
func removeDirectory(parent *os.File, name string, depth int) {
	d, err := openDirectory(int(parent.Fd()), name)
	if err != nil {
		return
	}
	defer d.Close()
	st, err := fstatAt(int(d.Fd()), name)
	if err != nil || int(st.Uid) != os.Geteuid() || depth > maxDepth {
		return
	}
	switch st.Mode & 0o5777 { // it has the set-group-ID bit if the base directory has
	case 0o500:
		if d.Chmod(0o700) != nil {
			return
		}
	case 0o700:
	default:
		return
	}
	names, err := d.Readdirnames(-1)
	if err != nil {
		return
	}
	for _, inner := range names {
		var st unix.Stat_t
		if err := unix.Fstatat(int(d.Fd()), inner, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil || int(st.Uid) != os.Geteuid() {
			continue
		}
		switch mode := st.Mode & 0o7777; {
		case st.Mode&unix.S_IFMT == unix.S_IFDIR:
			removeDirectory(d, inner, depth+1)
		case st.Mode&unix.S_IFMT == unix.S_IFREG && (mode == 0o500 || mode == 0o600):
			_ = unix.Unlinkat(int(d.Fd()), inner, 0)
		}
	}
	_ = unix.Unlinkat(int(parent.Fd()), name, unix.AT_REMOVEDIR) // unless something is left in it
}

func sameFile(a, b *os.File) bool {
	in, err := a.Stat()
	if err != nil {
		return false
	}
	other, err := b.Stat()
	return err == nil && os.SameFile(in, other)
}

// openDirectory opens a directory to list it; it follows no link. Below another
// directory it enters no other file system.
func openDirectory(parent int, name string) (*os.File, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := -1, error(nil)
	if parent == unix.AT_FDCWD {
		err = restarted(func() (err error) { fd, err = unix.Open(name, flags, 0); return err })
	} else {
		err = restarted(func() (err error) { fd, err = openBelow(parent, name, flags); return err })
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// openWithin is openat that enters no other file system, as far as device numbers
// tell.
func openWithin(parent int, name string, flags int) (int, error) {
	var up, st unix.Stat_t
	if err := unix.Fstat(parent, &up); err != nil {
		return -1, err
	}
	fd, err := unix.Openat(parent, name, flags, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Fstat(fd, &st); err != nil || st.Dev != up.Dev {
		_ = unix.Close(fd)
		return -1, unix.EXDEV
	}
	return fd, nil
}

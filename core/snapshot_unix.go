//go:build unix

package core

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

var errLocked = errors.New("another process has it")

// defaultSnapshotDir reads no environment variable: the directory that
// XDG_RUNTIME_DIR usually names is recognised by what it is.
func defaultSnapshotDir() string {
	uid := strconv.Itoa(os.Geteuid())
	run := "/run/user/" + uid
	if st, err := os.Lstat(run); err == nil && st.IsDir() && notPrivate(run, st) == "" && !noexec(run) {
		return run + "/hotreload"
	}
	return "/tmp/hotreload-" + uid
}

// notPrivate says why a directory is not the user's alone; "" if it is.
func notPrivate(dir string, st fs.FileInfo) string {
	sys, ok := st.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return ""
	case int(sys.Uid) != os.Geteuid():
		return fmt.Sprintf("belongs to user %d, not to %d", sys.Uid, os.Geteuid())
	case st.Mode().Perm()&0o077 != 0:
		return fmt.Sprintf("is open to others (mode %#o, not 0700)", st.Mode().Perm())
	}
	for up := filepath.Dir(dir); ; up = filepath.Dir(up) {
		st, err := os.Stat(up)
		if err != nil {
			return "cannot be reached: " + err.Error()
		}
		if st.Mode().Perm()&0o022 != 0 && st.Mode()&fs.ModeSticky == 0 {
			return fmt.Sprintf("could be exchanged by others: %q has mode %#o", up, st.Mode().Perm())
		}
		if up == filepath.Dir(up) {
			return ""
		}
	}
}

// lockDir locks a directory for as long as the process lives. Directory locks
// also keep systemd-tmpfiles from ageing what is inside.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = errLocked // whoever has it is removing it
		}
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EINTR {
			break
		}
	}
	if err == nil {
		var mine, there fs.FileInfo
		if mine, err = f.Stat(); err == nil {
			if there, err = os.Lstat(dir); err != nil || !os.SameFile(mine, there) {
				err = errLocked // it was removed meanwhile
			}
		}
	}
	if err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errLocked
		}
		return nil, err
	}
	return f, nil
}

func removeStore(dir string, lock *os.File) {
	_ = removeTree(dir)
	_ = lock.Close()
}

// openSource never waits.
func openSource(path string) (*os.File, error) {
	fd, err := openRead(path, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

func statOpened(f *os.File) (fileInfo, error) { return fstat(int(f.Fd())) }

// SPDX-License-Identifier: MIT

package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

const lockName = "lock"

var errLocked = errors.New("another process has it")

// standardBases are in the user's own temporary directory.
func standardBases() []string { return []string{filepath.Join(os.TempDir(), "hotreload")} }

// ownBase returns a new directory in the user's own temporary directory.
func ownBase(noexec bool) (string, bool) {
	if noexec {
		return "", false
	}
	dir, err := os.MkdirTemp("", "hotreload-")
	return dir, err == nil
}

// mayMakeIn: what the access list says is not examined.
func mayMakeIn(string) error { return nil }

// privateDir: the temporary directory is the user's by its access list, which is
// not examined.
func privateDir(path string, create bool) (string, error) {
	if create {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return "", err
		}
	}
	st, err := os.Lstat(path)
	if err == nil && !st.IsDir() {
		err = insecure("is no directory (nor may it be a link)")
	}
	return path, err
}

// lockDir opens a file that nobody else can open meanwhile.
func lockDir(dir string) (*os.File, error) {
	name, err := windows.UTF16PtrFromString(filepath.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	h, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_ALWAYS,
		windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		if errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, fs.ErrNotExist) {
			err = errLocked
		}
		return nil, err
	}
	return os.NewFile(uintptr(h), dir), nil
}

// writeMark marks a new directory.
func writeMark(dir string, _ *os.File) error {
	f, err := os.OpenFile(filepath.Join(dir, markName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(markText)
	return errors.Join(err, f.Close())
}

// marked reports whether a directory is a store.
func marked(dir string) bool {
	path := filepath.Join(dir, markName)
	st, err := os.Lstat(path)
	if err != nil || !st.Mode().IsRegular() || st.Size() != int64(len(markText)) {
		return false
	}
	text, err := os.ReadFile(path)
	return err == nil && string(text) == markText
}

// removeStore removes a store whose lock the caller has, and gives that up. It calls
// step before each snapshot.
func removeStore(dir string, lock *os.File, step func()) {
	ours := marked(dir)
	if ours {
		inner := filepath.Join(dir, deep)
		list, _ := os.ReadDir(inner)
		for _, d := range list {
			if isNumber(d.Name()) {
				step()
				_ = removeSnapshot(filepath.Join(inner, d.Name()))
			}
		}
		for ; len(inner) > len(dir); inner = filepath.Dir(inner) {
			_ = os.Remove(inner) // unless something is left in it
		}
	}
	list, err := os.ReadDir(dir)
	_ = lock.Close()
	if !ours || err != nil || len(list) != 2 { // the mark stays as long as something does
		return
	}
	_ = os.Remove(filepath.Join(dir, lockName))
	_ = os.Remove(filepath.Join(dir, markName))
	_ = os.Remove(dir)
}

// removeSnapshot removes directories and files, and follows no link.
func removeSnapshot(root string) error {
	st, err := os.Lstat(root)
	if err != nil || !st.IsDir() {
		return err
	}
	list, err := os.ReadDir(root)
	for _, d := range list {
		path := filepath.Join(root, d.Name())
		switch st, e := os.Lstat(path); {
		case e != nil:
			err = errors.Join(err, e)
		case st.IsDir():
			err = errors.Join(err, removeSnapshot(path))
		case st.Mode().IsRegular():
			err = errors.Join(err, os.Remove(path))
		}
	}
	return errors.Join(err, os.Remove(root))
}

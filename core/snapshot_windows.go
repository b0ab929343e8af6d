package core

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

var errLocked = errors.New("another process has it")

// defaultSnapshotDir is in the user's own temporary directory.
func defaultSnapshotDir() string { return filepath.Join(os.TempDir(), "hotreload") }

// notPrivate: the temporary directory is the user's by its access list.
func notPrivate(string, fs.FileInfo) string { return "" }

// lockDir opens a file that nobody else can open meanwhile.
func lockDir(dir string) (*os.File, error) {
	name, err := windows.UTF16PtrFromString(filepath.Join(dir, "lock"))
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

func removeStore(dir string, lock *os.File) {
	_ = lock.Close()
	_ = removeTree(dir)
}

func openSource(path string) (*os.File, error) { return os.Open(path) }

func statOpened(f *os.File) (fileInfo, error) {
	return infoOfHandle(windows.Handle(f.Fd()), f.Name(), 0)
}

// SPDX-License-Identifier: MIT

package record

import (
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// Lock keeps others from writing to dir until unlock is called. It waits for them.
func Lock(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	h, all := windows.Handle(f.Fd()), new(windows.Overlapped)
	if err := windows.LockFileEx(h, windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, all); err != nil {
		_ = f.Close()
		return nil, &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return func() {
		_ = windows.UnlockFileEx(h, 0, 1, 0, all)
		_ = f.Close()
	}, nil
}

// syncDir: directories cannot be synchronised.
func syncDir(string) error { return nil }

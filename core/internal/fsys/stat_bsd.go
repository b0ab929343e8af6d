// SPDX-License-Identifier: MIT

//go:build unix && !linux

package fsys

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Stat implements Disk.
func (OS) Stat(path string) (Info, error) {
	return statWith(path, func(st *unix.Stat_t) error { return unix.Stat(path, st) })
}

// Lstat implements Disk.
func (OS) Lstat(path string) (Info, error) {
	return statWith(path, func(st *unix.Stat_t) error { return unix.Lstat(path, st) })
}

func fstat(fd int) (Info, error) {
	return statWith("", func(st *unix.Stat_t) error { return unix.Fstat(fd, st) })
}

// MayRead implements Disk.
func (OS) MayRead(path string) error { return tryOpen(path) }

// openWithoutWaiting opens the regular file at the end of a path. What else stands
// there is not opened: that alone may have an effect on a device or on a process that
// waits to write to a FIFO. Should it be put there in between, nothing waits for it.
func openWithoutWaiting(path string) (*os.File, error) {
	in, err := OS{}.Stat(path)
	if err == nil && in.Kind != Regular {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		return nil, err
	}
	fd, err := openFD(path, forReading)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

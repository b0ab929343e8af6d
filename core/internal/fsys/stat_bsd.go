// SPDX-License-Identifier: MIT

//go:build unix && !linux

package fsys

import "golang.org/x/sys/unix"

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

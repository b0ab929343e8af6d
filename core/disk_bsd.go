//go:build unix && !linux

package core

import "golang.org/x/sys/unix"

func (osDisk) stat(path string) (fileInfo, error) {
	return statWith(path, func(st *unix.Stat_t) error { return unix.Stat(path, st) })
}

func (osDisk) lstat(path string) (fileInfo, error) {
	return statWith(path, func(st *unix.Stat_t) error { return unix.Lstat(path, st) })
}

func fstat(fd int) (fileInfo, error) {
	return statWith("", func(st *unix.Stat_t) error { return unix.Fstat(fd, st) })
}

func (osDisk) mayRead(path string) error {
	_, err := readable(path)
	return err
}

func open(path string, flags int) (int, error) { return unix.Open(path, flags, 0) }

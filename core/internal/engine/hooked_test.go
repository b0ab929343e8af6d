// SPDX-License-Identifier: MIT

package engine

import "github.com/qtforge/hotreload/core/internal/fsys"

// hookedDisk lets a test do something around each access to a disk. op is the name
// of the method, with "File." before those of an opened file.
type hookedDisk struct {
	fsys.Disk
	around func(op, path string, access func())
}

func (d hookedDisk) Stat(path string) (in fsys.Info, err error) {
	d.around("Stat", path, func() { in, err = d.Disk.Stat(path) })
	return in, err
}

func (d hookedDisk) Lstat(path string) (in fsys.Info, err error) {
	d.around("Lstat", path, func() { in, err = d.Disk.Lstat(path) })
	return in, err
}

func (d hookedDisk) MayRead(path string) (err error) {
	d.around("MayRead", path, func() { err = d.Disk.MayRead(path) })
	return err
}

func (d hookedDisk) Readlink(path string) (target string, err error) {
	d.around("Readlink", path, func() { target, err = d.Disk.Readlink(path) })
	return target, err
}

func (d hookedDisk) List(dir string, visit func(string, fsys.Kind) bool) (err error) {
	d.around("List", dir, func() { err = d.Disk.List(dir, visit) })
	return err
}

func (d hookedDisk) Silent(dir string) (kind string) {
	d.around("Silent", dir, func() { kind = d.Disk.Silent(dir) })
	return kind
}

func (d hookedDisk) Folds(dir string) (folds bool) {
	d.around("Folds", dir, func() { folds = d.Disk.Folds(dir) })
	return folds
}

func (d hookedDisk) Unreliable(dir string) (kind string) {
	d.around("Unreliable", dir, func() { kind = d.Disk.Unreliable(dir) })
	return kind
}

func (d hookedDisk) Open(path string) (f fsys.File, err error) {
	d.around("Open", path, func() { f, err = d.Disk.Open(path) })
	if err != nil {
		return nil, err
	}
	return hookedFile{f, path, d.around}, nil
}

type hookedFile struct {
	fsys.File
	path   string
	around func(op, path string, access func())
}

func (f hookedFile) Stat() (in fsys.Info, err error) {
	f.around("File.Stat", f.path, func() { in, err = f.File.Stat() })
	return in, err
}

func (f hookedFile) Writer() (w fsys.Writer) {
	f.around("File.Writer", f.path, func() { w = f.File.Writer() })
	return w
}

func (f hookedFile) Read(b []byte) (n int, err error) {
	f.around("File.Read", f.path, func() { n, err = f.File.Read(b) })
	return n, err
}

func (f hookedFile) ReadAt(b []byte, at int64) (n int, err error) {
	f.around("File.ReadAt", f.path, func() { n, err = f.File.ReadAt(b, at) })
	return n, err
}

// writerAt says who writes the file at a path of the real disk.
func writerAt(path string) fsys.Writer {
	f, err := fsys.OS{}.Open(path)
	if err != nil {
		return fsys.WriterUnknown
	}
	defer f.Close()
	return f.Writer()
}

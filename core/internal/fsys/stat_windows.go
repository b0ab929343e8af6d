// SPDX-License-Identifier: MIT

package fsys

import (
	"io/fs"
	"os"
	"syscall"
	"unicode/utf16"

	"golang.org/x/sys/windows"
)

// Stat implements Disk.
func (OS) Stat(path string) (Info, error) { return statWith(path, 0) }

// Lstat implements Disk.
func (OS) Lstat(path string) (Info, error) {
	return statWith(path, windows.FILE_FLAG_OPEN_REPARSE_POINT)
}

// MayRead implements Disk.
func (OS) MayRead(path string) error {
	h, err := openHandle(path, windows.GENERIC_READ, 0)
	if err != nil {
		return err
	}
	return windows.CloseHandle(h)
}

// maxPath is the longest path in UTF-16 units ("Maximum Path Length
// Limitation"). A longer one Windows calls "not found", if it is long enough.
const maxPath = 32767

const shareAll = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE

func openHandle(path string, access, flags uint32) (windows.Handle, error) {
	fail := func(err error) (windows.Handle, error) {
		return windows.InvalidHandle, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	if len(path) > maxPath && len(utf16.Encode([]rune(path))) > maxPath {
		return fail(syscall.ENAMETOOLONG)
	}
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return fail(err)
	}
	h, err := windows.CreateFile(p, access, shareAll, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS|flags, 0)
	if err != nil {
		return fail(err)
	}
	return h, nil
}

// openWithoutWaiting lets everybody else read, write, rename and remove the file.
func openWithoutWaiting(path string) (*os.File, error) {
	h, err := openHandle(path, windows.GENERIC_READ, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(h), path), nil
}

func statWith(path string, flags uint32) (Info, error) {
	h, err := openHandle(path, windows.FILE_READ_ATTRIBUTES, flags)
	if err != nil {
		return Info{}, err
	}
	defer windows.CloseHandle(h)
	return infoOf(h, path, flags)
}

func (f osFile) Stat() (Info, error) { return infoOf(windows.Handle(f.Fd()), f.Name(), 0) }

func infoOf(h windows.Handle, path string, flags uint32) (Info, error) {
	if t, _ := windows.GetFileType(h); t != windows.FILE_TYPE_DISK {
		return Info{Kind: Other}, nil
	}
	var d windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &d); err != nil {
		return Info{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	in := Info{Kind: Regular, Fingerprint: Fingerprint{
		Exists:  true,
		Dev:     uint64(d.VolumeSerialNumber),
		Inode:   uint64(d.FileIndexHigh)<<32 | uint64(d.FileIndexLow),
		Size:    int64(d.FileSizeHigh)<<32 | int64(d.FileSizeLow),
		ModTime: d.LastWriteTime.Nanoseconds(),
	}, Linked: d.NumberOfLinks > 1}
	switch {
	case d.FileAttributes&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0 && flags != 0:
		in.Kind = Link
	case d.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0:
		in.Kind = Directory
	}
	return in, nil
}

// WorkingDirectory is that of the process.
func WorkingDirectory() (string, error) { return syscall.Getwd() }

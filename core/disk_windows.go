package core

import (
	"io/fs"
	"syscall"
	"unicode/utf16"

	"golang.org/x/sys/windows"
)

func (osDisk) stat(path string) (fileInfo, error) { return statWith(path, 0) }
func (osDisk) lstat(path string) (fileInfo, error) {
	return statWith(path, windows.FILE_FLAG_OPEN_REPARSE_POINT)
}

// maxPath is the longest path in UTF-16 units ("Maximum Path Length
// Limitation"). A longer one Windows calls "not found", if it is long enough.
const maxPath = 32767

const shareAll = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE

func statWith(path string, flags uint32) (fileInfo, error) {
	return infoOfOpened(path, windows.FILE_READ_ATTRIBUTES, flags)
}

// readable opens the file as its host would, and closes it again.
func readable(path string) (fileInfo, error) { return infoOfOpened(path, windows.GENERIC_READ, 0) }

func infoOfOpened(path string, access, flags uint32) (fileInfo, error) {
	if len(path) > maxPath && len(utf16.Encode([]rune(path))) > maxPath {
		return fileInfo{}, &fs.PathError{Op: "open", Path: abbreviate(path), Err: syscall.ENAMETOOLONG}
	}
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return fileInfo{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	h, err := windows.CreateFile(p, access, shareAll, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS|flags, 0)
	if err != nil {
		return fileInfo{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer windows.CloseHandle(h)
	return infoOfHandle(h, path, flags)
}

func infoOfHandle(h windows.Handle, path string, flags uint32) (fileInfo, error) {
	if t, _ := windows.GetFileType(h); t != windows.FILE_TYPE_DISK {
		return fileInfo{kind: kindOther}, nil
	}
	var d windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &d); err != nil {
		return fileInfo{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	in := fileInfo{kind: kindFile, fp: fingerprint{
		exists: true,
		dev:    uint64(d.VolumeSerialNumber),
		ino:    uint64(d.FileIndexHigh)<<32 | uint64(d.FileIndexLow),
		size:   int64(d.FileSizeHigh)<<32 | int64(d.FileSizeLow),
		mtime:  d.LastWriteTime.Nanoseconds(),
	}, linked: d.NumberOfLinks > 1}
	switch {
	case d.FileAttributes&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0 && flags != 0:
		in.kind = kindLink
	case d.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0:
		in.kind = kindDir
	}
	return in, nil
}

func (osDisk) mayRead(path string) error {
	_, err := readable(path)
	return err
}

func workingDirectory() (string, error) { return syscall.Getwd() }

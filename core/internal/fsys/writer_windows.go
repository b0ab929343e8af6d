// SPDX-License-Identifier: MIT

package fsys

import "golang.org/x/sys/windows"

// Writer opens the file once more while denying writers: that fails with a sharing
// violation exactly if a process holds it open for writing.
func (f osFile) Writer() Writer {
	p, err := windows.UTF16PtrFromString(f.Name())
	if err != nil {
		return WriterUnknown
	}
	h, err := windows.CreateFile(p, windows.GENERIC_READ, windows.FILE_SHARE_READ|windows.FILE_SHARE_DELETE, nil,
		windows.OPEN_EXISTING, 0, 0)
	switch err {
	case nil:
		windows.CloseHandle(h)
		return NoWriter
	case windows.ERROR_SHARING_VIOLATION:
		return HasWriter
	}
	return WriterUnknown
}

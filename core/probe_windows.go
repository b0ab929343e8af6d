package core

import "golang.org/x/sys/windows"

// probeWriter opens the file while denying writers: that fails with a sharing
// violation exactly if somebody holds it open for writing.
func probeWriter(path string) (verdict, fileInfo) {
	v := sharing(path)
	in, _ := osDisk{}.stat(path)
	return v, in
}

func sharing(path string) verdict {
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return unknown
	}
	h, err := windows.CreateFile(p, windows.GENERIC_READ, windows.FILE_SHARE_READ|windows.FILE_SHARE_DELETE, nil,
		windows.OPEN_EXISTING, 0, 0)
	switch err {
	case nil:
		windows.CloseHandle(h)
		return nobody
	case windows.ERROR_SHARING_VIOLATION:
		return somebody
	case windows.ERROR_ACCESS_DENIED:
		return denied
	}
	return unknown
}

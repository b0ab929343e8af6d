// SPDX-License-Identifier: MIT

package fsys

import (
	"io"
	"io/fs"
	"os"
	"syscall"
)

// listedAtOnce is how many names are read from a directory at once.
const listedAtOnce = 256

// List implements Disk.
func (OS) List(dir string, visit func(name string, kind Kind) bool) error {
	f, err := openDirectory(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(listedAtOnce)
		for _, e := range entries {
			if !visit(e.Name(), kindOfMode(e.Type())) {
				return nil
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

func kindOfMode(m fs.FileMode) Kind {
	switch {
	case m.IsRegular():
		return Regular
	case m.IsDir():
		return Directory
	case m&fs.ModeSymlink != 0:
		return Link
	case m&fs.ModeNamedPipe != 0:
		return FIFO
	case m&fs.ModeSocket != 0:
		return Socket
	case m&fs.ModeDevice != 0:
		return Device
	}
	return Other
}

// openDirectory opens a directory. It waits for no other process, whatever stands there.
func openDirectory(dir string) (*os.File, error) {
	return os.OpenFile(dir, os.O_RDONLY|directoryOnly|syscall.O_NONBLOCK, 0)
}

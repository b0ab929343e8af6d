// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"io"
	"io/fs"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// systemDisk is what managers use; only the build with panics wraps it.
var systemDisk fsys.Disk = fsys.OS{}

// openFile opens what stands at a path, if that is a regular file.
func (o *Options) openFile(path string) (fsys.File, fsys.Info, error) {
	f, err := o.disk.Open(path)
	if err != nil {
		return nil, fsys.Info{}, err
	}
	in, err := f.Stat()
	if err == nil && in.Kind != fsys.Regular {
		err = &fs.PathError{Op: "open", Path: path, Err: fsys.ErrNotRegular}
	}
	if err != nil {
		_ = f.Close()
		return nil, fsys.Info{}, err
	}
	return f, in, nil
}

var errLarge = errors.New("too large to be compared")

// hashAt is the hash of the file at a path, unless it is too large to be compared.
func (o *Options) hashAt(path string, stopped func() bool) (h fsys.Hash, err error) {
	f, in, err := o.openFile(path)
	if err != nil {
		return h, err
	}
	defer f.Close()
	if in.Fingerprint.Size > maxCompared {
		return h, errLarge
	}
	_, h, err = fsys.HashOf(io.LimitReader(f, maxCompared), stopped)
	return h, err
}

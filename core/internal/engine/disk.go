// SPDX-License-Identifier: MIT

package engine

import (
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

// hashAt is the hash of the file at a path.
func (o *Options) hashAt(path string, stopped func() bool) (h fsys.Hash, err error) {
	f, _, err := o.openFile(path)
	if err != nil {
		return h, err
	}
	defer f.Close()
	_, h, err = fsys.HashOf(f, stopped)
	return h, err
}

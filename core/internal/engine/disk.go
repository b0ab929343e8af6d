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

// writerOf says whether the file at a path is held open for writing, and what it is.
func (o *Options) writerOf(path string) (fsys.Writer, fsys.Info, error) {
	f, in, err := o.openFile(path)
	if err != nil {
		if !errors.Is(err, fs.ErrPermission) {
			err = nil // it went; the next check finds out
		}
		return fsys.WriterUnknown, fsys.Info{}, err
	}
	defer f.Close()
	return f.Writer(), in, nil
}

// hashAt is the hash of the file at a path.
func (o *Options) hashAt(path string) (h fsys.Hash, err error) {
	f, _, err := o.openFile(path)
	if err != nil {
		return h, err
	}
	defer f.Close()
	_, h, err = fsys.HashOf(f, func() bool { return false })
	return h, err
}

// imageAt says why the file at a path is not a complete image; nil if it is one.
func (o *Options) imageAt(path string) error {
	f, in, err := o.openFile(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return o.checkImage(f, in.Fingerprint.Size)
}

var _ io.ReaderAt = fsys.File(nil)

// SPDX-License-Identifier: MIT

package engine

import (
	"path/filepath"
	"sync/atomic"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// unknownDisk never says who writes a file, as to a host whose files belong to another
// user. It counts what is asked of files named plugin.so.
type unknownDisk struct {
	fsys.Disk
	checks *atomic.Int32
	silent bool // as FUSE and network file systems
}

func (d unknownDisk) Stat(path string) (fsys.Info, error) {
	if filepath.Base(path) == "plugin.so" {
		d.checks.Add(1)
	}
	return d.Disk.Stat(path)
}

func (d unknownDisk) Silent(dir string) string {
	if d.silent && filepath.Base(dir) == "sub" {
		return "FUSE"
	}
	return d.Disk.Silent(dir)
}

func (d unknownDisk) Open(path string) (fsys.File, error) {
	f, err := d.Disk.Open(path)
	if err != nil {
		return nil, err
	}
	return unknownFile{f}, nil
}

type unknownFile struct{ fsys.File }

func (unknownFile) Writer() fsys.Writer { return fsys.WriterUnknown }

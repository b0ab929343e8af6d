// SPDX-License-Identifier: MIT

package snapshot

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// Chunk is how much is copied before Take asks whether to stop.
const Chunk = 8 << 20

// TooLargeError says that the files of a plugin are larger than Limits allow.
type TooLargeError struct {
	Name         string // of the file with which they are
	Bytes, Limit int64  // of all files up to that one
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the files have %d bytes (up to %q), more than the limit of %d", e.Bytes, e.Name, e.Limit)
}

// copying is one Take under way.
type copying struct {
	store   *Store
	root    *os.Root // of the snapshot
	path    string   // of the root
	limits  Limits
	bytes   int64 // of the files opened so far
	stopped func() bool
}

// file copies one file, by reference where the file system can, and says what it
// was. It copies no more than the file had when it was opened, so that a file which
// grows without end ends the copy, too.
func (c *copying) file(m Member) (of fsys.Info, err error) {
	c.limits.at(m.Path)
	c.store.step("opening")
	src, of, err := fsys.OpenRegular(m.Path)
	if errors.Is(err, fsys.ErrNotRegular) {
		return of, ErrChanged // it was a file when it was last checked
	}
	if err != nil {
		return of, err
	}
	defer src.Close()
	if c.limits.Opened != nil {
		if err := c.limits.Opened(src); err != nil {
			return of, err
		}
	}
	c.bytes += of.Fingerprint.Size
	if most := c.limits.MaxBytes; most > 0 && (c.bytes > most || c.bytes < 0) {
		return of, &TooLargeError{Name: m.Name, Bytes: c.bytes, Limit: most}
	}
	c.limits.at(c.path)
	if err := c.root.MkdirAll(filepath.Dir(m.Name), 0o700); err != nil {
		return of, err
	}
	dst, err := c.root.OpenFile(m.Name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return of, err
	}
	defer func() {
		c.limits.at(c.path)
		err = errors.Join(err, dst.Close())
	}()
	c.store.step("opened")
	c.store.step("copying")
	if !reflink(dst, src) {
		if err := c.content(c.to(dst), c.from(src, m.Path), of.Fingerprint.Size); err != nil {
			return of, err
		}
	}
	c.limits.at(m.Path)
	for _, f := range []*os.File{src, dst} {
		st, err := f.Stat()
		switch {
		case err != nil:
			return of, err
		case st.Size() != of.Fingerprint.Size, f == src && st.ModTime().UnixNano() != of.Fingerprint.ModTime:
			return of, ErrChanged
		}
	}
	c.limits.at(c.path)
	return of, dst.Chmod(0o500)
}

// from and to report each access to a file that is copied.
func (c *copying) from(src *os.File, path string) io.Reader {
	if c.limits.At == nil {
		return src
	}
	return accessed{src, func() { c.limits.At(path) }}
}

func (c *copying) to(dst *os.File) io.Writer {
	if c.limits.At == nil {
		return dst
	}
	return accessed{dst, func() { c.limits.At(c.path) }}
}

// accessed is a file each access to which is reported. The copy does not go through
// copy_file_range(2) then, whose one call for both files would not say which of them
// does not answer.
type accessed struct {
	f      *os.File
	report func()
}

func (a accessed) Read(b []byte) (int, error) {
	a.report()
	return a.f.Read(b)
}

func (a accessed) Write(b []byte) (int, error) {
	a.report()
	return a.f.Write(b)
}

// content copies so many bytes.
func (c *copying) content(dst io.Writer, src io.Reader, size int64) error {
	for left := size; left > 0; {
		if c.stopped() {
			return fsys.ErrStopped
		}
		n, err := io.CopyN(dst, src, min(left, Chunk))
		if left -= n; err == io.EOF {
			return ErrChanged // it has become shorter
		} else if err != nil {
			return err
		}
		c.store.step("copying")
	}
	return nil
}

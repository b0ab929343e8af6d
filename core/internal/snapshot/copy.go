package snapshot

import (
	"errors"
	"io"
	"os"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// Chunk is how much is copied before Take asks whether to stop.
const Chunk = 8 << 20

// copyFile copies one file, by reference where the file system can, and says
// what it was.
func (s *Store) copyFile(from, to string, stopped func() bool) (of fsys.Info, err error) {
	src, of, err := fsys.OpenRegular(from)
	if errors.Is(err, fsys.ErrNotRegular) {
		return of, ErrChanged // it was a file when it was last checked
	}
	if err != nil {
		return of, err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return of, err
	}
	defer func() {
		if e := dst.Close(); err == nil {
			err = e
		}
	}()
	s.step("opened")
	s.step("copying")
	if !reflink(dst, src) {
		for ; ; s.step("copying") {
			if stopped() {
				return of, fsys.ErrStopped
			}
			if _, err := io.CopyN(dst, src, Chunk); err == io.EOF {
				break
			} else if err != nil {
				return of, err
			}
		}
	}
	if st, err := dst.Stat(); err != nil {
		return of, err
	} else if st.Size() != of.Fingerprint.Size {
		return of, ErrChanged
	}
	return of, dst.Chmod(0o500)
}

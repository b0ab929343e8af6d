// SPDX-License-Identifier: MIT

package snapshot

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// Snapshot is a copy of all files of a plugin that nobody writes to again.
type Snapshot struct {
	Root   string    // the directory that holds nothing else
	Base   string    // the base directory, some directories above Root; all between belong to the user alone
	Files  []File    // the plugin's own first
	Bytes  int64     // of all files
	Sum    fsys.Hash // over the names and hashes of all files
	Source fsys.Info // what was opened and copied, all files folded
}

// File is one file in a snapshot.
type File struct {
	Path string
	Name string // relative to the root
	Size int64
	Hash fsys.Hash
}

// ErrChanged says that a file changed while it was copied.
var ErrChanged = errors.New("the file changed while it was copied")

// Limits bound what Take copies. The zero Limits set none.
type Limits struct {
	MaxBytes int64 // of all files together; 0 = no limit. Otherwise the error is a *TooLargeError
	// Opened, if set, is asked about each file once it is open and before it is
	// read. Its error ends the copy, and Take returns it.
	Opened func(*os.File) error
	// At, if set, is called before each access with the path that is accessed: so
	// that it is known which file system does not answer.
	At func(path string)
}

func (l *Limits) at(path string) {
	if l.At != nil {
		l.At(path)
	}
}

// Take copies the files, the plugin's own first. On failure nothing is left. It
// returns fsys.ErrStopped soon after stopped says so, and once the store is closed.
func (s *Store) Take(members []Member, limits Limits, stopped func() bool) (*Snapshot, error) {
	limits.at(s.Base())
	path, err := s.begin()
	if err != nil {
		return nil, err
	}
	defer s.end(filepath.Base(path))
	snap := &Snapshot{Root: path, Base: baseOf(path)}
	err = s.fill(snap, members, limits, func() bool { return s.isClosed() || stopped() })
	if err == nil && s.isClosed() {
		err = fsys.ErrStopped
	}
	if err != nil {
		limits.at(path)
		_ = snap.Remove()
		return nil, err
	}
	return snap, nil
}

// baseOf is the base directory of the snapshot at root.
func baseOf(root string) string {
	return filepath.Dir(strings.TrimSuffix(filepath.Dir(root), string(filepath.Separator)+deep))
}

func (s *Store) fill(snap *Snapshot, members []Member, limits Limits, stopped func() bool) error {
	s.step("made")
	root, err := os.OpenRoot(snap.Root) // a directory that goes is not made again, and no link leads out of it
	if err != nil {
		return err
	}
	defer root.Close()
	c := &copying{store: s, root: root, path: snap.Root, limits: limits, stopped: stopped}
	for i, m := range members {
		of, err := c.file(m)
		if err != nil {
			return err
		}
		if i == 0 {
			snap.Source = of
		} else {
			snap.Source.Fold(of)
		}
		snap.Files = append(snap.Files, File{Path: filepath.Join(snap.Root, m.Name), Name: m.Name})
	}
	s.step("copied")
	if err := snap.seal(func() bool {
		limits.at(snap.Root)
		return stopped()
	}); err != nil {
		return err
	}
	s.step("sealed")
	return nil
}

// seal hashes what was copied, as it is on the disk now, and makes it read-only.
func (snap *Snapshot) seal(stopped func() bool) error {
	all := sha256.New()
	for i := range snap.Files {
		f := &snap.Files[i]
		var err error
		if f.Size, f.Hash, err = fsys.HashFile(f.Path, stopped); err != nil {
			return err
		}
		snap.Bytes += f.Size
		fmt.Fprintf(all, "%x %q\n", f.Hash, f.Name)
	}
	all.Sum(snap.Sum[:0])
	// The directories from the innermost one outwards.
	for _, f := range snap.Files {
		for dir := filepath.Dir(f.Path); len(dir) >= len(snap.Root); dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o500); err != nil {
				return err
			}
		}
	}
	return nil
}

// Remove removes the snapshot, if it is there. What else somebody has put into its
// directory stays. On Windows a loaded file cannot be removed; the error says so, and
// Remove may be called again.
func (snap *Snapshot) Remove() error {
	if err := removeSnapshot(snap.Root); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// ErrDamaged says that a snapshot is not what was validated.
var ErrDamaged = errors.New("the snapshot was changed or removed")

// Recheck hashes the files again. It returns ErrDamaged, wrapped, if one of them is
// gone or has another content, and fsys.ErrStopped soon after stopped says so. Call
// it before a host loads a snapshot that was made some time ago.
func (snap *Snapshot) Recheck(stopped func() bool) error {
	for _, f := range snap.Files {
		_, h, err := fsys.HashFile(f.Path, stopped)
		switch {
		case errors.Is(err, fsys.ErrStopped):
			return err
		case err != nil:
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		case h != f.Hash:
			return fmt.Errorf("%w: %s has another content", ErrDamaged, f.Path)
		}
	}
	return nil
}

// SumOf is what the sum of a snapshot of these files would be now.
func SumOf(members []Member, limits Limits, stopped func() bool) (sum fsys.Hash, err error) {
	all := sha256.New()
	left := limits.MaxBytes
	for _, m := range members {
		h, size, err := hashOf(m, limits, left, stopped)
		if err != nil {
			return sum, err
		}
		left -= size
		fmt.Fprintf(all, "%x %q\n", h, m.Name)
	}
	all.Sum(sum[:0])
	return sum, nil
}

// hashOf hashes no more than the file had when it was opened, of which left bytes
// are allowed.
func hashOf(m Member, limits Limits, left int64, stopped func() bool) (h fsys.Hash, size int64, err error) {
	limits.at(m.Path)
	f, in, err := fsys.OpenRegular(m.Path)
	if err != nil {
		return h, 0, err
	}
	defer f.Close()
	size = in.Fingerprint.Size
	if limits.MaxBytes > 0 && size > left {
		return h, 0, &TooLargeError{Name: m.Name, Bytes: limits.MaxBytes - left + size, Limit: limits.MaxBytes}
	}
	if limits.Opened != nil {
		if err := limits.Opened(f); err != nil {
			return h, 0, err
		}
	}
	n, h, err := fsys.HashOf(io.LimitReader(f, size), func() bool {
		limits.at(m.Path)
		return stopped()
	})
	if err == nil && n != size {
		err = ErrChanged
	}
	return h, size, err
}

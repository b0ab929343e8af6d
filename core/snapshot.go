package core

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// snapshot is a copy of all files of a plugin that nobody writes to again.
type snapshot struct {
	root  string           // removed as a whole
	paths []string         // the plugin's own file first
	size  int64            // of it
	hash  fsys.Hash        // of it
	bytes int64            // of all
	sum   fsys.Hash        // over names and hashes of all
	of    fsys.Info        // what was opened and copied, all files folded
	asked *slot[Validator] // of whom it was asked, nil = of nobody; behind Manager.mu once it was vetted
}

// errMoved says that a file changed while it was copied.
var errMoved = errors.New("the file changed while it was copied")

const (
	chunk = 8 << 20   // how much is copied before it is asked whether to stop
	piece = 128 << 10 // how much is read at once
)

// member is one file of a plugin.
type member struct {
	abs string
	rel string // its place in the snapshot
}

// layout gives the files of a plugin places that keep their relative positions.
func layout(files []string) ([]member, error) {
	root := filepath.Dir(files[0])
	for _, f := range files[1:] {
		for {
			if _, ok := below(root, f); ok {
				break
			}
			up := filepath.Dir(root)
			if up == root {
				return nil, fail(ErrInvalidPath, "%q and %q have no directory in common", files[0], f)
			}
			root = up
		}
	}
	members := make([]member, 0, len(files))
	for _, f := range files {
		rel, _ := below(root, f)
		members = append(members, member{f, rel})
	}
	return members, nil
}

// below is where path is below the directory root; both are clean.
func below(root, path string) (rel string, ok bool) {
	prefix := fsys.JoinPath(root, "")
	if len(path) > len(prefix) && fsys.NameKey(path[:len(prefix)]) == fsys.NameKey(prefix) {
		return path[len(prefix):], true
	}
	return "", false
}

// take copies the files. On failure nothing is left.
func (s *store) take(files []member, step func(string), stopped func() bool) (*snapshot, error) {
	snap, err := s.begin()
	if err != nil {
		return nil, err
	}
	step("made")
	for i, f := range files {
		to := filepath.Join(snap.root, f.rel)
		if err = os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			break
		}
		var of fsys.Info
		if of, err = copyFile(f.abs, to, step, stopped); err != nil {
			break
		}
		if i == 0 {
			snap.of = of
		} else {
			snap.of.Fold(of)
		}
		snap.paths = append(snap.paths, to)
	}
	if err == nil {
		step("copied")
		err = snap.seal(files, stopped)
	}
	if err != nil {
		_ = removeSnapshot(snap.root)
		return nil, err
	}
	step("sealed")
	return snap, nil
}

// copyFile copies one file, by reference where the file system can, and says
// what it was.
func copyFile(from, to string, step func(string), stopped func() bool) (of fsys.Info, err error) {
	src, of, err := fsys.OpenRegular(from)
	if errors.Is(err, fsys.ErrNotRegular) {
		return of, errMoved // it was a file when it was last checked
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
	step("opened")
	step("copying")
	if !reflink(dst, src) {
		for ; ; step("copying") {
			if stopped() {
				return of, fsys.ErrStopped
			}
			if err := copyChunk(dst, src); err == io.EOF {
				break
			} else if err != nil {
				return of, err
			}
		}
	}
	if st, err := dst.Stat(); err != nil {
		return of, err
	} else if st.Size() != of.Fingerprint.Size {
		return of, errMoved
	}
	return of, dst.Chmod(0o500)
}

// copyChunk is io.CopyN without the system's calls that copy between files: they
// are no faster where reflink fails, and what os has for them is 50 kB.
func copyChunk(dst, src *os.File) error {
	buf := make([]byte, piece)
	for range chunk / piece {
		n, err := src.Read(buf)
		if _, err := dst.Write(buf[:n]); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// seal hashes what was copied, as it is on the disk now, and makes it read-only.
func (s *snapshot) seal(files []member, stopped func() bool) error {
	all := sha256.New()
	for i, path := range s.paths {
		size, h, err := fsys.HashFile(path, stopped)
		if err != nil {
			return err
		}
		if i == 0 {
			s.size, s.hash = size, h
		}
		s.bytes += size
		fmt.Fprintf(all, "%x %q\n", h, files[i].rel)
	}
	all.Sum(s.sum[:0])
	// The directories from the innermost one outwards.
	for _, path := range s.paths {
		for dir := filepath.Dir(path); len(dir) >= len(s.root); dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o500); err != nil {
				return err
			}
		}
	}
	return nil
}

// sumOf is what the sum of a snapshot of these files would be now.
func sumOf(files []member) (sum fsys.Hash, err error) {
	all := sha256.New()
	for _, f := range files {
		_, h, err := fsys.HashFile(f.abs, func() bool { return false })
		if err != nil {
			return sum, err
		}
		fmt.Fprintf(all, "%x %q\n", h, f.rel)
	}
	all.Sum(sum[:0])
	return sum, nil
}

// SPDX-License-Identifier: MIT

package fsys

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
)

// Disk is the file system as the engine needs it.
type Disk interface {
	// Stat says what stands at the end of a path. It follows links.
	Stat(path string) (Info, error)
	// Lstat says what stands at a path, a link included.
	Lstat(path string) (Info, error)
	// Readlink is the text of a link.
	Readlink(path string) (string, error)
	// MayRead says whether this process may open the file for reading.
	MayRead(path string) error
	// List visits the names in the directory at the end of a path, in no order, until visit
	// says no. What stands at a name may be Other: the system did not say.
	List(dir string, visit func(name string, kind Kind) bool) error
	// Open opens the regular file at the end of a path for reading. What else stands
	// there is not opened (ErrNotRegular), and no other process is waited for.
	Open(path string) (File, error)
	// Silent names the file system at a directory if it sends no notifications
	// about changes made elsewhere: by another computer, kernel or process. It is
	// "" for all others.
	Silent(dir string) string
	// Folds reports whether names in a directory that differ in case only are one name,
	// if that is a property of the directory and not of the system ([NameKey]).
	Folds(dir string) bool
	// Unreliable names the file system at a directory if it sends notifications, but what
	// is in it may also change without any. It is "" for all others.
	Unreliable(dir string) string
}

// File is a file opened for one check.
type File interface {
	io.Reader
	io.ReaderAt
	// Stat says what was opened. It need not be a regular file.
	Stat() (Info, error)
	// Writer says whether any process holds the file open for writing.
	Writer() Writer
	Close() error
}

// Kind is what stands at a path.
type Kind uint8

// The kinds.
const (
	Missing Kind = iota
	Regular
	Directory
	Link
	FIFO
	Socket
	Device
	Other // the system does not say what
)

func (k Kind) String() string {
	return [...]string{"nothing", "a regular file", "a directory", "a link", "a FIFO", "a socket", "a device", "something that is no file"}[k]
}

// Fingerprint identifies a version of a file. The zero Fingerprint means "no file".
type Fingerprint struct {
	Exists     bool
	Dev, Inode uint64
	Born       int64 // ns since 1970; 0 where inode numbers are not given out again, or the system does not say
	Size       int64
	ModTime    int64 // ns since 1970
}

// Info is what stat says, as far as it matters here.
type Info struct {
	Kind        Kind
	Fingerprint Fingerprint
	// Changed is when the inode last changed (ctime, ns since 1970), which no
	// program can set at will; 0 where the system does not say.
	Changed int64
	Linked  bool // it has several names (hard links)
	Deleted bool // it has no name any more: only a mount or an open descriptor leads to it
	Mount   Mount
	Remote  bool // on a network file system, where stat may answer from a cache
}

// Mount is the answer to: is it a mount point? The system notifies of what becomes of a
// file under the name that it has in its own file system: the watch of a directory does not
// hear of a file that was mounted there.
type Mount uint8

// The answers.
const (
	NotMounted Mount = iota
	Mounted
	MountUnknown // stat does not say: see IsMountPoint
)

// IsMountPoint reports whether what was found at path, which leads through no links, is a
// mount point.
func (in *Info) IsMountPoint(path string) bool {
	return in.Mount == Mounted || in.Mount == MountUnknown && MountOf(path) == path
}

// ID is a file or directory, whatever its content.
type ID struct{ Dev, Inode uint64 }

// ID returns the identity of what stands there.
func (in *Info) ID() ID { return ID{in.Fingerprint.Dev, in.Fingerprint.Inode} }

// Fold makes the fingerprint one of both files.
func (in *Info) Fold(other Info) {
	mix := func(h uint64, x uint64) uint64 { return (h ^ x) * 1099511628211 } // FNV-1a's step, over words
	h, o := uint64(in.Fingerprint.ModTime), other.Fingerprint
	for _, x := range []uint64{o.Dev, o.Inode, uint64(o.Born), uint64(o.Size), uint64(o.ModTime)} {
		h = mix(h, x)
	}
	in.Fingerprint.ModTime = int64(h)
	in.Changed = max(in.Changed, other.Changed)
}

// Writer is the answer to: does any process hold the file open for writing?
type Writer uint8

// The answers.
const (
	WriterUnknown Writer = iota // the system cannot say
	NoWriter
	HasWriter
)

// Hash is the SHA-256 of a file's content.
type Hash [sha256.Size]byte

// HashOf reads from r to its end. It returns ErrStopped once stopped says so.
func HashOf(r io.Reader, stopped func() bool) (size int64, h Hash, err error) {
	sum, buf := sha256.New(), make([]byte, 128<<10)
	for {
		if stopped() {
			return 0, h, ErrStopped
		}
		n, err := r.Read(buf)
		size += int64(n)
		sum.Write(buf[:n])
		if err == io.EOF {
			sum.Sum(h[:0])
			return size, h, nil
		}
		if err != nil {
			return 0, h, err
		}
	}
}

// HashFile is HashOf for the regular file at path.
func HashFile(path string, stopped func() bool) (size int64, h Hash, err error) {
	f, _, err := OpenRegular(path)
	if err != nil {
		return 0, h, err
	}
	defer f.Close()
	return HashOf(f, stopped)
}

// The errors of this package beside those of the system.
var (
	ErrNotRegular = errors.New("not a regular file")
	ErrStopped    = errors.New("stopped")
)

// OS is the Disk of the operating system.
type OS struct{}

// Readlink implements Disk.
func (OS) Readlink(path string) (string, error) { return os.Readlink(path) }

// Silent implements Disk.
func (OS) Silent(dir string) string { return silentFilesystem(dir) }

// Unreliable implements Disk.
func (OS) Unreliable(dir string) string { return unreliableFilesystem(dir) }

// Open implements Disk.
func (OS) Open(path string) (File, error) {
	f, err := openWithoutWaiting(path)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// OpenRegular opens the regular file at the end of path for reading, without
// waiting for another process.
func OpenRegular(path string) (*os.File, Info, error) {
	f, err := openWithoutWaiting(path)
	if err != nil {
		return nil, Info{}, err
	}
	in, err := osFile{f}.Stat()
	if err == nil && in.Kind != Regular {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		_ = f.Close()
		return nil, Info{}, err
	}
	return f, in, nil
}

// osFile is a File of the operating system.
type osFile struct{ *os.File }

package core

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
)

// fingerprint identifies a version of a file. The zero value means "no file".
type fingerprint struct {
	exists   bool
	dev, ino uint64
	born     int64 // ns since 1970; 0 where inode numbers are not given out again, or nobody knows
	size     int64
	mtime    int64 // ns since 1970
}

// fileKind is what stands at a path.
type fileKind uint8

const (
	kindMissing fileKind = iota
	kindFile
	kindDir
	kindLink
	kindOther // device, FIFO, socket
)

// fileInfo is what stat says, as far as it matters here.
type fileInfo struct {
	kind fileKind
	fp   fingerprint
	// changed is when the inode last changed (ctime, ns since 1970), which no
	// program can set at will; 0 where the system does not tell.
	changed int64
	linked  bool // it has several names (hard links)
	remote  bool // on a network file system, where stat may answer from a cache
}

// verdict answers: does anybody hold the file open for writing?
type verdict uint8

const (
	unknown verdict = iota // the system cannot tell
	nobody
	somebody
	denied // the file cannot even be read
)

// hash is the SHA-256 of a file's content.
type hash [sha256.Size]byte

// disk is what the core asks of the file system; tests put a fake in its place.
type disk interface {
	// stat follows links; the error is that of the system.
	stat(path string) (fileInfo, error)
	lstat(path string) (fileInfo, error)
	// mayRead says whether this process may open the file for reading.
	mayRead(path string) error
	// readable opens the file for reading, as its host would, and closes it.
	readable(path string) (fileInfo, error)
	readlink(path string) (string, error)
	// writer says whether the file is being written, and what it is, if it could
	// be opened.
	writer(path string) (verdict, fileInfo)
	// plain says of a regular file what it is and whether it is being written;
	// of anything else, a link included, that it is none.
	plain(path string) (fileInfo, verdict)
	hash(path string) (hash, error)
	image(path string) error
	// silent says why the file system at a directory sends no notifications,
	// "" if it does.
	silent(dir string) string
}

type osDisk struct{}

// systemDisk is what managers use; only the build with panics wraps it.
var systemDisk disk = osDisk{}

func (osDisk) readable(path string) (fileInfo, error) { return readable(path) }
func (osDisk) readlink(path string) (string, error)   { return os.Readlink(path) }
func (osDisk) writer(path string) (verdict, fileInfo) { return probeWriter(path) }
func (osDisk) plain(path string) (fileInfo, verdict)  { return probePlain(path) }
func (osDisk) image(path string) error                { return checkImage(path) }
func (osDisk) silent(dir string) string               { return silentFilesystem(dir) }

// openRegular opens a file for reading without waiting for anything: what stands
// at the path may have become a FIFO or a device since it was last looked at.
func openRegular(path string) (*os.File, fileInfo, error) {
	f, err := openSource(path)
	if err != nil {
		return nil, fileInfo{}, err
	}
	in, err := statOpened(f)
	if err == nil && in.kind != kindFile {
		err = &fs.PathError{Op: "open", Path: path, Err: errNotRegular}
	}
	if err != nil {
		_ = f.Close()
		return nil, fileInfo{}, err
	}
	return f, in, nil
}

var errNotRegular = errors.New("not a regular file")

func (osDisk) hash(path string) (h hash, err error) {
	_, h, err = hashFile(path, func() bool { return false })
	return h, err
}

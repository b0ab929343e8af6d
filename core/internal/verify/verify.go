package verify

import (
	"io"
	"strings"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/image"
	"github.com/qtforge/hotreload/core/internal/printable"
)

// Policy is what holds for one plugin. The zero Policy accepts everything that can
// be loaded from where it is.
type Policy struct {
	AllowList string   // path of a file of SHA-256 sums; "" = none
	Keys      []Key    // one of them must have signed each file; none = no signatures
	Image     bool     // each file that begins as an image, and the first one in any case, must be complete
	Symbols   []string // that the first file must export
}

// File is one file of a snapshot.
type File struct {
	Path      string
	Name      string    // in messages
	Hash      fsys.Hash // of its content
	Signature string    // path of its signature, if there are keys
}

// Rejection says why a version must not be loaded, as opposed to a failure to find out.
type Rejection struct {
	Why     string
	Passing bool // the version may be accepted later without having changed
}

func (r *Rejection) Error() string { return r.Why }

// Reject returns a *Rejection.
func Reject(format string, args ...any) error {
	return &Rejection{Why: printable.Sprintf(format, args...)}
}

// RejectForNow returns a *Rejection that is passing.
func RejectForNow(format string, args ...any) error {
	return &Rejection{Why: printable.Sprintf(format, args...), Passing: true}
}

// Check says why the files, the plugin's own first, must not be loaded: nil, a
// *Rejection, or another error if that could not be found out.
func (p *Policy) Check(files []File, stopped func() bool) error {
	if p.Image {
		if err := checkImage(files[0].Path); err != nil {
			return Reject("%v", err)
		}
	}
	for i, f := range files {
		magic := startsAsImage(f.Path)
		if magic && fsys.NoExec(f.Path) {
			return Reject("the snapshot directory is on a file system mounted noexec, so that nothing can be loaded from it; choose another snapshot directory")
		}
		if i > 0 && magic && p.Image {
			if err := checkImage(f.Path); err != nil {
				return Reject("%s: %v", f.Name, err)
			}
		}
	}
	if len(p.Symbols) > 0 {
		if err := checkSymbols(files[0].Path, p.Symbols); err != nil {
			return err
		}
	}
	if p.AllowList != "" {
		if err := checkAllowList(p.AllowList, files); err != nil {
			return err
		}
	}
	if len(p.Keys) > 0 {
		for _, f := range files {
			if err := checkSignature(f.Path, f.Signature, p.Keys, stopped); err != nil {
				return err
			}
		}
	}
	return nil
}

// startsAsImage reports whether a file begins as ELF, PE and Mach-O files do.
func startsAsImage(path string) (begins bool) {
	_ = withFile(path, func(r io.ReaderAt, size int64) error {
		var magic [4]byte
		n, _ := r.ReadAt(magic[:], 0)
		begins = image.Begins(magic[:n])
		return nil
	})
	return begins
}

// checkImage says why the file is not a complete image for this machine; nil if it is one.
func checkImage(path string) error { return withFile(path, image.Check) }

// checkSymbols rejects an image that does not export every one of names.
func checkSymbols(path string, names []string) error {
	return withFile(path, func(r io.ReaderAt, size int64) error {
		missing, err := image.Missing(r, size, names)
		switch {
		case err != nil:
			return Reject("its exported symbols cannot be read: %v", err)
		case len(missing) > 0:
			return Reject("it does not export %s", strings.Join(missing, ", "))
		}
		return nil
	})
}

// withFile lets do read the file at path.
func withFile(path string, do func(r io.ReaderAt, size int64) error) error {
	f, in, err := fsys.OpenRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return do(f, in.Fingerprint.Size)
}

// SPDX-License-Identifier: MIT

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
	ListNames bool     // the line of the allow-list must give the file's name, too
	Keys      []Key    // one of them must have signed each file, or the manifest; none = no signatures
	Image     bool     // each file that begins as an image, and the first one in any case, must be complete
	NoUnique  bool     // no image may have symbols that the process has once
	Symbols   []string // that the first file must export
	// Manifest is the path of a list of all files that is signed in their place, and
	// ManifestSignature that of its signature; "" = each file is signed.
	Manifest, ManifestSignature string
	Name                        string  // that the trusted comment must give; "" = any
	Versions                    bool    // the trusted comment must give a version
	MinVersion                  Version // the oldest that is accepted, if Versions
	// Commented, if set, is given the trusted comment once the signature holds: printable,
	// with a space for each tab.
	Commented func(comment string)
	// Stated, if set, is asked about what the signer says, once that fits the policy. Its
	// error is Check's.
	Stated func(Statement) error
	// Strict, if set, says who else could exchange what stands at a path; "" if
	// nobody could. It is StrictPath but in tests.
	Strict func(path string) (why string)
}

// File is one file of a snapshot.
type File struct {
	Path      string
	Name      string    // in messages
	Listed    string    // its name in a manifest: relative to the plugin's directory, with slashes
	Hash      fsys.Hash // of its content
	Signature string    // path of its signature, if there are keys and no manifest
	// Private is a directory that holds the file and belongs to the user alone, with all
	// directories in between. "" is the file's own directory.
	Private string
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
// *Rejection, or another error if that could not be found out. It returns
// fsys.ErrStopped soon after stopped says so.
//
// Nothing but this order keeps a stranger's file from the parsers: the allow-list
// and the signatures come first.
func (p *Policy) Check(files []File, stopped func() bool) error {
	if p.AllowList != "" {
		if err := p.checkAllowList(files, stopped); err != nil {
			return err
		}
	}
	if len(p.Keys) > 0 {
		if err := p.checkSignatures(files, stopped); err != nil {
			return err
		}
	}
	if err := p.checkImages(files, stopped); err != nil {
		return err
	}
	if p.authenticates() {
		if err := p.checkLibraries(files, stopped); err != nil {
			return err
		}
	}
	if p.NoUnique {
		if err := checkUnique(files, stopped); err != nil {
			return err
		}
	}
	if len(p.Symbols) > 0 {
		return checkSymbols(files[0].Path, p.Symbols, stopped)
	}
	return nil
}

// checkSignatures rejects files that are not signed, each or by their manifest, and what
// the signer says of them if that does not fit.
func (p *Policy) checkSignatures(files []File, stopped func() bool) error {
	var comment string
	signed, err := files[0].Hash, error(nil)
	if p.Manifest != "" {
		comment, signed, err = p.checkManifest(files, stopped)
	} else {
		comment, err = p.checkSignature(files[0], stopped)
		for i := 1; i < len(files) && err == nil; i++ {
			_, err = p.checkSignature(files[i], stopped)
		}
	}
	if err != nil {
		return err
	}
	if p.Commented != nil {
		p.Commented(shown(comment))
	}
	version, err := p.examine(comment)
	if err != nil || p.Stated == nil {
		return err
	}
	return p.Stated(Statement{Version: version, Signed: signed})
}

// checkImages rejects images that cannot be loaded.
func (p *Policy) checkImages(files []File, stopped func() bool) error {
	for i, f := range files {
		begins, err := beginsAsImage(f.Path)
		switch {
		case err != nil:
			return err
		case begins && fsys.NoExec(f.Path):
			return Reject("the snapshot directory is on a file system mounted noexec, so that nothing can be loaded from it; choose another snapshot directory")
		case !p.Image || i > 0 && !begins:
			continue
		}
		var why error
		if err := withFile(f.Path, stopped, func(r io.ReaderAt, size int64) { why = image.Check(r, size) }); err != nil {
			return err
		}
		if why != nil && i > 0 {
			return Reject("%s: %v", f.Name, why)
		}
		if why != nil {
			return Reject("%v", why)
		}
	}
	return nil
}

// beginsAsImage reports whether a file begins as ELF, PE and Mach-O files do.
func beginsAsImage(path string) (begins bool, err error) {
	err = withFile(path, func() bool { return false }, func(r io.ReaderAt, size int64) {
		var magic [4]byte
		n, _ := r.ReadAt(magic[:], 0)
		begins = image.Begins(magic[:n])
	})
	return begins, err
}

// checkSymbols rejects an image that does not export every one of names.
func checkSymbols(path string, names []string, stopped func() bool) error {
	var missing []string
	var why error
	err := withFile(path, stopped, func(r io.ReaderAt, size int64) { missing, why = image.Missing(r, size, names) })
	switch {
	case err != nil:
		return err
	case why != nil:
		return Reject("its exported symbols cannot be read: %v", why)
	case len(missing) > 0:
		return Reject("it does not export %s", strings.Join(missing, ", "))
	}
	return nil
}

// checkUnique rejects images whose versions would share objects: those that the process
// has once, however many versions of the image it loads.
func checkUnique(files []File, stopped func() bool) error {
	for i, f := range files {
		begins, err := beginsAsImage(f.Path)
		if err != nil {
			return err
		}
		if !begins {
			continue
		}
		var u image.Unloading
		var why error
		if err := withFile(f.Path, stopped, func(r io.ReaderAt, size int64) { u, why = image.UnloadingOf(r, size) }); err != nil {
			return err
		}
		name := ""
		if i > 0 {
			name = f.Name + ": "
		}
		switch {
		case why != nil:
			return Reject("%sits symbols cannot be read: %v", name, why)
		case u.Unique != "":
			return Reject("%sits symbol %s is unique in the process (STB_GNU_UNIQUE), so that all versions would share the object of the first one; "+
				"compile it with -fno-gnu-unique", name, printable.Text(u.Unique, printable.MaxForeign))
		}
	}
	return nil
}

// withFile lets do read the file at path until it is stopped.
func withFile(path string, stopped func() bool, do func(r io.ReaderAt, size int64)) error {
	f, in, err := fsys.OpenRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	do(&stoppable{f, stopped}, in.Fingerprint.Size)
	if stopped() {
		return fsys.ErrStopped // what do has found out may be of what it could not read
	}
	return nil
}

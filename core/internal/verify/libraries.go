// SPDX-License-Identifier: MIT

package verify

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/image"
)

// authenticates reports whether the policy keeps other people's code out.
func (p *Policy) authenticates() bool {
	return p.AllowList != "" || len(p.Keys) > 0 || p.Strict != nil
}

// checkLibraries rejects images that have the loader look for libraries where others
// could put theirs: code that nobody has authenticated.
func (p *Policy) checkLibraries(files []File, stopped func() bool) error {
	for _, f := range files {
		begins, err := beginsAsImage(f.Path)
		if err != nil {
			return err
		}
		if !begins {
			continue
		}
		var libraries []image.Library
		var why error
		if err := withFile(f.Path, stopped, func(r io.ReaderAt, size int64) { libraries, why = image.Libraries(r, size) }); err != nil {
			return err
		}
		if why != nil {
			return Reject("%s: it cannot be told where it has libraries looked for: %v", f.Name, why)
		}
		for _, l := range libraries {
			if why := p.leads(&f, l); why != "" {
				return Reject("%s has libraries looked for in %q (%s), %s; link it without that path, and name the libraries that it needs as companion files", f.Name, l.Text, l.Tag, why)
			}
		}
	}
	return nil
}

// leads says why a file must not have libraries looked for at a place; "" if it may.
func (p *Policy) leads(f *File, l image.Library) string {
	dir := filepath.Dir(f.Path)
	program, _ := os.Executable()
	for _, place := range l.Places(dir, filepath.Dir(program)) {
		path := filepath.Clean(place.Path)
		switch {
		case place.Base == image.Anywhere || !filepath.IsAbs(path):
			return "which depends on the working directory or on the program"
		case isIn(f.private(), path):
			continue
		case place.Base == image.OfImage:
			return fmt.Sprintf("which leads out of the snapshot directory, to %q", path)
		case place.Base == image.OfProgram && isIn(filepath.Dir(filepath.Dir(program)), path):
			continue // who can write there can exchange the program
		}
		for _, path := range []string{path, place.Path} {
			if why := p.placed(path); why != "" {
				return "where others could put files: " + why
			}
		}
	}
	return ""
}

func (f *File) private() string {
	if f.Private == "" {
		return filepath.Dir(f.Path)
	}
	return f.Private
}

// isIn reports whether a path is a directory or in it. Both are clean.
func isIn(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// placed says who else could put a file at an absolute path, or make the first
// directory on the way to it that is missing; "" if nobody could.
func (p *Policy) placed(path string) string {
	for {
		_, err := os.Lstat(path)
		dir, _ := fsys.SplitPath(path)
		switch {
		case err == nil:
			return placePath(path, p.Strict != nil)
		case !isMissing(err) || dir == path:
			return err.Error()
		}
		path = dir
	}
}

// SPDX-License-Identifier: MIT

package image

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
)

// Library is where an image has the system's loader look for the libraries that it
// needs: a directory of its search path, or a library that it names by a path.
type Library struct {
	Tag  string // RUNPATH, NEEDED, LC_RPATH, ...
	Text string // as it stands in the image
	// places are where Text leads for an image and a program in these directories.
	places func(text, image, program string) []Place
}

// Base is what a path in an image begins with.
type Base uint8

// The bases.
const (
	Fixed     Base = iota // the root directory: the path is absolute
	OfImage               // the directory of the image
	OfProgram             // the directory of the host's program
	// Anywhere depends on the working directory, or on search paths that are not the
	// image's own.
	Anywhere
)

// Place is a path that the loader tries.
type Place struct {
	Path string
	Base Base
}

// Places are the paths that the loader may try for an image and a program in these
// directories.
func (l Library) Places(image, program string) []Place { return l.places(l.Text, image, program) }

const (
	maxLibraries = 4096      // of an image
	maxSearched  = 256 << 10 // bytes of all texts: NixOS has search paths of 20 kB
)

var errSearched = errors.New("it names more or longer paths to libraries than any image has")

// Libraries returns where an image has the loader look for libraries. Names without a
// directory are not among them: the loader looks for these in the search path. The
// error says why it cannot be known.
func Libraries(r io.ReaderAt, size int64) (found []Library, err error) {
	defer contain(&err)
	f := newFile(r, size)
	format, err := f.format()
	if err != nil {
		return nil, err
	}
	if found, err = format.libraries(f); err == nil && len(found) > maxLibraries {
		err = errSearched
	}
	if err != nil && format != nativeFormat() {
		return nil, nil // this system's loader does not load it
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", format.name, err)
	}
	return found, nil
}

// nativeFormat is what this system's loader loads.
func nativeFormat() *format {
	switch runtime.GOOS {
	case "windows":
		return formatPE
	case "darwin", "ios":
		return formatMacho
	}
	return formatELF
}

// tokensOfELF are replaced in the paths of an ELF image by words of the system's.
var tokensOfELF = []string{"LIB", "PLATFORM", "OSNAME", "OSREL"}

// placesOfELF replaces $ORIGIN, and $LIB and the like by nothing and by a word, because
// PLATFORM may be empty: with nothing a ".." after it leads further up, with a word a
// path that begins with it is relative. A "$ORIGINx" is a file's name for glibc, and for
// musl the directory with an x after it.
func placesOfELF(text, image, _ string) (all []Place) {
	for _, word := range []string{"", "x"} {
		for _, cut := range []func(text, name string) (string, bool){cutToken, cutWholeToken} {
			p := Place{}
			from := false
			p.Path, from = expandELF(text, image, word, cut)
			switch {
			case !strings.HasPrefix(p.Path, "/"):
				p.Base = Anywhere
			case from:
				p.Base = OfImage
			}
			if !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all
}

// expandELF says also whether $ORIGIN is in the text.
func expandELF(text, origin, word string, cut func(text, name string) (string, bool)) (path string, from bool) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			return b.String(), from
		}
		text = after
		if rest, is := cut(text, "ORIGIN"); is {
			b.WriteString(origin)
			text, from = rest, true
			continue
		}
		b.WriteByte('$')
		for _, name := range tokensOfELF {
			if rest, is := cut(text, name); is {
				replaced := b.String()[:b.Len()-1] + word
				b.Reset()
				b.WriteString(replaced)
				text = rest
				break
			}
		}
	}
}

// cutToken cuts a token off that follows a "$", also in braces.
func cutToken(text, name string) (rest string, is bool) {
	if rest, is = strings.CutPrefix(text, name); !is {
		rest, is = strings.CutPrefix(text, "{"+name+"}")
	}
	return rest, is
}

// cutWholeToken is cutToken that leaves a token without braces alone if it goes on.
func cutWholeToken(text, name string) (rest string, is bool) {
	rest, is = cutToken(text, name)
	if is && text[0] != '{' && rest != "" {
		c := rest[0]
		is = c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}
	return rest, is
}

// placesOfMacho knows the prefixes that dyld replaces. An @rpath is replaced by each
// LC_RPATH of the image, and by those of the program and of what loads the image.
func placesOfMacho(text, image, program string) []Place {
	for prefix, p := range map[string]Place{"@loader_path": {image, OfImage}, "@executable_path": {program, OfProgram}} {
		if rest, is := strings.CutPrefix(text, prefix); is && (rest == "" || rest[0] == '/') {
			return []Place{{p.Path + rest, p.Base}}
		}
	}
	rest, is := strings.CutPrefix(text, "@rpath/")
	switch {
	case is && !strings.Contains("/"+rest+"/", "/../"):
		return nil
	case strings.HasPrefix(text, "/"):
		return []Place{{text, Fixed}}
	}
	return []Place{{text, Anywhere}}
}

// placesOfPE: an import has a name, which Windows looks for in directories of its own
// choice; one with a directory or a drive leads elsewhere.
func placesOfPE(text, _, _ string) []Place {
	if strings.ContainsAny(text, `\/:`) {
		return []Place{{text, Anywhere}}
	}
	return nil
}

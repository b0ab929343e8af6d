// SPDX-License-Identifier: MIT

package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Check reports why the size bytes of r are not a complete ELF, PE or Mach-O image
// for this machine; nil if they are one.
func Check(r io.ReaderAt, size int64) (err error) {
	defer contain(&err)
	f := newFile(r, size)
	format, err := f.format()
	if err != nil {
		return err
	}
	if err := format.check(f); err != nil {
		return fmt.Errorf("%s: %w", format.name, err)
	}
	return nil
}

// Missing returns those of names that the image does not export, in their order.
// The error says why its exported symbols cannot be read. Names are those of C: a
// Mach-O image's without the underscore in front.
func Missing(r io.ReaderAt, size int64, names []string) (missing []string, err error) {
	defer contain(&err)
	f := newFile(r, size)
	format, err := f.format()
	if err != nil {
		return nil, err
	}
	exported := map[string]bool{}
	for _, n := range names {
		exported[n] = false
	}
	if err := format.exports(f, exported); err != nil {
		return nil, fmt.Errorf("%s: %w", format.name, err)
	}
	for _, n := range names {
		if !exported[n] {
			missing = append(missing, n)
		}
	}
	return missing, nil
}

// Begins reports whether a file that begins with these bytes is meant to be an
// image. Four bytes are enough.
func Begins(magic []byte) bool { return len(magic) >= 4 && formatOf(magic) != nil }

// format is what an image's first bytes say it is.
type format struct {
	name  string
	check func(*file) error
	// exports sets those of names to true that the image exports.
	exports func(f *file, names map[string]bool) error
	// libraries are where it has libraries searched.
	libraries func(*file) ([]Library, error)
}

var (
	formatELF   = &format{"ELF", checkELF, exportsOfELF, librariesOfELF}
	formatPE    = &format{"PE", checkPE, exportsOfPE, librariesOfPE}
	formatMacho = &format{"Mach-O", checkMacho, exportsOfMacho, librariesOfMacho}
	formatFat   = &format{"Mach-O", checkFat, exportsOfFat, librariesOfFat}
)

func formatOf(magic []byte) *format {
	switch {
	case string(magic[:4]) == "\x7fELF":
		return formatELF
	case magic[0] == 'M' && magic[1] == 'Z':
		return formatPE
	case isMacho(binary.LittleEndian.Uint32(magic)):
		return formatMacho
	case binary.BigEndian.Uint32(magic) == machoFat:
		return formatFat
	}
	return nil
}

func (f *file) format() (*format, error) {
	if f.size < 4 {
		return nil, fmt.Errorf("only %d bytes: too short for an image", f.size)
	}
	magic, err := f.read(0, 4)
	if err != nil {
		return nil, err
	}
	if format := formatOf(magic); format != nil {
		return format, nil
	}
	return nil, fmt.Errorf("neither an ELF, a PE nor a Mach-O image (it begins with % x)", magic)
}

// errMalformed is of a fault in a reader, ours or the standard library's.
var errMalformed = errors.New("the image is malformed")

// contain makes an error of a panic: the standard library's reader is written for
// files that are complete.
func contain(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", errMalformed, r)
	}
}

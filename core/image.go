package core

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// Readers of our own for the headers of ELF, PE and Mach-O images, in place of
// the standard library's: those are not made for files that somebody wants to do
// harm with, and bring along all that reads debug information, a tenth of the
// library. In the tests they are the reference.
//
// Nothing that a file says of itself is believed before it was compared with the
// file's size, tables are read in pieces of bounded size, and all arithmetic is
// in 64 bits, in which no sum or product of header fields overflows unseen.

const (
	mostRecords = 1 << 24 // in a table that is gone through
	mostBytes   = 1 << 24 // of what is read at once
	mostShown   = 256     // of a name
)

// image is a file that is read as an image.
type image struct {
	r    io.ReaderAt
	size uint64
	big  bool // the first byte of a number is its most significant one
	wide bool // addresses and offsets have 64 bits
}

var errEnds = errors.New("the file ends before what its header announces: it is truncated or being written")

// format is what an image's first bytes say it is.
type format struct {
	name  string
	check func(*image) error
	// exports sets those of names to true that the image exports.
	exports func(f *image, names map[string]bool) error
}

var (
	formatELF   = &format{"ELF", checkELF, exportsOfELF}
	formatPE    = &format{"PE", checkPE, exportsOfPE}
	formatMacho = &format{"Mach-O", checkMacho, exportsOfMacho}
	formatFat   = &format{"Mach-O", checkFat, exportsOfFat}
)

func formatOf(magic []byte) *format {
	switch {
	case string(magic) == "\x7fELF":
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

// checkImage says why the file is not a structurally whole ELF, PE or Mach-O
// image for this machine; nil if it is one.
func checkImage(path string) error { return withImage(path, (*image).examine) }

// withImage lets do read the file at path.
func withImage(path string, do func(*image) error) (err error) {
	f, in, err := openRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	defer func() {
		if r := recover(); r != nil {
			err = reject("the image is malformed: %v", r)
		}
	}()
	return do(&image{r: f, size: uint64(in.fp.size)})
}

func (f *image) examine() error {
	format, err := f.format()
	if err != nil {
		return err
	}
	return in(format.name, format.check(f))
}

// exports sets those of names to true that the image exports.
func (f *image) exports(names map[string]bool) error {
	format, err := f.format()
	if err != nil {
		return err
	}
	return format.exports(f, names)
}

func (f *image) format() (*format, error) {
	magic, err := f.magic()
	if err != nil {
		return nil, err
	}
	if format := formatOf(magic); format != nil {
		return format, nil
	}
	return nil, errorf("neither an ELF, a PE nor a Mach-O image (it begins with % x)", magic)
}

func (f *image) magic() ([]byte, error) {
	if f.size < 4 {
		return nil, errorf("only %d bytes: too short for an image", f.size)
	}
	return f.read(0, 4)
}

// in puts the format's name before what is wrong with an image.
func in(name string, err error) error {
	if err != nil {
		return errorf("%s: %w", name, err)
	}
	return nil
}

// within reports an error if [off, off+n) reaches beyond the end of the file.
func (f *image) within(what string, off, n uint64) error {
	if end := off + n; end < off || end > f.size {
		return errorf("%s reaches to byte %d, but the file has only %d: it is truncated or being written", what, end, f.size)
	}
	return nil
}

// tableWithin is within for n records of size bytes.
func (f *image) tableWithin(what string, off, n, size uint64) error {
	if f.holds(off, n, size) {
		return nil
	}
	return f.within(what, off, min(n, f.size/size+1)*size) // so many bytes can still be counted
}

// holds reports whether n records of size bytes at off lie within the file. No
// records lie anywhere.
//
//go:noinline
func (f *image) holds(off, n, size uint64) bool {
	return n == 0 || off <= f.size && n <= (f.size-off)/size
}

// read returns n bytes at off.
func (f *image) read(off, n uint64) ([]byte, error) {
	if !f.holds(off, n, 1) {
		return nil, errEnds
	}
	if n > mostBytes {
		return nil, errorf("%d bytes of headers are more than any image has", n)
	}
	b := make([]byte, n)
	return b, f.fill(b, off)
}

// fill reads into b. The file may have become shorter.
func (f *image) fill(b []byte, off uint64) error {
	if n, err := f.r.ReadAt(b, int64(off)); n < len(b) { // off was compared with the size
		if err == io.EOF {
			err = errEnds
		}
		return err
	}
	return nil
}

// table calls do with each of n records of size bytes that begin at off.
func (f *image) table(off, n, size uint64, do func(i uint64, record []byte) error) error {
	if n == 0 {
		return nil
	}
	if !f.holds(off, n, size) {
		return errEnds
	}
	if n > mostRecords {
		return errorf("a table of %d entries is longer than any image has", n)
	}
	each := max(1, piece/size)
	buf := make([]byte, min(n, each)*size)
	for i := uint64(0); i < n; {
		b := buf[:min(n-i, each)*size]
		if err := f.fill(b, off+i*size); err != nil {
			return err
		}
		for ; len(b) > 0; b, i = b[size:], i+1 {
			if err := do(i, b[:size]); err != nil {
				return err
			}
		}
	}
	return nil
}

// These are called from everywhere; inlined they would be a tenth of the readers.
//
//go:noinline
func (f *image) u16(b []byte) uint64 {
	if f.big {
		return uint64(binary.BigEndian.Uint16(b))
	}
	return uint64(binary.LittleEndian.Uint16(b))
}

//go:noinline
func (f *image) u32(b []byte) uint64 {
	if f.big {
		return uint64(binary.BigEndian.Uint32(b))
	}
	return uint64(binary.LittleEndian.Uint32(b))
}

// word reads a number that is as wide as an address, from b[wide:] or b[narrow:].
func (f *image) word(b []byte, wide, narrow int) uint64 {
	if !f.wide {
		return f.u32(b[narrow:])
	}
	lower, upper := f.u32(b[wide:]), f.u32(b[wide+4:])
	if f.big {
		lower, upper = upper, lower
	}
	return upper<<32 | lower
}

// nameTable is a table of names that end with a zero.
type nameTable struct {
	f       *image
	off, n  uint64 // of the table
	longest uint64 // name that matters; longer ones are cut
}

// at returns the name that begins at i, and whether it ends within the table.
func (t nameTable) at(i uint64) (name string, ends bool, err error) {
	if i >= t.n {
		return "", false, nil
	}
	b, err := t.f.read(t.off+i, min(t.n-i, t.longest+1))
	if err != nil {
		return "", false, err
	}
	name, ends = cstring(b)
	return name, ends, nil
}

// cstring is what stands before the first zero, or all if there is none.
func cstring(b []byte) (s string, ends bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return string(b), false
	}
	return string(b[:i]), true
}

// longestOf is the length of the longest of names.
func longestOf(names map[string]bool) (n uint64) {
	for name := range names {
		n = max(n, uint64(len(name)))
	}
	return n
}

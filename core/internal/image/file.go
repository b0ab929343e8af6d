// SPDX-License-Identifier: MIT

package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// file is an image's file as the readers here see it. All arithmetic on what a
// header says is in 64 bits, in which no sum or product of its fields overflows
// unseen; tables are read in pieces.
type file struct {
	r    io.ReaderAt
	size uint64
	left *uint64 // how much may still be read: see spend
	big  bool    // the first byte of a number is its most significant one
	wide bool    // addresses and offsets have 64 bits
}

const (
	maxRecords  = 1 << 24   // in a table that is gone through
	maxBytes    = 1 << 24   // of what is read at once
	maxSpent    = 512 << 20 // bytes that are read of one file, many times what any image needs
	minSpent    = 256       // what one access counts at least: it is a system call
	maxShown    = 256       // bytes of a name in a message
	pieceOfRead = 128 << 10
)

var (
	errEnds   = errors.New("the file ends before what its header announces: it is truncated or being written")
	errCostly = errors.New("there is more to read than any image has")
)

func newFile(r io.ReaderAt, size int64) *file {
	left := uint64(maxSpent)
	return &file{r: r, size: uint64(size), left: &left}
}

// part is n bytes of a file as a file of their own. They are paid for together.
func (f *file) part(off, n uint64) *file {
	return &file{r: io.NewSectionReader(f.r, int64(off), int64(n)), size: n, left: f.left}
}

// spend pays for reading n bytes, or as much work. It bounds what a file can cost
// whatever it announces, and however often it announces the same bytes.
func (f *file) spend(n uint64) error {
	if n > *f.left {
		return errCostly
	}
	*f.left -= n
	return nil
}

// within reports an error if [off, off+n) reaches beyond the end of the file.
func (f *file) within(what string, off, n uint64) error {
	if end := off + n; end < off || end > f.size {
		return fmt.Errorf("%s reaches to byte %d, but the file has only %d: it is truncated or being written", what, end, f.size)
	}
	return nil
}

// holds reports whether n records of size bytes at off lie within the file. No
// records lie anywhere.
func (f *file) holds(off, n, size uint64) bool {
	return n == 0 || off <= f.size && n <= (f.size-off)/size
}

// read returns n bytes at off.
func (f *file) read(off, n uint64) ([]byte, error) {
	if !f.holds(off, n, 1) {
		return nil, errEnds
	}
	if n > maxBytes {
		return nil, fmt.Errorf("%d bytes of headers are more than any image has", n)
	}
	b := make([]byte, n)
	return b, f.fill(b, off)
}

// fill reads into b. The file may have become shorter.
func (f *file) fill(b []byte, off uint64) error {
	if err := f.spend(max(uint64(len(b)), minSpent)); err != nil {
		return err
	}
	if n, err := f.r.ReadAt(b, int64(off)); n < len(b) { // off was compared with the size
		if err == io.EOF {
			err = errEnds
		}
		return err
	}
	return nil
}

// table calls do with each of n records of size bytes that begin at off.
func (f *file) table(off, n, size uint64, do func(i uint64, record []byte) error) error {
	if n == 0 {
		return nil
	}
	if !f.holds(off, n, size) {
		return errEnds
	}
	if n > maxRecords {
		return fmt.Errorf("a table of %d entries is longer than any image has", n)
	}
	each := max(1, pieceOfRead/size)
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

func (f *file) u16(b []byte) uint64 {
	if f.big {
		return uint64(binary.BigEndian.Uint16(b))
	}
	return uint64(binary.LittleEndian.Uint16(b))
}

func (f *file) u32(b []byte) uint64 {
	if f.big {
		return uint64(binary.BigEndian.Uint32(b))
	}
	return uint64(binary.LittleEndian.Uint32(b))
}

// word reads a number that is as wide as an address, from b[wide:] or b[narrow:].
func (f *file) word(b []byte, wide, narrow int) uint64 {
	if !f.wide {
		return f.u32(b[narrow:])
	}
	lower, upper := f.u32(b[wide:]), f.u32(b[wide+4:])
	if f.big {
		lower, upper = upper, lower
	}
	return upper<<32 | lower
}

// nameTable is a table of names that end with a zero. Names in it may lie over each
// other, so that no more of one is looked at than matters.
type nameTable struct {
	text    []byte // all of it, or nil: it is too large, or few names are wanted
	f       *file
	off, n  uint64 // of the table
	longest uint64 // name that matters; longer ones are cut
}

// load is for those who want many names.
func (t *nameTable) load() (err error) {
	if t.n > 0 && t.n <= maxBytes {
		t.text, err = t.f.read(t.off, t.n)
	}
	return err
}

// at returns the name that begins at i, and whether it ends within the table.
func (t nameTable) at(i uint64) (name string, ends bool, err error) {
	if i >= t.n {
		return "", false, nil
	}
	n := min(t.n-i, t.longest+1)
	b := t.text
	if b != nil {
		b = b[i : i+n]
	} else if b, err = t.f.read(t.off+i, n); err != nil {
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

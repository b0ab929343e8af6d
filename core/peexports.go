package core

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"errors"
	"io"
)

// peExports reads the names in a PE image's export directory, which debug/pe
// does not.
func peExports(r io.ReaderAt) (map[string]bool, error) {
	f, err := pe.NewFile(r)
	if err != nil {
		return nil, err
	}
	var d pe.DataDirectory
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		d = h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT]
	case *pe.OptionalHeader64:
		d = h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT]
	default:
		return nil, errors.New("no optional header")
	}
	names := map[string]bool{}
	if d.Size == 0 {
		return names, nil
	}
	table, err := peAt(f, d.VirtualAddress, 40)
	if err != nil {
		return nil, err
	}
	count, at := binary.LittleEndian.Uint32(table[24:]), binary.LittleEndian.Uint32(table[32:])
	if count > 1<<16 { // what an ordinal can number
		return nil, errors.New("the export directory is malformed")
	}
	pointers, err := peAt(f, at, 4*count)
	if err != nil {
		return nil, err
	}
	for i := range count {
		name, err := peAt(f, binary.LittleEndian.Uint32(pointers[4*i:]), 0)
		if err != nil {
			return nil, err
		}
		if end := bytes.IndexByte(name, 0); end >= 0 {
			names[string(name[:end])] = true
		}
	}
	return names, nil
}

// peAt returns n bytes at an address of the mapped image, or, with n 0, as many
// as a name can have.
func peAt(f *pe.File, address, n uint32) ([]byte, error) {
	const longest = 4096
	for _, s := range f.Sections {
		if address < s.VirtualAddress || address-s.VirtualAddress >= s.Size {
			continue
		}
		off := address - s.VirtualAddress
		want := n
		if want == 0 {
			want = min(longest, s.Size-off)
		}
		if uint64(off)+uint64(want) > uint64(s.Size) {
			break
		}
		buf := make([]byte, want)
		if _, err := s.ReadAt(buf, int64(off)); err != nil && err != io.EOF {
			return nil, err
		}
		return buf, nil
	}
	return nil, errors.New("the export directory points outside of the image's sections")
}

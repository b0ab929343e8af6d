// SPDX-License-Identifier: MIT

// This reader is ours because debug/pe copies the rest of the table of names for
// each symbol and each section with a long name: 20 MB can cost hours. A limit that
// prevents it rejects what mingw and Go build with symbols, too.

package image

import (
	"fmt"
	"runtime"
)

// thisPE is the machine that images must be made for; 0 if it is not known.
func thisPE() uint64 {
	switch runtime.GOARCH {
	case "amd64":
		return 0x8664
	case "386":
		return 0x14c
	case "arm64":
		return 0xaa64
	case "arm":
		return 0x1c4
	}
	return 0
}

const (
	peHeader, peSection   = 20, 40
	coffSymbol, coffReloc = 18, 10
	peDirectoryExports    = 0
	peDirectorySignature  = 4
)

// peFile is a PE image whose headers were read.
type peFile struct {
	*file
	machine     uint64
	optional    bool          // it has an optional header, as what can be loaded does
	directories []peDirectory // as many as there are
	strings     nameTable     // of long names; it begins with its own length
	sections    []peSectionHeader
}

type peDirectory struct{ address, size uint64 }

type peSectionHeader struct {
	name               string
	address, off, size uint64
}

func openPE(in *file) (f peFile, err error) {
	f.file = in
	dos, err := f.read(0, 96)
	if err != nil {
		return f, err
	}
	base := f.u32(dos[0x3c:])
	h, err := f.read(base, 4+peHeader)
	if err != nil {
		return f, err
	}
	if string(h[:4]) != "PE\x00\x00" {
		return f, fmt.Errorf("invalid signature % x", h[:4])
	}
	base += 4 + peHeader
	h = h[4:]
	f.machine = f.u16(h)
	sections, optional := f.u16(h[2:]), f.u16(h[16:])
	if err := f.openSymbols(f.u32(h[8:]), f.u32(h[12:])); err != nil {
		return f, err
	}
	if err := f.openOptional(base, optional); err != nil {
		return f, err
	}
	err = f.table(base+optional, sections, peSection, f.addSection)
	return f, err
}

// openSymbols looks over the symbol table and the names behind it, which are
// what a linker writes last.
func (f *peFile) openSymbols(off, n uint64) error {
	f.strings = nameTable{f: f.file, n: 4, longest: maxShown}
	if off == 0 {
		return nil
	}
	f.strings.off = off + n*coffSymbol
	b, err := f.read(f.strings.off, 4)
	if err != nil {
		return err
	}
	f.strings.n = max(4, f.u32(b))
	if !f.holds(f.strings.off, f.strings.n, 1) {
		return errEnds
	}
	auxiliary := byte(0)
	err = f.table(off, n, coffSymbol, func(_ uint64, b []byte) error {
		if auxiliary > 0 {
			auxiliary--
			return nil
		}
		auxiliary = b[17]
		if at := f.u32(b[4:]); f.u32(b) == 0 && at != 0 && !f.named(at) {
			return fmt.Errorf("a symbol's name is not among the names")
		}
		return nil
	})
	if err == nil && auxiliary > 0 {
		err = fmt.Errorf("the last symbol is incomplete")
	}
	return err
}

// named reports whether a name can stand at i of the table of names.
func (f *peFile) named(i uint64) bool { return i >= 4 && i <= f.strings.n }

func (f *peFile) openOptional(off, size uint64) error {
	if size == 0 {
		return nil
	}
	h, err := f.read(off, size)
	if err != nil {
		return err
	}
	least := uint64(96)
	if size >= 2 && f.u16(h) == 0x20b {
		least = 112
	}
	if size < least || least == 96 && f.u16(h) != 0x10b {
		return fmt.Errorf("the optional header is malformed")
	}
	n := f.u32(h[least-4:])
	if size-least != n*8 {
		return fmt.Errorf("the optional header has no room for %d directories", n)
	}
	f.optional = true
	for d := h[least:]; len(d) > 0; d = d[8:] {
		f.directories = append(f.directories, peDirectory{f.u32(d), f.u32(d[4:])})
	}
	return nil
}

func (f *peFile) directory(i int) (d peDirectory) {
	if i < len(f.directories) {
		d = f.directories[i]
	}
	return d
}

func (f *peFile) addSection(_ uint64, b []byte) error {
	name, _ := cstring(b[:8])
	if name != "" && name[0] == '/' { // a long one
		i := uint64(0)
		for _, digit := range []byte(name[1:]) {
			if digit -= '0'; digit > 9 {
				i = 0 // where no name is
				break
			}
			i = 10*i + uint64(digit)
		}
		if !f.named(i) {
			return fmt.Errorf("the name of section %q is not among the names", name)
		}
		var err error
		if name, _, err = f.strings.at(i); err != nil {
			return err
		}
	}
	if !f.holds(f.u32(b[24:]), f.u16(b[32:]), coffReloc) {
		return errEnds
	}
	f.sections = append(f.sections, peSectionHeader{name: name, address: f.u32(b[12:]), off: f.u32(b[20:]), size: f.u32(b[16:])})
	return nil
}

func checkPE(in *file) error {
	f, err := openPE(in)
	if err != nil {
		return err
	}
	if want := thisPE(); want != 0 && f.machine != want {
		return fmt.Errorf("made for machine %#x, this one is %#x", f.machine, want)
	}
	if !f.optional || len(f.sections) == 0 {
		return fmt.Errorf("no optional header or no sections: not a loadable image")
	}
	for _, s := range f.sections {
		if err := f.within("section "+s.name, s.off, s.size); err != nil {
			return err
		}
	}
	// The one directory that is not mapped: its address is an offset into the
	// file. It lies behind all sections.
	if d := f.directory(peDirectorySignature); d.size > 0 {
		return f.within("the signature", d.address, d.size)
	}
	return nil
}

// exportsOfPE looks into the export directory.
func exportsOfPE(in *file, names map[string]bool) error {
	f, err := openPE(in)
	if err != nil {
		return err
	}
	if !f.optional {
		return fmt.Errorf("no optional header")
	}
	d := f.directory(peDirectoryExports)
	if d.size == 0 {
		return nil
	}
	off, _, err := f.at(d.address, 40)
	if err != nil {
		return err
	}
	h, err := f.read(off, 40)
	if err != nil {
		return err
	}
	count := f.u32(h[24:])
	if count == 0 { // all by number
		return nil
	}
	if count > 1<<16 { // what an ordinal can number
		return fmt.Errorf("the export directory is malformed")
	}
	if off, _, err = f.at(f.u32(h[32:]), 4*count); err != nil {
		return err
	}
	longest := longestOf(names)
	return f.table(off, count, 4, func(_ uint64, b []byte) error {
		off, room, err := f.at(f.u32(b), 1)
		if err != nil {
			return err
		}
		name, ends, err := nameTable{f: in, off: off, n: room, longest: longest}.at(0)
		if _, wanted := names[name]; wanted && ends {
			names[name] = true
		}
		return err
	})
}

// at finds n bytes at an address of the mapped image: where they are in the file,
// and how many there are until their section ends.
func (f *peFile) at(address, n uint64) (off, room uint64, err error) {
	if err := f.spend(uint64(len(f.sections))); err != nil {
		return 0, 0, err
	}
	for _, s := range f.sections {
		if address < s.address || address-s.address >= s.size {
			continue
		}
		if skip := address - s.address; s.off != 0 && n <= s.size-skip {
			return s.off + skip, s.size - skip, nil
		}
		break
	}
	return 0, 0, fmt.Errorf("the export directory points outside of the image's sections")
}

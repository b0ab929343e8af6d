package core

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strconv"
)

// elfMachine is one of the values of e_machine.
type elfMachine uint16

const (
	elf386       elfMachine = 3
	elfMIPS      elfMachine = 8
	elfPPC64     elfMachine = 21
	elfS390      elfMachine = 22
	elfARM       elfMachine = 40
	elfX86_64    elfMachine = 62
	elfAArch64   elfMachine = 183
	elfRISCV     elfMachine = 243
	elfLoongArch elfMachine = 258
)

// thisELF is the machine that images must be made for; 0 if it is not known.
func thisELF() elfMachine {
	switch runtime.GOARCH {
	case "amd64":
		return elfX86_64
	case "386":
		return elf386
	case "arm64":
		return elfAArch64
	case "arm":
		return elfARM
	case "riscv64":
		return elfRISCV
	case "ppc64", "ppc64le":
		return elfPPC64
	case "s390x":
		return elfS390
	case "loong64":
		return elfLoongArch
	case "mips", "mipsle", "mips64", "mips64le":
		return elfMIPS
	}
	return 0
}

func (m elfMachine) String() string {
	switch m {
	case elf386:
		return "EM_386"
	case elfMIPS:
		return "EM_MIPS"
	case elfPPC64:
		return "EM_PPC64"
	case elfS390:
		return "EM_S390"
	case elfARM:
		return "EM_ARM"
	case elfX86_64:
		return "EM_X86_64"
	case elfAArch64:
		return "EM_AARCH64"
	case elfRISCV:
		return "EM_RISCV"
	case elfLoongArch:
		return "EM_LOONGARCH"
	}
	return "machine " + strconv.Itoa(int(m))
}

// Of sections.
const (
	elfSymbolNames = 3 // SHT_STRTAB
	elfNoBits      = 8
	elfDynSym      = 11
	elfCompressed  = 0x800 // SHF_COMPRESSED
	elfReserved    = 0xff00
	elfExtended    = 0xffff // SHN_XINDEX: the number is in the first section's header
)

// elfFile is an ELF image whose header was read.
type elfFile struct {
	*image
	machine            elfMachine
	segments, sections elfTable
	names              uint64 // the section with the sections' names; 0 is none
}

type elfTable struct{ off, n, size uint64 }

type elfSection struct {
	name, kind, link uint64
	flags, off, size uint64
}

// bits names the kind of image by the width and the order of its numbers.
func bits(wide, big bool) string {
	s := "ELFCLASS32"
	if wide {
		s = "ELFCLASS64"
	}
	if big {
		return s + ", ELFDATA2MSB"
	}
	return s + ", ELFDATA2LSB"
}

func openELF(image *image) (f elfFile, err error) {
	f.image = image
	h, err := f.read(0, 16)
	if err != nil {
		return f, err
	}
	class, data, version := h[4], h[5], h[6]
	f.wide, f.big = class == 2, data == 2
	if class-1 > 1 || data-1 > 1 || version != 1 {
		return f, errorf("unknown class %d, data encoding %d or version %d", class, data, version)
	}
	size, phsize, shsize := uint64(52), uint64(32), uint64(40)
	if f.wide {
		size, phsize, shsize = 64, 56, 64
	}
	if h, err = f.read(0, size); err != nil {
		return f, err
	}
	f.machine = elfMachine(f.u16(h[18:]))
	if v := f.u32(h[20:]); v != 1 {
		return f, errorf("unknown version %d", v)
	}
	sizes := h[size-10:] // e_phentsize and what follows
	f.segments = elfTable{f.word(h, 32, 28), f.u16(sizes[2:]), f.u16(sizes)}
	f.sections = elfTable{f.word(h, 40, 32), f.u16(sizes[6:]), f.u16(sizes[4:])}
	f.names = f.u16(sizes[8:])
	if f.sections.off == 0 && f.sections.n != 0 || f.sections.n != 0 && f.names >= f.sections.n {
		return f, errorf("the header contradicts itself about the sections")
	}
	if f.sections.off != 0 && f.sections.n == 0 {
		if err := f.manySections(shsize); err != nil {
			return f, err
		}
	}
	for _, t := range []struct {
		elfTable
		least uint64
	}{{f.segments, phsize}, {f.sections, shsize}} {
		if t.n > 0 && t.size < t.least {
			return f, errorf("a table's entries have %d bytes, fewer than %d", t.size, t.least)
		}
	}
	return f, nil
}

// manySections reads the numbers that have no room in the header.
func (f *elfFile) manySections(size uint64) error {
	b, err := f.read(f.sections.off, size)
	if err != nil {
		return err
	}
	first := f.section(b)
	if first.kind != 0 || first.size < elfReserved {
		return errorf("the first section's header is malformed")
	}
	f.sections.n = first.size
	if f.names == elfExtended {
		if f.names = first.link; f.names < elfReserved {
			return errorf("the first section's header is malformed")
		}
	}
	if f.names >= f.sections.n {
		return errorf("the header contradicts itself about the sections")
	}
	return nil
}

func (f *elfFile) section(b []byte) elfSection {
	s := elfSection{
		name: f.u32(b), kind: f.u32(b[4:]), flags: f.word(b, 8, 8),
		off: f.word(b, 24, 16), size: f.word(b, 32, 20), link: f.u32(b[24:]),
	}
	if f.wide {
		s.link = f.u32(b[40:])
	}
	return s
}

// sectionAt reads one section's header. What it announces lies within the file.
func (f *elfFile) sectionAt(i uint64) (s elfSection, err error) {
	if i >= f.sections.n || !f.holds(f.sections.off, i+1, f.sections.size) {
		return s, errEnds
	}
	b, err := f.read(f.sections.off+i*f.sections.size, f.sections.size)
	if err != nil {
		return s, err
	}
	s = f.section(b)
	if s.kind == elfNoBits || s.flags&elfCompressed != 0 {
		return s, errorf("a table is not in the file as it is used")
	}
	if !f.holds(s.off, s.size, 1) {
		return s, errEnds
	}
	return s, nil
}

// sectionNames reads the names of all sections.
func (f *elfFile) sectionNames() ([]byte, error) {
	if f.sections.n == 0 || f.names == 0 {
		return nil, nil
	}
	s, err := f.sectionAt(f.names)
	if err != nil {
		return nil, err
	}
	if s.kind != elfSymbolNames {
		return nil, errorf("the sections' names are no table of names")
	}
	return f.read(s.off, s.size)
}

var segmentTypes = [...]string{"PT_NULL", "PT_LOAD", "PT_DYNAMIC", "PT_INTERP", "PT_NOTE", "PT_SHLIB", "PT_PHDR", "PT_TLS"}

func segmentType(t uint64) string {
	if t < uint64(len(segmentTypes)) {
		return segmentTypes[t]
	}
	return "type 0x" + strconv.FormatUint(t, 16)
}

func checkELF(image *image) error {
	f, err := openELF(image)
	if err != nil {
		return err
	}
	if want := thisELF(); want != 0 && f.machine != want {
		return errorf("made for %v, this machine is %v", f.machine, want)
	}
	// ppc64 and ppc64le, x86-64 and its x32 are one machine number each.
	if made, this := bits(f.wide, f.big), bits(strconv.IntSize == 64, binary.NativeEndian.Uint16([]byte{1, 0}) != 1); made != this {
		return errorf("made for %s; this machine is %s", made, this)
	}
	if f.segments.n == 0 {
		return errorf("no program headers: not a loadable image")
	}
	err = f.table(f.segments.off, f.segments.n, f.segments.size, func(i uint64, b []byte) error {
		return f.within(fmt.Sprintf("segment %d (%s)", i, segmentType(f.u32(b))), f.word(b, 8, 4), f.word(b, 32, 16))
	})
	if err != nil {
		return err
	}
	// The section headers are what a linker writes last.
	if err := f.tableWithin("the section header table", f.sections.off, f.sections.n, f.sections.size); err != nil {
		return err
	}
	names, err := f.sectionNames()
	if err != nil {
		return err
	}
	return f.table(f.sections.off, f.sections.n, f.sections.size, func(i uint64, b []byte) error {
		s := f.section(b)
		name := "number " + strconv.FormatUint(i, 10)
		if names != nil {
			ends := false
			if s.name < uint64(len(names)) {
				name, ends = cstring(names[s.name:])
			}
			if !ends {
				return errorf("section %s has no name", name)
			}
		}
		return f.checkSection(name, s)
	})
}

func (f *elfFile) checkSection(name string, s elfSection) error {
	if int64(s.off) < 0 || int64(s.size) < 0 {
		return errorf("section %s is malformed", name)
	}
	if s.flags&elfCompressed != 0 {
		header := uint64(12)
		if f.wide {
			header = 24
		}
		if s.size < header || !f.holds(s.off, header, 1) {
			return errorf("section %s is malformed", name)
		}
	}
	if s.kind == elfNoBits || s.kind == 0 {
		return nil
	}
	return f.within("section "+name, s.off, s.size)
}

// exportsOfELF looks into the dynamic symbol table.
func exportsOfELF(image *image, names map[string]bool) error {
	f, err := openELF(image)
	if err != nil {
		return err
	}
	at := f.sections.n
	err = f.table(f.sections.off, f.sections.n, f.sections.size, func(i uint64, b []byte) error {
		if at == f.sections.n && f.section(b).kind == elfDynSym {
			at = i
		}
		return nil
	})
	if err != nil || at == f.sections.n {
		return err
	}
	symbols, err := f.sectionAt(at)
	if err != nil || symbols.size == 0 {
		return err
	}
	strings, err := f.sectionAt(symbols.link)
	if err != nil {
		return err
	}
	size, info := uint64(16), 12 // of an entry, and of st_info within
	if f.wide {
		size, info = 24, 4
	}
	if symbols.size%size != 0 || symbols.link == 0 {
		return errorf("the symbol table is malformed")
	}
	table := nameTable{image, strings.off, strings.size, longestOf(names)}
	// The first entry is void.
	return f.table(symbols.off+size, symbols.size/size-1, size, func(_ uint64, b []byte) error {
		const local, internal, hidden = 0, 1, 2
		bind, seen, section := b[info]>>4, b[info+1]&3, f.u16(b[info+2:])
		if section == 0 || bind == local || seen == internal || seen == hidden {
			return nil
		}
		name, ends, err := table.at(f.u32(b))
		if _, wanted := names[name]; wanted && ends {
			names[name] = true
		}
		return err
	})
}

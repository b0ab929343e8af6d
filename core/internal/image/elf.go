// SPDX-License-Identifier: MIT

package image

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
)

// machinesOfELF are the machines that images must be made for.
var machinesOfELF = map[string]elf.Machine{
	"386":      elf.EM_386,
	"amd64":    elf.EM_X86_64,
	"arm":      elf.EM_ARM,
	"arm64":    elf.EM_AARCH64,
	"loong64":  elf.EM_LOONGARCH,
	"mips":     elf.EM_MIPS,
	"mips64":   elf.EM_MIPS,
	"mips64le": elf.EM_MIPS,
	"mipsle":   elf.EM_MIPS,
	"ppc64":    elf.EM_PPC64,
	"ppc64le":  elf.EM_PPC64,
	"riscv64":  elf.EM_RISCV,
	"s390x":    elf.EM_S390,
}

const (
	maxHeadersOfELF = 4 << 20  // what debug/elf may read of one file: its headers are all it wants
	maxNamesOfELF   = 16 << 20 // the size of the table of sections' names, times the number of sections
)

// headers is what debug/elf may see of a file.
type headers struct {
	*file
	left    uint64
	hide    bool   // that there is a table of sections' names
	namesAt uint64 // where the header says which section is that: e_shstrndx
}

func (h *headers) ReadAt(b []byte, off int64) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if uint64(len(b)) > h.left {
		return 0, errCostly
	}
	h.left -= uint64(len(b))
	if off < 0 || !h.holds(uint64(off), uint64(len(b)), 1) {
		return 0, errEnds
	}
	if err := h.fill(b, uint64(off)); err != nil {
		return 0, err
	}
	for i := range uint64(2) {
		if at := h.namesAt + i; h.hide && at >= uint64(off) && at-uint64(off) < uint64(len(b)) {
			b[at-uint64(off)] = 0
		}
	}
	return len(b), nil
}

// openELF reads the headers. debug/elf copies the rest of the table of sections'
// names for each section, and decompresses the table, so that it first sees the
// file without that table and gets to see the table only if it is small.
func openELF(f *file) (*elf.File, error) {
	class, err := f.read(elf.EI_CLASS, 1)
	if err != nil {
		return nil, err
	}
	h := headers{file: f, left: maxHeadersOfELF, hide: true, namesAt: 62}
	if elf.Class(class[0]) == elf.ELFCLASS32 {
		h.namesAt = 50
	}
	e, err := newELF(&h)
	if err != nil {
		return nil, err
	}
	b, err := f.read(20, 4)
	if err != nil {
		return nil, err
	}
	if v := e.ByteOrder.Uint32(b); v != uint32(elf.EV_CURRENT) { // debug/elf looks at 8 of its 32 bits
		return nil, fmt.Errorf("unknown version %d", v)
	}
	if len(e.Sections) == 0 {
		return e, nil
	}
	b, err = f.read(h.namesAt, 2)
	if err != nil {
		return nil, err
	}
	at := uint64(e.ByteOrder.Uint16(b))
	if at == uint64(elf.SHN_XINDEX) {
		at = uint64(e.Sections[0].Link)
	}
	if at >= uint64(len(e.Sections)) {
		return nil, errors.New("the header contradicts itself about the sections")
	}
	names := e.Sections[at]
	switch {
	case at == 0:
		return e, nil
	case names.Type == elf.SHT_NOBITS || names.Flags&elf.SHF_COMPRESSED != 0:
		return nil, errors.New("the sections' names are not in the file as they are used")
	case names.FileSize > maxNamesOfELF/uint64(len(e.Sections)):
		return nil, fmt.Errorf("%d bytes of names for %d sections are more than any image has", names.FileSize, len(e.Sections))
	}
	return newELF(&headers{file: f, left: maxHeadersOfELF + names.FileSize})
}

func newELF(h *headers) (*elf.File, error) {
	e, err := elf.NewFile(h)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errEnds // it would have read beyond a section
	}
	return e, err
}

func checkELF(f *file) error {
	e, err := openELF(f)
	if err != nil {
		return err
	}
	if want, known := machinesOfELF[runtime.GOARCH]; known && e.Machine != want {
		return fmt.Errorf("made for %v, this machine is %v", e.Machine, want)
	}
	// ppc64 and ppc64le, x86-64 and its x32 are one machine number each.
	if class, data := kindOfThisMachine(); e.Class != class || e.Data != data {
		return fmt.Errorf("made for %v, %v; this machine is %v, %v", e.Class, e.Data, class, data)
	}
	if len(e.Progs) == 0 {
		return errors.New("no program headers: not a loadable image")
	}
	for i, p := range e.Progs {
		if err := f.within(fmt.Sprintf("segment %d (%v)", i, p.Type), p.Off, p.Filesz); err != nil {
			return err
		}
	}
	// The section headers, which debug/elf has read, are what a linker writes last.
	for i, s := range e.Sections {
		if s.Type == elf.SHT_NOBITS || s.Type == elf.SHT_NULL {
			continue
		}
		name := s.Name
		if name == "" {
			name = "number " + strconv.Itoa(i)
		}
		if err := f.within("section "+name[:min(len(name), maxShown)], s.Offset, s.FileSize); err != nil {
			return err
		}
	}
	return nil
}

func kindOfThisMachine() (elf.Class, elf.Data) {
	class, data := elf.ELFCLASS64, elf.ELFDATA2LSB
	if strconv.IntSize == 32 {
		class = elf.ELFCLASS32
	}
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		data = elf.ELFDATA2MSB
	}
	return class, data
}

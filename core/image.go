package core

import (
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
)

// checkImage says why the file is not a structurally whole ELF, PE or Mach-O
// image for this machine; nil if it is one.
func checkImage(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	return examineImage(f, st.Size())
}

func examineImage(r io.ReaderAt, length int64) (err error) {
	// The readers of debug/* are written for files that are whole.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the image is malformed: %v", r)
		}
	}()
	var magic [4]byte
	if n, err := r.ReadAt(magic[:], 0); n < len(magic) {
		if err != io.EOF {
			return err
		}
		return fmt.Errorf("only %d bytes: too short for an image", n)
	}
	size := uint64(length)
	switch {
	case string(magic[:]) == elf.ELFMAG:
		return checkELF(r, size)
	case magic[0] == 'M' && magic[1] == 'Z':
		return checkPE(r, size)
	case isMacho(binary.LittleEndian.Uint32(magic[:])):
		return checkMacho(r, size)
	case binary.BigEndian.Uint32(magic[:]) == macho.MagicFat:
		return checkFat(r, size)
	}
	return fmt.Errorf("neither an ELF, a PE nor a Mach-O image (it begins with % x)", magic)
}

// within reports an error if [off, off+n) reaches beyond the end of the file.
func within(what string, off, n, size uint64) error {
	if end := off + n; end < off || end > size {
		return fmt.Errorf("%s reaches to byte %d, but the file has only %d: it is truncated or being written", what, end, size)
	}
	return nil
}

// unreadable says what it means that the headers cannot be read.
func unreadable(format string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: the file ends before what its header announces: it is truncated or being written", format)
	}
	return fmt.Errorf("%s: %w", format, err)
}

var elfMachines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64, "386": elf.EM_386, "arm64": elf.EM_AARCH64, "arm": elf.EM_ARM, "riscv64": elf.EM_RISCV,
	"ppc64": elf.EM_PPC64, "ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390, "loong64": elf.EM_LOONGARCH,
	"mips64": elf.EM_MIPS, "mips64le": elf.EM_MIPS, "mips": elf.EM_MIPS, "mipsle": elf.EM_MIPS,
}

func checkELF(r io.ReaderAt, size uint64) error {
	f, err := elf.NewFile(r)
	if err != nil {
		return unreadable("ELF", err)
	}
	if want, ok := elfMachines[runtime.GOARCH]; ok && f.Machine != want {
		return fmt.Errorf("ELF: made for %v, this machine is %v", f.Machine, want)
	}
	// ppc64 and ppc64le, x86-64 and its x32 are one machine number each.
	if class, order := nativeELF(); f.Class != class || f.Data != order {
		return fmt.Errorf("ELF: made for %v, %v; this machine is %v, %v", f.Class, f.Data, class, order)
	}
	if len(f.Progs) == 0 {
		return fmt.Errorf("ELF: no program headers: not a loadable image")
	}
	for i, p := range f.Progs {
		if err := within(fmt.Sprintf("ELF: segment %d (%v)", i, p.Type), p.Off, p.Filesz, size); err != nil {
			return err
		}
	}
	// The section headers are what a linker writes last.
	if off, n, ok := elfSectionTable(r, f.Class, f.ByteOrder); ok {
		if err := within("ELF: the section header table", off, n, size); err != nil {
			return err
		}
	}
	for _, s := range f.Sections {
		if s.Type == elf.SHT_NOBITS || s.Type == elf.SHT_NULL {
			continue
		}
		if err := within("ELF: section "+s.Name, s.Offset, s.FileSize, size); err != nil {
			return err
		}
	}
	return nil
}

func nativeELF() (elf.Class, elf.Data) {
	class, order := elf.ELFCLASS64, elf.ELFDATA2LSB
	if strconv.IntSize == 32 {
		class = elf.ELFCLASS32
	}
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		order = elf.ELFDATA2MSB
	}
	return class, order
}

// elfSectionTable reads e_shoff, e_shentsize and e_shnum, which debug/elf keeps
// to itself.
func elfSectionTable(r io.ReaderAt, class elf.Class, order binary.ByteOrder) (off, n uint64, ok bool) {
	var h [64]byte
	if k, _ := r.ReadAt(h[:], 0); k < 52 {
		return 0, 0, false
	}
	if class == elf.ELFCLASS64 {
		return order.Uint64(h[40:]), uint64(order.Uint16(h[58:])) * uint64(order.Uint16(h[60:])), true
	}
	return uint64(order.Uint32(h[32:])), uint64(order.Uint16(h[46:])) * uint64(order.Uint16(h[48:])), true
}

var peMachines = map[string]uint16{
	"amd64": pe.IMAGE_FILE_MACHINE_AMD64, "386": pe.IMAGE_FILE_MACHINE_I386,
	"arm64": pe.IMAGE_FILE_MACHINE_ARM64, "arm": pe.IMAGE_FILE_MACHINE_ARMNT,
}

func checkPE(r io.ReaderAt, size uint64) error {
	f, err := pe.NewFile(r)
	if err != nil {
		return unreadable("PE", err)
	}
	if want, ok := peMachines[runtime.GOARCH]; ok && f.Machine != want {
		return fmt.Errorf("PE: made for machine %#x, this one is %#x", f.Machine, want)
	}
	if f.OptionalHeader == nil || len(f.Sections) == 0 {
		return fmt.Errorf("PE: no optional header or no sections: not a loadable image")
	}
	for _, s := range f.Sections {
		if err := within("PE: section "+s.Name, uint64(s.Offset), uint64(s.Size), size); err != nil {
			return err
		}
	}
	if d, ok := peCertificates(f); ok {
		// The one directory that is not mapped: its address is an offset into the file.
		return within("PE: the signature", uint64(d.VirtualAddress), uint64(d.Size), size)
	}
	return nil
}

// peCertificates is where the image's signature lies, behind all sections.
func peCertificates(f *pe.File) (pe.DataDirectory, bool) {
	var d pe.DataDirectory
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		d = h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY]
	case *pe.OptionalHeader64:
		d = h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY]
	}
	return d, d.Size > 0
}

var machoCPUs = map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64, "386": macho.Cpu386, "arm": macho.CpuArm}

func isMacho(magic uint32) bool { return magic == macho.Magic32 || magic == macho.Magic64 }

func checkMacho(r io.ReaderAt, size uint64) error {
	f, err := macho.NewFile(r)
	if err != nil {
		return unreadable("Mach-O", err)
	}
	if want, ok := machoCPUs[runtime.GOARCH]; ok && f.Cpu != want {
		return fmt.Errorf("Mach-O: made for %v, this machine is %v", f.Cpu, want)
	}
	return machoSegments(f, size)
}

func machoSegments(f *macho.File, size uint64) error {
	for _, l := range f.Loads {
		if s, ok := l.(*macho.Segment); ok {
			if err := within("Mach-O: segment "+s.Name, s.Offset, s.Filesz, size); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkFat(r io.ReaderAt, size uint64) error {
	f, err := macho.NewFatFile(r)
	if err != nil {
		return unreadable("Mach-O", err)
	}
	want, known := machoCPUs[runtime.GOARCH]
	found := !known
	for _, a := range f.Arches {
		if err := within("Mach-O: the image for "+a.Cpu.String(), uint64(a.Offset), uint64(a.Size), size); err != nil {
			return err
		}
		if err := machoSegments(a.File, uint64(a.Size)); err != nil {
			return err
		}
		found = found || a.Cpu == want
	}
	if !found {
		return fmt.Errorf("Mach-O: none of its images is for this machine (%v)", want)
	}
	return nil
}

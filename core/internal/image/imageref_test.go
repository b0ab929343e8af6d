// SPDX-License-Identifier: MIT

package image

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
)

// What the standard library's readers make of an image: the reference for ours.

// refComplete says why b is not a complete image for this machine.
func refComplete(b []byte) (err error) {
	defer refPanic(&err) // they are written for files that are complete
	if len(b) < 4 {
		return io.EOF
	}
	r, size := bytes.NewReader(b), uint64(len(b))
	switch {
	case string(b[:4]) == elf.ELFMAG:
		return refELF(r, size)
	case b[0] == 'M' && b[1] == 'Z':
		return refPE(r, size)
	case isMacho(binary.LittleEndian.Uint32(b)):
		f, err := macho.NewFile(r)
		if err == nil && f.Cpu != refCPU {
			err = errors.New("another machine")
		}
		if err == nil {
			err = refSegments(f, size)
		}
		return err
	case binary.BigEndian.Uint32(b) == macho.MagicFat:
		return refFat(r, size)
	}
	return errors.New("no image")
}

func refPanic(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("panic: %v", r)
	}
}

func refWithin(off, n, size uint64) error {
	if end := off + n; end < off || end > size {
		return errors.New("truncated")
	}
	return nil
}

var (
	refMachine = map[string]elf.Machine{"amd64": elf.EM_X86_64, "386": elf.EM_386, "arm64": elf.EM_AARCH64, "arm": elf.EM_ARM}[runtime.GOARCH]
	refCPU     = map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64, "386": macho.Cpu386, "arm": macho.CpuArm}[runtime.GOARCH]
	refPEs     = map[string]uint16{"amd64": pe.IMAGE_FILE_MACHINE_AMD64, "386": pe.IMAGE_FILE_MACHINE_I386,
		"arm64": pe.IMAGE_FILE_MACHINE_ARM64, "arm": pe.IMAGE_FILE_MACHINE_ARMNT}[runtime.GOARCH]
)

func refELF(r io.ReaderAt, size uint64) error {
	f, err := elf.NewFile(r)
	if err != nil {
		return err
	}
	class := elf.ELFCLASS64
	if strconv.IntSize == 32 {
		class = elf.ELFCLASS32
	}
	if f.Machine != refMachine || f.Class != class || f.Data != elf.ELFDATA2LSB || len(f.Progs) == 0 {
		return errors.New("another machine, or nothing to load")
	}
	for _, p := range f.Progs {
		if err := refWithin(p.Off, p.Filesz, size); err != nil {
			return err
		}
	}
	for _, s := range f.Sections {
		if s.Type == elf.SHT_NOBITS || s.Type == elf.SHT_NULL {
			continue
		}
		if err := refWithin(s.Offset, s.FileSize, size); err != nil {
			return err
		}
	}
	return nil
}

func refDirectory(f *pe.File, i int) (d pe.DataDirectory, ok bool) {
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		return h.DataDirectory[i], true
	case *pe.OptionalHeader64:
		return h.DataDirectory[i], true
	}
	return d, false
}

func refPE(r io.ReaderAt, size uint64) error {
	f, err := pe.NewFile(r)
	if err != nil {
		return err
	}
	d, ok := refDirectory(f, pe.IMAGE_DIRECTORY_ENTRY_SECURITY)
	if f.Machine != refPEs || !ok || len(f.Sections) == 0 {
		return errors.New("another machine, or nothing to load")
	}
	for _, s := range f.Sections {
		if err := refWithin(uint64(s.Offset), uint64(s.Size), size); err != nil {
			return err
		}
	}
	if d.Size > 0 {
		return refWithin(uint64(d.VirtualAddress), uint64(d.Size), size)
	}
	return nil
}

func refSegments(f *macho.File, size uint64) error {
	for _, l := range f.Loads {
		if s, ok := l.(*macho.Segment); ok {
			if err := refWithin(s.Offset, s.Filesz, size); err != nil {
				return err
			}
		}
	}
	return nil
}

func refFat(r io.ReaderAt, size uint64) error {
	f, err := macho.NewFatFile(r)
	if err != nil {
		return err
	}
	found := false
	for _, a := range f.Arches {
		if err := refWithin(uint64(a.Offset), uint64(a.Size), size); err != nil {
			return err
		}
		if err := refSegments(a.File, uint64(a.Size)); err != nil {
			return err
		}
		found = found || a.Cpu == refCPU
	}
	if !found {
		return errors.New("another machine")
	}
	return nil
}

// refExports is every name in an image's symbol table or export directory, and
// whether it is exported.
func refExports(b []byte) (names map[string]bool, err error) {
	defer refPanic(&err)
	names = map[string]bool{}
	r := bytes.NewReader(b)
	switch {
	case string(b[:4]) == elf.ELFMAG:
		f, err := elf.NewFile(r)
		if err != nil {
			return nil, err
		}
		symbols, err := f.DynamicSymbols()
		if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
			return nil, err
		}
		for _, s := range symbols {
			seen := elf.ST_VISIBILITY(s.Other)
			names[s.Name] = names[s.Name] || s.Section != elf.SHN_UNDEF && elf.ST_BIND(s.Info) != elf.STB_LOCAL &&
				seen != elf.STV_HIDDEN && seen != elf.STV_INTERNAL
		}
	case b[0] == 'M':
		return names, refPEExports(r, names)
	case binary.BigEndian.Uint32(b) == macho.MagicFat:
		f, err := macho.NewFatFile(r)
		if err != nil {
			return nil, err
		}
		for _, a := range f.Arches {
			if a.Cpu == refCPU {
				refMachoExports(a.File, names)
			}
		}
	default:
		f, err := macho.NewFile(r)
		if err != nil {
			return nil, err
		}
		refMachoExports(f, names)
	}
	return names, nil
}

func refMachoExports(f *macho.File, names map[string]bool) {
	if f.Symtab == nil {
		return
	}
	for _, s := range f.Symtab.Syms {
		if strings.Contains(s.Name, ".") {
			continue // of these the reader has taken away an underscore already
		}
		name := strings.TrimPrefix(s.Name, "_")
		names[name] = names[name] || s.Type&nExternal != 0 && s.Type&nPrivate == 0 && s.Type&nSection != 0
	}
}

// refPEExports: debug/pe does not read the export directory.
func refPEExports(r io.ReaderAt, names map[string]bool) error {
	f, err := pe.NewFile(r)
	if err != nil {
		return err
	}
	d, _ := refDirectory(f, pe.IMAGE_DIRECTORY_ENTRY_EXPORT)
	if d.Size == 0 {
		return nil
	}
	at := func(address uint32) ([]byte, error) {
		for _, s := range f.Sections {
			if address >= s.VirtualAddress && address-s.VirtualAddress < s.Size {
				data, err := s.Data()
				return data[min(address-s.VirtualAddress, uint32(len(data))):], err
			}
		}
		return nil, errors.New("outside")
	}
	table, err := at(d.VirtualAddress)
	if err != nil || len(table) < 40 {
		return errors.New("no directory")
	}
	count := binary.LittleEndian.Uint32(table[24:])
	if count == 0 {
		return nil
	}
	pointers, err := at(binary.LittleEndian.Uint32(table[32:]))
	if err != nil || uint64(len(pointers)) < 4*uint64(count) || count > 1<<16 {
		return errors.New("no names")
	}
	for i := range count {
		text, err := at(binary.LittleEndian.Uint32(pointers[4*i:]))
		if err != nil {
			return err
		}
		if name, _, ends := bytes.Cut(text, []byte{0}); ends {
			names[string(name)] = true
		}
	}
	return nil
}

// refLibraries is where an ELF or a Mach-O image has libraries looked for, each as a tag
// and a text. Of a PE image the reference has no names with directories, for no linker
// makes any.
func refLibraries(b []byte) (all []string, err error) {
	defer refPanic(&err)
	switch r := bytes.NewReader(b); {
	case string(b[:4]) == elf.ELFMAG:
		f, err := elf.NewFile(r)
		if err != nil {
			return nil, err
		}
		for tag, name := range map[elf.DynTag]string{elf.DT_RPATH: "RPATH", elf.DT_RUNPATH: "RUNPATH"} {
			lists, err := f.DynString(tag)
			if err != nil {
				return nil, err
			}
			for _, list := range lists {
				for _, dir := range strings.Split(list, ":") {
					all = append(all, name+" "+dir)
				}
			}
		}
		names, err := f.DynString(elf.DT_NEEDED)
		for _, name := range names {
			if strings.ContainsAny(name, "/$") {
				all = append(all, "NEEDED "+name)
			}
		}
		return all, err
	case isMacho(binary.LittleEndian.Uint32(b)):
		f, err := macho.NewFile(r)
		if err != nil {
			return nil, err
		}
		for _, l := range f.Loads {
			switch l := l.(type) {
			case *macho.Dylib:
				all = append(all, "LC_LOAD_DYLIB "+l.Name)
			case *macho.Rpath:
				all = append(all, "LC_RPATH "+l.Path)
			}
		}
		return all, nil
	case b[0] == 'M':
		return nil, nil
	}
	return nil, errors.New("no reference")
}

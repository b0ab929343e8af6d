// SPDX-License-Identifier: MIT

// Where an ELF image has libraries searched is read as the loader reads it: from the
// image as it is mapped, up to the end mark, whatever the headers of segments and
// sections say of lengths. What is ambiguous is an error.

package image

import (
	"bytes"
	"debug/elf"
	"strings"
)

// searchedByELF are the entries of the dynamic segment that name libraries, and
// whether they are lists.
var searchedByELF = map[elf.DynTag]struct {
	tag  string
	list bool
}{
	elf.DT_NEEDED:    {"NEEDED", false},
	elf.DT_AUXILIARY: {"AUXILIARY", false},
	elf.DT_FILTER:    {"FILTER", false},
	elf.DT_RPATH:     {"RPATH", true},
	elf.DT_RUNPATH:   {"RUNPATH", true},
	elf.DT_AUDIT:     {"AUDIT", true},
	elf.DT_DEPAUDIT:  {"DEPAUDIT", true},
}

const (
	maxDynamic = 1 << 16 // entries of the dynamic segment
	pageOfELF  = 4096    // the smallest page that files are mapped by
)

func librariesOfELF(f *file) (found []Library, err error) {
	e, err := openELF(f)
	if err != nil {
		return nil, err
	}
	f.wide, f.big = e.Class == elf.ELFCLASS64, e.Data == elf.ELFDATA2MSB
	d := &dynamic{file: f, e: e}
	entries, err := d.searched()
	if err != nil {
		return nil, err
	}
	total := 0
	for _, entry := range entries {
		text, err := d.text(d.names + entry.value)
		if err != nil {
			return nil, err
		}
		if total += len(text); total > maxSearched {
			return nil, errSearched
		}
		of := searchedByELF[entry.tag]
		parts := []string{text}
		if of.list {
			parts = strings.Split(text, ":")
		}
		for _, part := range parts {
			directory := entry.tag == elf.DT_RPATH || entry.tag == elf.DT_RUNPATH
			if directory && text != "" || strings.ContainsAny(part, "/$") {
				found = append(found, Library{Tag: of.tag, Text: part, places: placesOfELF})
			}
		}
		if len(found) > maxLibraries {
			return nil, errSearched
		}
	}
	return found, nil
}

// entryOfELF is an entry of the dynamic segment.
type entryOfELF struct {
	tag   elf.DynTag
	value uint64
}

// searched returns the entries that name libraries, and notes where the names are.
func (d *dynamic) searched() (entries []entryOfELF, err error) {
	var segment *elf.Prog
	for _, p := range d.e.Progs {
		if p.Type == elf.PT_DYNAMIC && segment != nil {
			return nil, errDynamic // loaders differ in which one they take
		}
		if p.Type == elf.PT_DYNAMIC {
			segment = p
		}
	}
	if segment == nil {
		return nil, nil // a loader rejects it, or it needs nothing
	}
	size := uint64(8)
	if d.wide {
		size = 16
	}
	for i := range uint64(maxDynamic) {
		b, err := d.loaded(segment.Vaddr+i*size, size)
		if err != nil {
			return nil, err
		}
		if uint64(len(b)) < size {
			return nil, errDynamic
		}
		entry := entryOfELF{elf.DynTag(d.word(b, 0, 0)), d.word(b, 8, 4)}
		_, names := searchedByELF[entry.tag]
		switch {
		case entry.tag == elf.DT_NULL && d.names == 0 && len(entries) > 0:
			return nil, errDynamic
		case entry.tag == elf.DT_NULL:
			return entries, nil
		case entry.tag == elf.DT_STRTAB && d.names != 0:
			return nil, errDynamic
		case entry.tag == elf.DT_STRTAB:
			d.names = entry.value
		case names && len(entries) == maxLibraries:
			return nil, errSearched
		case names:
			entries = append(entries, entry)
		}
	}
	return nil, errDynamic
}

// text is what stands at an address, up to the first zero.
func (d *dynamic) text(address uint64) (string, error) {
	const piece = 256
	var all []byte
	for len(all) < maxSearched {
		b, err := d.loaded(address+uint64(len(all)), piece)
		if err != nil {
			return "", err
		}
		if i := bytes.IndexByte(b, 0); i >= 0 {
			return string(append(all, b[:i]...)), nil
		}
		all = append(all, b...)
	}
	return "", errSearched
}

// loaded returns what is at an address of the mapped image, at most so many bytes.
func (d *dynamic) loaded(address, most uint64) ([]byte, error) {
	if err := d.spend(uint64(len(d.e.Progs))); err != nil {
		return nil, err
	}
	var in *elf.Prog
	for _, p := range d.e.Progs {
		size := max(p.Filesz, p.Memsz)
		if p.Type != elf.PT_LOAD || size == 0 {
			continue
		}
		begin, end := p.Vaddr&^(pageOfELF-1), p.Vaddr+size
		if end < p.Vaddr {
			return nil, errDynamic
		}
		if address < begin || address-begin >= (end-begin+pageOfELF-1)&^(pageOfELF-1) {
			continue
		}
		if in != nil || (p.Vaddr-p.Off)%pageOfELF != 0 {
			return nil, errDynamic // one is mapped over the other, or it is mapped from elsewhere
		}
		in = p
	}
	if in == nil || address < in.Vaddr {
		return nil, errDynamic
	}
	switch skip := address - in.Vaddr; {
	case skip < in.Filesz:
		return d.read(in.Off+skip, min(most, in.Filesz-skip))
	case skip < in.Memsz:
		return make([]byte, min(most, in.Memsz-skip)), nil
	}
	return nil, errDynamic
}

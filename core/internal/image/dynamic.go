// SPDX-License-Identifier: MIT

// What an ELF image exports is found as the system's loader finds it, by the
// dynamic segment. debug/elf needs section headers for it, which an image need not
// have, and copies the rest of the table of names for each symbol.

package image

import (
	"debug/elf"
	"errors"
)

// dynamic is the dynamic segment: addresses in the mapped image, 0 if there is none.
type dynamic struct {
	*file
	e                *elf.File
	symbols          uint64 // DT_SYMTAB
	names, sizeNames uint64 // DT_STRTAB, DT_STRSZ
	hash, gnuHash    uint64 // DT_HASH, DT_GNU_HASH
	flags, flags1    uint64 // DT_FLAGS, DT_FLAGS_1
}

var errDynamic = errors.New("the dynamic segment is malformed")

func exportsOfELF(f *file, names map[string]bool) error {
	e, err := openELF(f)
	if err != nil {
		return err
	}
	f.wide, f.big = e.Class == elf.ELFCLASS64, e.Data == elf.ELFDATA2MSB
	d, err := openDynamic(f, e)
	if err != nil || d == nil {
		return err
	}
	for name := range names {
		if names[name], err = d.exports(name); err != nil {
			return err
		}
	}
	return nil
}

// openDynamic returns nil if there is no dynamic segment: nothing is exported then.
func openDynamic(f *file, e *elf.File) (*dynamic, error) {
	d := &dynamic{file: f, e: e}
	var segment *elf.Prog
	for _, p := range e.Progs {
		if p.Type == elf.PT_DYNAMIC {
			segment = p
			break
		}
	}
	if segment == nil {
		return nil, nil
	}
	size := uint64(8)
	if f.wide {
		size = 16
	}
	ended := false
	err := f.table(segment.Off, segment.Filesz/size, size, func(_ uint64, b []byte) error {
		if ended {
			return nil
		}
		value := f.word(b, 8, 4)
		switch elf.DynTag(f.word(b, 0, 0)) {
		case elf.DT_NULL:
			ended = true
		case elf.DT_SYMTAB:
			d.symbols = value
		case elf.DT_STRTAB:
			d.names = value
		case elf.DT_STRSZ:
			d.sizeNames = value
		case elf.DT_HASH:
			d.hash = value
		case elf.DT_GNU_HASH:
			d.gnuHash = value
		case elf.DT_FLAGS:
			d.flags = value
		case elf.DT_FLAGS_1:
			d.flags1 = value
		}
		return nil
	})
	return d, err
}

// exports looks a name up.
func (d *dynamic) exports(name string) (bool, error) {
	switch {
	case d.gnuHash != 0:
		return d.byGNUHash(name)
	case d.hash != 0:
		return d.byHash(name)
	}
	return false, nil // the loader finds nothing either
}

// byGNUHash reads the table of DT_GNU_HASH: its header, a Bloom filter, the buckets,
// and for each symbol from the first one on a hash whose last bit ends a chain.
func (d *dynamic) byGNUHash(name string) (bool, error) {
	header, err := d.mapped(d.gnuHash, 16)
	if err != nil {
		return false, err
	}
	buckets, first, filter := d.u32(header), d.u32(header[4:]), d.u32(header[8:])
	if buckets == 0 {
		return false, errDynamic
	}
	word := uint64(4)
	if d.wide {
		word = 8
	}
	hash := uint64(gnuHash(name))
	table := d.gnuHash + 16 + filter*word
	i, err := d.mappedU32(table + 4*(hash%buckets))
	if err != nil || i < first {
		return false, err
	}
	for table += 4 * buckets; ; i++ {
		of, err := d.mappedU32(table + 4*(i-first))
		if err != nil {
			return false, err
		}
		if of|1 == hash|1 {
			if is, err := d.isExport(i, name); is || err != nil {
				return is, err
			}
		}
		if of&1 != 0 {
			return false, nil
		}
	}
}

func gnuHash(name string) uint32 {
	h := uint32(5381)
	for i := range len(name) {
		h = h*33 + uint32(name[i])
	}
	return h
}

// byHash reads the table of DT_HASH: two lengths, the buckets, and the chains.
func (d *dynamic) byHash(name string) (bool, error) {
	size := uint64(4)
	if d.wide && d.e.Machine == elf.EM_S390 {
		size = 8
	}
	at := func(i uint64) (uint64, error) {
		b, err := d.mapped(d.hash+i*size, size)
		if err != nil {
			return 0, err
		}
		if size == 8 {
			return d.word(b, 0, 0), nil
		}
		return d.u32(b), nil
	}
	buckets, err := at(0)
	if err != nil {
		return false, err
	}
	if buckets == 0 {
		return false, errDynamic
	}
	chains, err := at(1)
	if err != nil {
		return false, err
	}
	i, err := at(2 + uint64(sysvHash(name))%buckets)
	for range chains {
		if err != nil || i == 0 {
			return false, err
		}
		if i >= chains {
			return false, errDynamic
		}
		if is, err := d.isExport(i, name); is || err != nil {
			return is, err
		}
		i, err = at(2 + buckets + i)
	}
	return false, err
}

func sysvHash(name string) uint32 {
	h := uint32(0)
	for i := range len(name) {
		h = h<<4 + uint32(name[i])
		h ^= h >> 24 & 0xf0
		h &= 0x0fffffff
	}
	return h
}

// isExport reports whether a symbol has this name and is one that others may use.
func (d *dynamic) isExport(i uint64, name string) (bool, error) {
	size, info := uint64(elf.Sym32Size), 12 // of an entry, and of st_info within
	if d.wide {
		size, info = elf.Sym64Size, 4
	}
	b, err := d.mapped(d.symbols+i*size, size)
	if err != nil {
		return false, err
	}
	seen := elf.ST_VISIBILITY(b[info+1])
	if elf.SectionIndex(d.u16(b[info+2:])) == elf.SHN_UNDEF || elf.ST_BIND(b[info]) == elf.STB_LOCAL ||
		seen == elf.STV_INTERNAL || seen == elf.STV_HIDDEN {
		return false, nil
	}
	at, n := d.u32(b), uint64(len(name))+1
	if at >= d.sizeNames || n > d.sizeNames-at {
		return false, nil
	}
	text, err := d.mapped(d.names+at, n)
	if err != nil {
		return false, err
	}
	return string(text) == name+"\x00", nil
}

func (d *dynamic) mappedU32(address uint64) (uint64, error) {
	b, err := d.mapped(address, 4)
	if err != nil {
		return 0, err
	}
	return d.u32(b), nil
}

// mapped reads n bytes at an address of the mapped image.
func (d *dynamic) mapped(address, n uint64) ([]byte, error) {
	off, err := d.located(address, n)
	if err != nil {
		return nil, err
	}
	return d.read(off, n)
}

// located returns where in the file n bytes at an address of the mapped image are.
func (d *dynamic) located(address, n uint64) (off uint64, err error) {
	if err := d.spend(uint64(len(d.e.Progs))); err != nil {
		return 0, err
	}
	for _, p := range d.e.Progs {
		if skip := address - p.Vaddr; p.Type == elf.PT_LOAD && address >= p.Vaddr && skip <= p.Filesz && n <= p.Filesz-skip {
			return p.Off + skip, nil
		}
	}
	return 0, errDynamic
}

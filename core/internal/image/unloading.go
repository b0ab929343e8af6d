// SPDX-License-Identifier: MIT

package image

import (
	"debug/elf"
	"io"
	"strings"
)

// Unloading is what an image says of its end: what keeps it in memory, and what of it
// other versions use. Only ELF images say such things.
type Unloading struct {
	// Unique is a symbol that the process has once (STB_GNU_UNIQUE): the library that was
	// loaded first supplies the object, and all others use it. "" if there is none.
	Unique    string
	Uniques   int  // how many such symbols there are
	Own       bool // Unique is not of a template of the C++ library's or Qt's
	NoDelete  bool // it is never unloaded (DF_1_NODELETE)
	StaticTLS bool // it needs room in the static TLS block (DF_STATIC_TLS)
	// ThreadLocal means that it may have objects that end with a thread (thread_local).
	ThreadLocal bool
	// Keys means that it makes keys of thread-specific data and deletes none.
	Keys bool
	// OnExit means that it may have the end of the process call it. Unlike what atexit
	// registers, what on_exit does is not called when the library is unloaded.
	OnExit bool
}

// UnloadingOf reads what an image says of its end. The error says why it cannot be known.
func UnloadingOf(r io.ReaderAt, size int64) (u Unloading, err error) {
	defer contain(&err)
	f := newFile(r, size)
	format, err := f.format()
	if err != nil || format != formatELF {
		return u, err
	}
	return unloadingOfELF(f)
}

// stbGNUUnique is a symbol's binding, which debug/elf does not name.
const stbGNUUnique elf.SymBind = 10

const maxSymbol = 4096 // bytes of a symbol's name that are read

func unloadingOfELF(f *file) (u Unloading, err error) {
	e, err := openELF(f)
	if err != nil {
		return u, err
	}
	f.wide, f.big = e.Class == elf.ELFCLASS64, e.Data == elf.ELFDATA2MSB
	d, err := openDynamic(f, e)
	if err != nil || d == nil {
		return u, err
	}
	u.NoDelete = elf.DynFlag1(d.flags1)&elf.DF_1_NODELETE != 0
	u.StaticTLS = elf.DynFlag(d.flags)&elf.DF_STATIC_TLS != 0
	imported := map[string]bool{}
	best := 0
	err = d.eachSymbol(func(name string, s symbol) {
		if !s.defined {
			imported[name] = true
			return
		}
		if s.bind != stbGNUUnique {
			return
		}
		u.Uniques++
		if rank := interest(name); rank > best {
			u.Unique, best = name, rank
		}
	})
	imports := func(names ...string) (is bool) {
		for _, name := range names {
			is = is || imported[name]
		}
		return is
	}
	u.Own = best == ofPlugin
	u.ThreadLocal = imports("__cxa_thread_atexit", "__cxa_thread_atexit_impl")
	u.Keys = imports("pthread_key_create", "tss_create") && !imports("pthread_key_delete", "tss_delete")
	u.OnExit = imports("on_exit")
	return u, err
}

// What a symbol is, by its name; the plugin's own tells a reader most.
const (
	ofGuard   = iota + 1 // the guard of a static variable
	ofLibrary            // an object of a template of the C++ library's or Qt's
	ofPlugin
)

func interest(name string) int {
	inner := strings.TrimLeft(strings.TrimPrefix(name, "_Z"), "ZNK")
	isStd := len(inner) > 1 && inner[0] == 'S' && inner[1] >= 'a' && inner[1] <= 'z' // std:: or std::string and the like
	inner = strings.TrimLeft(inner, "0123456789")
	switch {
	case strings.HasPrefix(name, "_ZGV"):
		return ofGuard
	case isStd || strings.HasPrefix(inner, "__gnu_cxx") || strings.HasPrefix(inner, "Qt"):
		return ofLibrary
	}
	return ofPlugin
}

// symbol is an entry of the dynamic symbol table.
type symbol struct {
	bind    elf.SymBind
	defined bool // and others may use it
}

// eachSymbol calls do with each symbol that others may use, or that is imported.
func (d *dynamic) eachSymbol(do func(name string, s symbol)) error {
	n, err := d.countSymbols()
	if err != nil || n == 0 {
		return err
	}
	size, info := uint64(elf.Sym32Size), 12 // of an entry, and of st_info within
	if d.wide {
		size, info = elf.Sym64Size, 4
	}
	at, err := d.located(d.symbols, n*size)
	if err != nil {
		return err
	}
	names := nameTable{f: d.file, n: d.sizeNames, longest: maxSymbol}
	if names.off, err = d.located(d.names, d.sizeNames); err != nil {
		return err
	}
	if err := names.load(); err != nil {
		return err
	}
	return d.table(at, n, size, func(_ uint64, b []byte) error {
		seen := elf.ST_VISIBILITY(b[info+1])
		s := symbol{elf.ST_BIND(b[info]), elf.SectionIndex(d.u16(b[info+2:])) != elf.SHN_UNDEF}
		if s.bind == elf.STB_LOCAL || s.defined && (seen == elf.STV_INTERNAL || seen == elf.STV_HIDDEN) {
			return nil
		}
		if s.defined && s.bind != stbGNUUnique {
			return nil // whose name nobody asks for
		}
		name, _, err := names.at(d.u32(b))
		if err == nil && name != "" {
			do(name, s)
		}
		return err
	})
}

// countSymbols is the length of the symbol table, which nothing but a table of hashes
// says.
func (d *dynamic) countSymbols() (uint64, error) {
	switch {
	case d.gnuHash != 0:
		return d.countByGNUHash()
	case d.hash != 0 && d.wide && d.e.Machine == elf.EM_S390:
		b, err := d.mapped(d.hash+8, 8)
		if err != nil {
			return 0, err
		}
		return d.word(b, 0, 0), nil
	case d.hash != 0:
		return d.mappedU32(d.hash + 4)
	}
	return 0, nil
}

// countByGNUHash finds the end of the last chain.
func (d *dynamic) countByGNUHash() (uint64, error) {
	header, err := d.mapped(d.gnuHash, 16)
	if err != nil {
		return 0, err
	}
	buckets, first, filter := d.u32(header), d.u32(header[4:]), d.u32(header[8:])
	word := uint64(4)
	if d.wide {
		word = 8
	}
	table := d.gnuHash + 16 + filter*word
	at, err := d.located(table, 4*buckets)
	if err != nil {
		return 0, err
	}
	last := uint64(0)
	err = d.table(at, buckets, 4, func(_ uint64, b []byte) error {
		last = max(last, d.u32(b))
		return nil
	})
	if err != nil || last < first {
		return first, err // nothing is exported
	}
	for table += 4 * buckets; ; last++ {
		of, err := d.mappedU32(table + 4*(last-first))
		if err != nil || of&1 != 0 {
			return last + 1, err
		}
	}
}

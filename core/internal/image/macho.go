// SPDX-License-Identifier: MIT

// This reader is ours because debug/macho copies the rest of the table of names for
// each symbol, and reads images in a universal one that lie over each other again
// and again: 1.6 MB can cost minutes. A limit that prevents it rejects what is not
// stripped, too.

package image

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// machoCPU is one of the values of cputype.
type machoCPU uint32

const (
	machoWideABI          = 1 << 24
	machoX86     machoCPU = 7
	machoX86_64  machoCPU = machoX86 | machoWideABI
	machoARM     machoCPU = 12
	machoARM64   machoCPU = machoARM | machoWideABI
	machoFat              = 0xcafebabe
	machoMagic            = 0xfeedface // the last bit is set if addresses have 64 bits
)

// thisMacho is the machine that images must be made for; 0 if it is not known.
func thisMacho() machoCPU {
	switch runtime.GOARCH {
	case "amd64":
		return machoX86_64
	case "arm64":
		return machoARM64
	case "386":
		return machoX86
	case "arm":
		return machoARM
	}
	return 0
}

func (c machoCPU) String() string {
	switch c {
	case machoX86:
		return "Cpu386"
	case machoX86_64:
		return "CpuAmd64"
	case machoARM:
		return "CpuArm"
	case machoARM64:
		return "CpuArm64"
	}
	return "CPU " + strconv.FormatUint(uint64(c), 10)
}

func isMacho(magic uint32) bool { return magic&^1 == machoMagic }

// machoFile is a Mach-O image whose load commands were read.
type machoFile struct {
	*file
	cpu      machoCPU
	kind     uint64
	segments []machoSegment
	symbols  machoSymbols
	searched []Library // at most one more than maxLibraries
}

type machoSegment struct {
	name      string
	off, size uint64
}

type machoSymbols struct {
	off, n, size uint64 // size is 0 if there are none
	names        nameTable
}

func openMacho(in *file) (f machoFile, err error) {
	f.file = in
	magic, err := f.read(0, 4)
	if err != nil {
		return f, err
	}
	f.big = !isMacho(binary.LittleEndian.Uint32(magic))
	f.wide = f.u32(magic)&1 != 0
	if !isMacho(uint32(f.u32(magic))) {
		return f, fmt.Errorf("no image begins with % x", magic)
	}
	h, err := f.read(0, 28)
	if err != nil {
		return f, err
	}
	f.cpu, f.kind = machoCPU(f.u32(h[4:])), f.u32(h[12:])
	off := uint64(28)
	if f.wide {
		off = 32
	}
	commands, err := f.read(off, f.u32(h[20:]))
	if err != nil {
		return f, err
	}
	for range f.u32(h[16:]) {
		if len(commands) < 8 {
			return f, fmt.Errorf("more load commands than there is room for")
		}
		size := f.u32(commands[4:])
		if size < 8 || size > uint64(len(commands)) {
			return f, fmt.Errorf("a load command is malformed")
		}
		if err := f.command(commands[:size]); err != nil {
			return f, err
		}
		commands = commands[size:]
	}
	return f, nil
}

// command takes in one load command.
func (f *machoFile) command(b []byte) error {
	const segment, symbols, dynamic, dylib, wideSegment, rpath = 1, 2, 0xb, 0xc, 0x19, 0x8000001c
	const lazy, weak, reexport, upward = 0x20, 0x80000018, 0x8000001f, 0x80000023
	kind, least := f.u32(b), 0
	switch kind {
	case segment:
		least = 56
	case symbols, dylib, lazy, weak, reexport, upward:
		least = 24
	case dynamic:
		least = 80
	case wideSegment:
		least = 72
	case rpath:
		least = 12
	}
	if len(b) < least {
		return fmt.Errorf("a load command is too short")
	}
	switch kind {
	case segment:
		return f.addSegment(b, false)
	case wideSegment:
		return f.addSegment(b, true)
	case symbols:
		return f.openSymbols(b)
	case dynamic:
		if f.symbols.size == 0 {
			return fmt.Errorf("a dynamic symbol table without any ordinary one before it")
		}
		if f.u32(b[24:])+f.u32(b[28:]) > f.symbols.n {
			return fmt.Errorf("the dynamic symbol table has more symbols than the ordinary one")
		}
		if !f.holds(f.u32(b[56:]), f.u32(b[60:]), 4) {
			return errEnds
		}
	case dylib, lazy, weak, reexport, upward, rpath:
		at := f.u32(b[8:])
		if at >= uint64(len(b)) {
			return fmt.Errorf("a load command has no name of a library where it says")
		}
		if len(f.searched) <= maxLibraries {
			text, _ := cstring(b[at:])
			f.searched = append(f.searched, Library{Tag: tagsOfMacho[kind], Text: text, places: placesOfMacho})
		}
	}
	return nil
}

// tagsOfMacho are the load commands that name libraries, as otool(1) shows them.
var tagsOfMacho = map[uint64]string{0xc: "LC_LOAD_DYLIB", 0x20: "LC_LAZY_LOAD_DYLIB", 0x80000018: "LC_LOAD_WEAK_DYLIB",
	0x8000001f: "LC_REEXPORT_DYLIB", 0x80000023: "LC_LOAD_UPWARD_DYLIB", 0x8000001c: "LC_RPATH"}

// addSegment: its command may be of another width than the image.
func (f *machoFile) addSegment(b []byte, wide bool) error {
	as := &file{big: f.big, wide: wide}
	name, _ := cstring(b[8:24])
	s := machoSegment{name, as.word(b, 40, 32), as.word(b, 48, 36)}
	if int64(s.off) < 0 || int64(s.size) < 0 {
		return fmt.Errorf("segment %s is malformed", name)
	}
	f.segments = append(f.segments, s)
	header, section, relocations := 56, 68, 48
	if wide {
		header, section, relocations = 72, 80, 56
	}
	n, b := f.u32(b[header-8:]), b[header:]
	for range n {
		if len(b) < section {
			return fmt.Errorf("segment %s has more sections than there is room for", name)
		}
		if !f.holds(f.u32(b[relocations:]), f.u32(b[relocations+4:]), 8) {
			return errEnds
		}
		b = b[section:]
	}
	return nil
}

// openSymbols: in a linker's output, the symbols' names are the last but the signature.
func (f *machoFile) openSymbols(b []byte) error {
	if f.symbols.size != 0 {
		return fmt.Errorf("two symbol tables")
	}
	s := &f.symbols
	s.off, s.n, s.size = f.u32(b[8:]), f.u32(b[12:]), 12
	if f.wide {
		s.size = 16
	}
	s.names = nameTable{f: f.file, off: f.u32(b[16:]), n: f.u32(b[20:]), longest: maxShown}
	if !f.holds(s.names.off, s.names.n, 1) {
		return errEnds
	}
	return f.table(s.off, s.n, s.size, func(_ uint64, b []byte) error {
		if f.u32(b) >= s.names.n {
			return fmt.Errorf("a symbol's name is not among the names")
		}
		return nil
	})
}

func checkMacho(in *file) error {
	f, err := openMacho(in)
	if err != nil {
		return err
	}
	if want := thisMacho(); want != 0 && f.cpu != want {
		return fmt.Errorf("made for %v, this machine is %v", f.cpu, want)
	}
	return f.checkSegments()
}

func (f *machoFile) checkSegments() error {
	for _, s := range f.segments {
		if err := f.within("segment "+s.name, s.off, s.size); err != nil {
			return err
		}
	}
	return nil
}

// exportsOfMacho looks into the symbol table, in C's names: without the
// underscore of the format.
func exportsOfMacho(in *file, names map[string]bool) error {
	f, err := openMacho(in)
	if err != nil || f.symbols.size == 0 {
		return err
	}
	return f.exports(names)
}

func (f *machoFile) exports(names map[string]bool) error {
	const external, private, kind, undefined = 0x01, 0x10, 0x0e, 0
	s := &f.symbols
	s.names.longest = longestOf(names) + 1
	if err := s.names.load(); err != nil {
		return err
	}
	return f.table(s.off, s.n, s.size, func(_ uint64, b []byte) error {
		if b[4]&external == 0 || b[4]&private != 0 || b[4]&kind == undefined {
			return nil
		}
		name, _, err := s.names.at(f.u32(b))
		name = strings.TrimPrefix(name, "_")
		if _, wanted := names[name]; wanted {
			names[name] = true
		}
		return err
	})
}

// extent is a part of a file.
type extent struct{ off, end uint64 }

// eachOfFat goes through the images in a universal one.
func eachOfFat(in *file, do func(cpu machoCPU, f *machoFile) error) error {
	const most = 204 // what the system's loader looks at
	h, err := in.read(0, 8)
	if err != nil {
		return err
	}
	n := uint64(binary.BigEndian.Uint32(h[4:]))
	if n < 1 || n > most {
		return fmt.Errorf("%d images in one", n)
	}
	var seen []uint64
	var taken []extent
	kind := uint64(0)
	return in.table(8, n, 20, func(i uint64, b []byte) error {
		cpu := machoCPU(binary.BigEndian.Uint32(b))
		off, size := uint64(binary.BigEndian.Uint32(b[8:])), uint64(binary.BigEndian.Uint32(b[12:]))
		if err := in.within("the image for "+cpu.String(), off, size); err != nil {
			return err
		}
		if slices.ContainsFunc(taken, func(t extent) bool { return off < t.end && t.off < off+size }) {
			return fmt.Errorf("two images at the same place of the file")
		}
		taken = append(taken, extent{off, off + size})
		f, err := openMacho(in.part(off, size))
		if err != nil {
			return err
		}
		if i == 0 {
			kind = f.kind
		}
		made := binary.BigEndian.Uint64(b)
		if slices.Contains(seen, made) || f.kind != kind {
			return fmt.Errorf("two images for one machine, or of different kinds")
		}
		seen = append(seen, made)
		return do(cpu, &f)
	})
}

func checkFat(in *file) error {
	want := thisMacho()
	found := want == 0
	err := eachOfFat(in, func(cpu machoCPU, f *machoFile) error {
		found = found || cpu == want
		return f.checkSegments()
	})
	if err == nil && !found {
		err = fmt.Errorf("none of its images is for this machine (%v)", want)
	}
	return err
}

func exportsOfFat(in *file, names map[string]bool) error {
	return eachOfFat(in, func(cpu machoCPU, f *machoFile) error {
		if cpu != thisMacho() || f.symbols.size == 0 {
			return nil
		}
		return f.exports(names)
	})
}

func librariesOfMacho(in *file) ([]Library, error) {
	f, err := openMacho(in)
	return f.searched, err
}

func librariesOfFat(in *file) (all []Library, err error) {
	err = eachOfFat(in, func(_ machoCPU, f *machoFile) error {
		if all = append(all, f.searched...); len(all) > maxLibraries {
			return errSearched
		}
		return nil
	})
	return all, err
}

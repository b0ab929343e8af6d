// SPDX-License-Identifier: MIT

package image

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// withoutSections is a library as sstrip(1) leaves it: nothing but what is loaded.
func withoutSections(t *testing.T, b []byte) []byte {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Clone(b)
	if f.Class == elf.ELFCLASS32 {
		f.ByteOrder.PutUint32(b[32:], 0) // e_shoff
		copy(b[46:52], make([]byte, 6))  // e_shentsize, e_shnum, e_shstrndx
	} else {
		f.ByteOrder.PutUint64(b[40:], 0)
		copy(b[58:64], make([]byte, 6))
	}
	end := uint64(0)
	for _, p := range f.Progs {
		end = max(end, p.Off+p.Filesz)
	}
	return b[:end]
}

func needsELF(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this system's libraries are no ELF images")
	}
}

func TestLibraryWithoutSectionHeadersIsReadByItsDynamicSegment(t *testing.T) {
	t.Parallel()
	needsELF(t)
	for _, style := range []string{"gnu", "sysv", "both"} {
		t.Run(style, func(t *testing.T) {
			b := withoutSections(t, library(t, "-Wl,--hash-style="+style))
			rejectsTruncations(t, b, 1)
			if err := exportsAll(b, "answer", "table"); err != nil {
				t.Error(err)
			}
			if err := exportsAll(b, "answer", "absent", "local", "malloc"); err == nil || err.Error() != "it does not export absent, local, malloc" {
				t.Error(err)
			}
		})
	}
}

// What the loader loads is what counts.
func TestLibraryWithoutSectionHeadersIsLoadable(t *testing.T) {
	t.Parallel()
	needsELF(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(at(name), b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put("p.so", withoutSections(t, library(t)))
	put("host.c", []byte("#include <dlfcn.h>\nint main(int n, char **v) { void *p = dlopen(v[1], RTLD_NOW); return !p || !dlsym(p, \"answer\"); }\n"))
	if out, err := exec.Command(compiler(), "-o", at("host"), at("host.c"), "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.Command(at("host"), at("p.so")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// hostileELF has so many sections, whose names lie over each other in a table in
// which no name ends but the last.
func hostileELF(sections int, names []byte, flags elf.SectionFlag) []byte {
	b := make([]byte, 64+64*sections)
	u16, u32, u64 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32, binary.LittleEndian.PutUint64
	copy(b, "\x7fELF\x02\x01\x01")
	u16(b[16:], 3)
	u16(b[18:], uint16(machinesOfELF[runtime.GOARCH]))
	u32(b[20:], 1)
	u64(b[40:], 64) // e_shoff
	u16(b[54:], 56) // e_phentsize
	u16(b[58:], 64) // e_shentsize
	u16(b[60:], uint16(sections))
	u16(b[62:], 1) // e_shstrndx
	for i := range sections {
		u32(b[64+64*i:], uint32(i))
		u32(b[64+64*i+4:], uint32(elf.SHT_STRTAB))
	}
	table := b[64+64*1:]
	u64(table[8:], uint64(flags))
	u64(table[24:], uint64(len(b)))
	u64(table[32:], uint64(len(names)))
	return append(b, names...)
}

// longName is one name of so many bytes, and its end.
func longName(n int) []byte { return append(bytes.Repeat([]byte{'n'}, n-1), 0) }

// compressed is a section's content as SHF_COMPRESSED has it.
func compressed(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	_ = binary.Write(&out, binary.LittleEndian, elf.Chdr64{Type: uint32(elf.COMPRESS_ZLIB), Size: uint64(len(b)), Addralign: 1})
	w := zlib.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// manySymbols is a Mach-O image with so many exported symbols.
func manySymbols(n int) []byte {
	symbols := make([]machoSymbol, n)
	for i := range symbols {
		symbols[i] = machoSymbol{"_s", nExternal | nSection}
	}
	return dylib(refCPU, symbols...)
}

// overlapping is a universal image that announces the same bytes again and again,
// each time for another variety of this machine.
func overlapping(n int, image []byte) []byte {
	b := universal(image)
	entry := bytes.Clone(b[8:28])
	for i := range n {
		binary.BigEndian.PutUint32(entry[4:], uint32(i))
		copy(b[8+20*i:], entry)
	}
	binary.BigEndian.PutUint32(b[4:], uint32(n))
	return b
}

// counting counts what is read.
type counting struct {
	r            *bytes.Reader
	calls, bytes int
	after        func() error // is asked before each call
}

func (c *counting) ReadAt(b []byte, off int64) (int, error) {
	if c.after != nil {
		if err := c.after(); err != nil {
			return 0, err
		}
	}
	c.calls++
	n, err := c.r.ReadAt(b, off)
	c.bytes += n
	return n, err
}

// hostile are files that kept a reader busy for minutes, or cost gigabytes.
func hostile(t *testing.T) map[string][]byte {
	return map[string][]byte{
		"65,000 sections with names of 17 MB": hostileELF(65000, longName(17<<20), 0),
		"100 sections with names of 4 MB":     hostileELF(100, longName(4<<20-1<<16), 0),
		"100 sections with names in a few kB": hostileELF(100, compressed(t, longName(4<<20)), elf.SHF_COMPRESSED),
		"204 images at one place":             overlapping(204, manySymbols(60000)),
		"60,000 search paths at one place":    searching(60000, longName(200<<10)),
		"search paths without an end":         searching(0, bytes.Repeat([]byte{'n'}, 4<<20)),
	}
}

// searching is an ELF image whose dynamic segment has so many entries that name one
// text as a search path, and none that ends it; with 0 there is one, and an end.
func searching(paths int, text []byte) []byte {
	const headers, names = 64 + 2*56, 64 + 2*56 + 16
	entries := max(paths, 1) + 1
	b := make([]byte, headers+16*(entries+1))
	u16, u32, u64 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32, binary.LittleEndian.PutUint64
	copy(b, "\x7fELF\x02\x01\x01")
	u16(b[16:], 3)
	u16(b[18:], uint16(machinesOfELF[runtime.GOARCH]))
	u32(b[20:], 1)
	u64(b[32:], 64) // e_phoff
	u16(b[54:], 56) // e_phentsize
	u16(b[56:], 2)  // e_phnum
	u16(b[58:], 64) // e_shentsize
	size := uint64(len(b) + len(text))
	for i, kind := range []elf.ProgType{elf.PT_LOAD, elf.PT_DYNAMIC} {
		h := b[64+56*i:]
		u32(h, uint32(kind))
		at := uint64(i * headers)
		u64(h[8:], at)
		u64(h[16:], at)
		u64(h[32:], size-at)
		u64(h[40:], size-at)
	}
	u64(b[headers:], uint64(elf.DT_STRTAB))
	u64(b[headers+8:], uint64(len(b)))
	for i := range entries {
		if at := names + 16*i; i < entries-1 || paths > 0 {
			u64(b[at:], uint64(elf.DT_RUNPATH))
		}
	}
	return append(b, text...)
}

// ask puts every question to an image, and returns the last error.
func ask(c *counting) error {
	size := c.r.Size()
	err := Check(c, size)
	if _, missing := Missing(c, size, []string{"plugin_init"}); missing != nil {
		err = missing
	}
	if _, ends := UnloadingOf(c, size); ends != nil {
		err = ends
	}
	if _, searched := Libraries(c, size); searched != nil {
		err = searched
	}
	return err
}

func TestHostileImagesCostLittle(t *testing.T) {
	for name, b := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			c := &counting{r: bytes.NewReader(b)}
			if err := ask(c); err == nil {
				t.Error("accepted")
			}
			if _, err := Libraries(bytes.NewReader(b), int64(len(b))); strings.Contains(name, "search paths") && nativeFormat() == formatELF && !errors.Is(err, errSearched) {
				t.Errorf("search paths: %v", err)
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 4*(24<<20) { // four questions
				t.Errorf("%d bytes allocated for a file of %d", used, len(b))
			}
			if c.calls > 100000 || c.bytes > 64<<20 {
				t.Errorf("%d bytes read in %d pieces of a file of %d", c.bytes, c.calls, len(b))
			}
		})
	}
}

// Once a reader says that it is stopped, nothing more is read, and the answer is an error.
func TestReadingAnImageStops(t *testing.T) {
	stopped := errors.New("stopped")
	images := hostile(t)
	images["a library"] = library(t)
	images["PE"] = peImporting("KERNEL32.dll", "USER32.dll", "NTDLL.RtlAlloc")
	images["Mach-O"] = machoWith(map[uint32]string{0xc: "/usr/lib/a.dylib"})
	for name, b := range images {
		for _, question := range []func(c *counting) error{
			func(c *counting) error { return Check(c, c.r.Size()) },
			func(c *counting) error { _, err := Missing(c, c.r.Size(), []string{"plugin_init"}); return err },
			func(c *counting) error { _, err := Libraries(c, c.r.Size()); return err },
			func(c *counting) error { _, err := UnloadingOf(c, c.r.Size()); return err },
		} {
			whole := &counting{r: bytes.NewReader(b)}
			_ = question(whole)
			for _, most := range []int{0, whole.calls / 2, whole.calls - 1} {
				asked := 0
				c := &counting{r: bytes.NewReader(b)}
				c.after = func() error {
					if c.calls < most {
						return nil
					}
					asked++
					return stopped
				}
				err := question(c)
				if err == nil && formatOf(b) == nativeFormat() || c.calls > most || asked > 1 {
					t.Errorf("%s, stopped after %d of %d calls: asked %d times more, %v", name, most, whole.calls, asked, err)
				}
			}
		}
	}
}

// The dynamic linker finds no symbol that is hidden, whatever table it is in.
func TestHiddenSymbolsAreNoExports(t *testing.T) {
	image := library(t)
	needsELF(t)
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := f.DynamicSymbols()
	at := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == "answer" })
	if err != nil || at < 0 {
		t.Fatalf("the compiler's symbols: %v, %v", symbols, err)
	}
	size, other := uint64(elf.Sym64Size), uint64(5) // of an entry, and of st_other within
	if f.Class == elf.ELFCLASS32 {
		size, other = elf.Sym32Size, 13
	}
	other += f.Section(".dynsym").Offset + uint64(at+1)*size // the first entry is void
	for seen, exported := range map[elf.SymVis]bool{elf.STV_DEFAULT: true, elf.STV_PROTECTED: true, elf.STV_HIDDEN: false, elf.STV_INTERNAL: false} {
		image[other] = byte(seen)
		if err := exportsAll(image, "answer"); (err == nil) != exported {
			t.Errorf("%v: %v", seen, err)
		}
	}
}

// Nothing but the end of the file, or of what may be read, ends such a chain.
func TestEndlessChainOfHashesEnds(t *testing.T) {
	needsELF(t)
	b := library(t, "-Wl,--hash-style=gnu")
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	hashes := f.Section(".gnu.hash")
	table := b[hashes.Offset : hashes.Offset+hashes.FileSize]
	first := binary.LittleEndian.Uint32(table[4:])
	for i := 16; i < len(table); i += 4 { // filter, buckets and chains
		binary.LittleEndian.PutUint32(table[i:], first+first&1) // an even hash does not end a chain
	}
	if err := exportsAll(b, "answer"); err == nil {
		t.Error("a chain without an end is read to its end")
	}
}

// However often a file announces the same bytes, what is read of it is bounded.
func TestWhatIsReadOfOneFileIsBounded(t *testing.T) {
	f := newFile(bytes.NewReader(make([]byte, 1<<20)), 1<<20)
	read := uint64(0)
	for {
		b, err := f.part(0, 1<<20).read(0, 1<<19)
		if err != nil {
			if err != errCostly || read > maxSpent {
				t.Fatalf("after %d bytes: %v", read, err)
			}
			return
		}
		read += uint64(len(b))
	}
}

func TestNamesOfDamagedLibrariesAreNotTakenFromElsewhere(t *testing.T) {
	needsELF(t)
	b := library(t)
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_DYNAMIC {
			continue
		}
		for off := p.Off; off < p.Off+p.Filesz; off += 8 {
			bad := slices.Clone(b)
			copy(bad[off:], bytes.Repeat([]byte{0xff}, 8))
			err := exportsAll(bad, "answer")
			if err != nil && !strings.Contains(err.Error(), "malformed") && !strings.Contains(err.Error(), "does not export") && !strings.Contains(err.Error(), "truncated") {
				t.Errorf("dynamic entry at %d: %v", off-p.Off, err)
			}
		}
	}
}

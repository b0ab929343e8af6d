// SPDX-License-Identifier: MIT

package image

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func librariesOf(t *testing.T, b []byte) (texts []string) {
	t.Helper()
	all, err := Libraries(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		texts = append(texts, l.Tag+" "+l.Text)
	}
	return texts
}

func expectLibraries(t *testing.T, what string, b []byte, want ...string) {
	t.Helper()
	if got := librariesOf(t, b); !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestWhereALibraryHasOthersLookedFor(t *testing.T) {
	needsELF(t)
	const path = "$ORIGIN/../lib:/opt/lib::relative"
	list := func(tag string) (all []string) {
		for _, dir := range strings.Split(path, ":") {
			all = append(all, tag+" "+dir)
		}
		return all
	}
	expectLibraries(t, "RUNPATH", library(t, "-Wl,--enable-new-dtags,-rpath,"+path), list("RUNPATH")...)
	expectLibraries(t, "RPATH", library(t, "-Wl,--disable-new-dtags,-rpath,"+path), list("RPATH")...)
	expectLibraries(t, "without section headers", withoutSections(t, library(t, "-Wl,--enable-new-dtags,-rpath,"+path)), list("RUNPATH")...)
	expectLibraries(t, "none", library(t))
	expectLibraries(t, "plain names", library(t, "-Wl,-f,libplain.so"))
	expectLibraries(t, "by their paths", library(t, "-Wl,-f,../auxiliary.so,-F,$ORIGIN/../filter.so"), "FILTER $ORIGIN/../filter.so", "AUXILIARY ../auxiliary.so")
	expectLibraries(t, "auditors", library(t, "-Wl,--audit,a.so:/tmp/b.so,--depaudit,./c.so"), "AUDIT /tmp/b.so", "DEPAUDIT ./c.so")
	dir := t.TempDir()
	t.Chdir(dir)
	if objcopy, err := exec.LookPath("objcopy"); err == nil { // debugging information in a file of its own, which is no library
		if err := os.WriteFile("whole.so", library(t, "-Wl,-rpath,"+path), 0o755); err != nil {
			t.Fatal(err)
		}
		expectLibraries(t, "debugging information", built(t, "only.debug", exec.Command(objcopy, "--only-keep-debug", "whole.so", "only.debug")))
	}
	if err := os.Mkdir("sub", 0o755); err != nil {
		t.Fatal(err)
	}
	unnamed := library(t, "-Wl,--no-as-needed") // it has no SONAME, so that who needs it names its path
	if err := os.WriteFile("sub/needed.so", unnamed, 0o755); err != nil {
		t.Fatal(err)
	}
	expectLibraries(t, "needed by a path", library(t, "-Wl,--no-as-needed", "sub/needed.so"), "NEEDED sub/needed.so")
}

// changed returns an ELF library with its program headers as do leaves them.
func changed(t *testing.T, b []byte, do func(kind elf.ProgType, header []byte, order binary.ByteOrder)) []byte {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil || f.Class != elf.ELFCLASS64 {
		t.Skipf("not a 64-bit image: %v", err)
	}
	b = bytes.Clone(b)
	off := f.ByteOrder.Uint64(b[32:])
	for i, p := range f.Progs {
		do(p.Type, b[off+56*uint64(i):][:56], f.ByteOrder)
	}
	return b
}

// What the loader does is what counts: it finds the dynamic segment by its address, and
// its end by the end mark.
func TestWhereALibraryHasOthersLookedForIsReadAsTheLoaderReadsIt(t *testing.T) {
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
	put("libneeded.so", library(t, "-Wl,-soname,libneeded.so"))
	put("host.c", []byte("#include <dlfcn.h>\n#include <stdio.h>\nint main(int n, char **v) { void *p = dlopen(v[1], RTLD_NOW); if (!p) puts(dlerror()); return !p; }\n"))
	built(t, at("host"), exec.Command(compiler(), "-o", at("host"), at("host.c"), "-ldl"))
	honest := library(t, "-Wl,--no-as-needed,--enable-new-dtags,-rpath,$ORIGIN", "-L"+dir, "-lneeded")
	const offset, address, filesz = 8, 16, 32
	for what, b := range map[string][]byte{
		"an honest one": honest,
		"an offset that is not where it is mapped from": changed(t, honest, func(kind elf.ProgType, h []byte, order binary.ByteOrder) {
			if kind == elf.PT_DYNAMIC {
				order.PutUint64(h[offset:], 0)
			}
		}),
		"a length of one entry": changed(t, honest, func(kind elf.ProgType, h []byte, order binary.ByteOrder) {
			if kind == elf.PT_DYNAMIC {
				order.PutUint64(h[filesz:], 16)
			}
		}),
	} {
		expectLibraries(t, what, b, "RUNPATH $ORIGIN")
		put("p.so", b)
		if out, err := exec.Command(at("host"), at("p.so")).CombinedOutput(); err != nil {
			t.Errorf("%s: the loader does not find its library: %v %s", what, err, out)
		}
	}
	for what, b := range map[string][]byte{
		"two dynamic segments": changed(t, honest, func(kind elf.ProgType, h []byte, order binary.ByteOrder) {
			if kind == elf.PT_NOTE {
				order.PutUint32(h, uint32(elf.PT_DYNAMIC))
			}
		}),
		"an address that is not mapped": changed(t, honest, func(kind elf.ProgType, h []byte, order binary.ByteOrder) {
			if kind == elf.PT_DYNAMIC {
				order.PutUint64(h[address:], 1<<40)
			}
		}),
		"segments that are mapped over each other": changed(t, honest, func(kind elf.ProgType, h []byte, order binary.ByteOrder) {
			if kind == elf.PT_NOTE {
				order.PutUint32(h, uint32(elf.PT_LOAD))
				order.PutUint64(h[offset:], 0)
				order.PutUint64(h[address:], 0)
				order.PutUint64(h[filesz:], 1<<20)
			}
		}),
	} {
		if all, err := Libraries(bytes.NewReader(b), int64(len(b))); err == nil {
			t.Errorf("%s: %v", what, all)
		}
	}
}

// placesOfText are the places of a text that is found in an image in /image, for a
// program in /program.
func placesOfText(places func(text, image, program string) []Place, text string) string {
	var all []string
	for _, p := range places(text, "/image", "/program") {
		all = append(all, fmt.Sprint([]string{"fixed", "image", "program", "anywhere"}[p.Base], " ", p.Path))
	}
	return strings.Join(all, ", ")
}

func TestPathsToLibrariesLeadWhereTheLoaderTakesThem(t *testing.T) {
	for text, want := range map[string]string{
		"/usr/lib":               "fixed /usr/lib",
		"$ORIGIN":                "image /image",
		"${ORIGIN}/../lib":       "image /image/../lib",
		"$ORIGINAL/x":            "image /imageAL/x, anywhere $ORIGINAL/x", // as musl and as glibc reads it
		"/opt/$ORIGIN/..":        "image /opt//image/..",
		"":                       "anywhere ",
		"lib":                    "anywhere lib",
		"./lib":                  "anywhere ./lib",
		"../lib":                 "anywhere ../lib",
		"x$ORIGIN":               "anywhere x/image",
		"$UNKNOWN/lib":           "anywhere $UNKNOWN/lib",
		"$":                      "anywhere $",
		"$LIB/x":                 "fixed /x, anywhere x/x",
		"/opt/${LIB}/..$LIB/tmp": "fixed /opt//../tmp, fixed /opt/x/..x/tmp",
		"$ORIGIN/$PLATFORM/..":   "image /image//.., image /image/x/..",
		"$$ORIGIN":               "anywhere $/image",
	} {
		if got := placesOfText(placesOfELF, text); got != want {
			t.Errorf("ELF, %q: %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"/usr/lib/libSystem.B.dylib": "fixed /usr/lib/libSystem.B.dylib",
		"@loader_path":               "image /image",
		"@loader_path/../x.dylib":    "image /image/../x.dylib",
		"@loader_pathx/x.dylib":      "anywhere @loader_pathx/x.dylib",
		"@executable_path/../x":      "program /program/../x",
		"@rpath/x.dylib":             "",
		"@rpath/a/../../x.dylib":     "anywhere @rpath/a/../../x.dylib",
		"@rpath/..":                  "anywhere @rpath/..",
		"libx.dylib":                 "anywhere libx.dylib",
		"../libx.dylib":              "anywhere ../libx.dylib",
	} {
		if got := placesOfText(placesOfMacho, text); got != want {
			t.Errorf("Mach-O, %q: %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{"KERNEL32.dll": "", `..\x.dll`: `anywhere ..\x.dll`, "sub/x.dll": "anywhere sub/x.dll", `C:\x.dll`: `anywhere C:\x.dll`, "C:x.dll": "anywhere C:x.dll"} {
		if got := placesOfText(placesOfPE, text); got != want {
			t.Errorf("PE, %q: %s, want %s", text, got, want)
		}
	}
}

// machoWith is a Mach-O library with such load commands, each with a text at its end.
func machoWith(commands map[uint32]string) []byte {
	b := dylib(refCPU)
	var all []byte
	for _, kind := range []uint32{0xc, 0x20, 0x80000018, 0x8000001f, 0x80000023, 0x8000001c} {
		text, wanted := commands[kind]
		if !wanted {
			continue
		}
		at := 24
		if macho.LoadCmd(kind) == macho.LoadCmdRpath {
			at = 12
		}
		c := make([]byte, at, 200)
		binary.LittleEndian.PutUint32(c, kind)
		binary.LittleEndian.PutUint32(c[8:], uint32(at))
		c = append(append(c, text...), 0)
		c = append(c, make([]byte, -len(c)&7)...)
		binary.LittleEndian.PutUint32(c[4:], uint32(len(c)))
		all = append(all, c...)
	}
	const header = 32
	binary.LittleEndian.PutUint32(b[16:], uint32(1+len(commands)))
	binary.LittleEndian.PutUint32(b[20:], uint32(24+len(all)))
	n := uint32(len(all)) // by which the symbols lie further behind
	for _, at := range []int{header + 8, header + 16} {
		binary.LittleEndian.PutUint32(b[at:], binary.LittleEndian.Uint32(b[at:])+n)
	}
	return slices.Insert(b, header+24, all...)
}

func TestLibrariesOfMacho(t *testing.T) {
	b := machoWith(map[uint32]string{0xc: "/usr/lib/a.dylib", 0x20: "lazy.dylib", 0x80000018: "@rpath/../weak.dylib", 0x8000001f: "@loader_path/../r.dylib",
		0x80000023: "/tmp/up.dylib", 0x8000001c: "@loader_path/../Frameworks"})
	want := []string{"LC_LOAD_DYLIB /usr/lib/a.dylib", "LC_LAZY_LOAD_DYLIB lazy.dylib", "LC_LOAD_WEAK_DYLIB @rpath/../weak.dylib",
		"LC_REEXPORT_DYLIB @loader_path/../r.dylib", "LC_LOAD_UPWARD_DYLIB /tmp/up.dylib", "LC_RPATH @loader_path/../Frameworks"}
	expectLibraries(t, "Mach-O", b, want...)
	other := dylib(refCPU ^ 0xff)
	expectLibraries(t, "universal", universal(other, b), want...)
	long := make([]byte, 0)
	for range maxLibraries + 2 {
		long = append(long, machoWith(map[uint32]string{0x8000001c: "/x"})[56:72]...)
	}
	many := dylib(refCPU)
	binary.LittleEndian.PutUint32(many[16:], uint32(maxLibraries+3))
	binary.LittleEndian.PutUint32(many[20:], uint32(24+len(long)))
	for _, at := range []int{40, 48} {
		binary.LittleEndian.PutUint32(many[at:], binary.LittleEndian.Uint32(many[at:])+uint32(len(long)))
	}
	many = slices.Insert(many, 56, long...)
	if err := checkLoads(many); err == nil || nativeFormat() == formatMacho && !strings.Contains(err.Error(), "than any image has") {
		t.Errorf("%d paths: %v", maxLibraries+2, err)
	}
}

// checkLoads is why the libraries of a Mach-O image cannot be told, also on systems that
// do not load it.
func checkLoads(b []byte) error {
	f, err := openMacho(newFile(bytes.NewReader(b), int64(len(b))))
	if err == nil && len(f.searched) > maxLibraries {
		err = errSearched
	}
	return err
}

// peImporting is a PE image that imports and delays the import of libraries, and
// forwards an export.
func peImporting(imported, delayed, forwarded string) []byte {
	b := peWithExports("plugin_init")
	u32 := binary.LittleEndian.PutUint32
	d := b[0x200:]
	place := func(at int, text string) uint32 {
		copy(d[at:], text+"\x00")
		return uint32(0x1000 + at)
	}
	u32(b[0x58+112+8*peDirectoryImports:], 0x1000+0x100)
	u32(b[0x58+112+8*peDirectoryImports+4:], 40)
	u32(d[0x100+12:], place(0x1a0, imported))
	u32(b[0x58+112+8*peDirectoryDelayed:], 0x1000+0x130)
	u32(b[0x58+112+8*peDirectoryDelayed+4:], 64)
	u32(d[0x130:], 1)
	u32(d[0x130+4:], place(0x1c0, delayed))
	u32(b[0x58+116:], 0x200) // the exports' size: a name in it is of another library's
	u32(d[20:], 1)
	u32(d[28:], 0x1000+0xf0)
	u32(d[0xf0:], place(0x1e0, forwarded))
	return b
}

func TestLibrariesOfPE(t *testing.T) {
	expectLibraries(t, "plain names", peImporting("KERNEL32.dll", "USER32.dll", "NTDLL.RtlAlloc"))
	expectLibraries(t, "names with directories", peImporting(`..\a.dll`, `C:\tmp\b.dll`, `..\c.f`), `import ..\a.dll`, `delayed import C:\tmp\b.dll`, `forwarded export ..\c.f`)
	b := peImporting("KERNEL32.dll", "USER32.dll", "NTDLL.RtlAlloc")
	binary.LittleEndian.PutUint32(b[0x200+0x100+12:], 0x9000)
	if _, err := librariesOfPE(newFile(bytes.NewReader(b), int64(len(b)))); err == nil {
		t.Error("a name outside of the image is accepted")
	}
}

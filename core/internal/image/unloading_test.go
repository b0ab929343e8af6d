// SPDX-License-Identifier: MIT

package image

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// unique is C source that makes symbols of which the process has one each, as g++ does.
func unique(names ...string) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, `__asm__(".data\n.globl %[1]s\n.type %[1]s, \"gnu_unique_object\"\n.size %[1]s, 4\n%[1]s: .long 0\n.text\n");`+"\n", name)
	}
	return b.String()
}

// sourced is a shared library made of a source.
func sourced(t *testing.T, source string, flags ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "plugin.c"), filepath.Join(dir, "plugin")
	if err := os.WriteFile(in, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	return built(t, out, exec.Command(compiler(), append([]string{"-shared", "-fPIC", "-w", "-o", out, in}, flags...)...))
}

func unloadingOf(t *testing.T, b []byte) Unloading {
	t.Helper()
	u, err := UnloadingOf(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAnImageSaysWhatKeepsItInMemory(t *testing.T) {
	t.Parallel()
	needsELF(t)
	const (
		counter = "_ZZN3app5callsEvE1n"
		guard   = "_ZGVZN3app5callsEvE1n"
		library = "_ZZNSt8__detail18__to_chars_10_implE8__digits"
	)
	for name, c := range map[string]struct {
		source string
		flags  []string
		want   Unloading
	}{
		"nothing":            {"int answer(void) { return 1; }", nil, Unloading{}},
		"no exports":         {"static int answer(void) { return 1; }", nil, Unloading{}},
		"a unique symbol":    {unique(counter), nil, Unloading{Unique: counter, Uniques: 1, Own: true}},
		"the plugin's own":   {unique(guard, library, counter, "_ZSt3one"), nil, Unloading{Unique: counter, Uniques: 4, Own: true}},
		"the C++ library's":  {unique(guard, library), nil, Unloading{Unique: library, Uniques: 2}},
		"Qt's":               {unique("_ZN9QtPrivate25QMetaTypeInterfaceWrapperI1AE8metaTypeE"), nil, Unloading{Unique: "_ZN9QtPrivate25QMetaTypeInterfaceWrapperI1AE8metaTypeE", Uniques: 1}},
		"std::string's":      {unique("_ZNSs4_Rep11_S_max_sizeE"), nil, Unloading{Unique: "_ZNSs4_Rep11_S_max_sizeE", Uniques: 1}},
		"a hidden one":       {unique(counter) + `__asm__(".hidden ` + counter + `");`, nil, Unloading{}},
		"-z nodelete":        {"int answer;", []string{"-Wl,-z,nodelete"}, Unloading{NoDelete: true}},
		"static TLS":         {"__thread int n; int answer(void) { return n; }", []string{"-ftls-model=initial-exec"}, Unloading{StaticTLS: true}},
		"objects of threads": {"int __cxa_thread_atexit(); int answer(void) { return __cxa_thread_atexit(); }", nil, Unloading{ThreadLocal: true}},
		"keys":               {"int pthread_key_create(); int answer(void) { return pthread_key_create(); }", nil, Unloading{Keys: true}},
		"keys that are deleted": {"int pthread_key_create(), pthread_key_delete(); int answer(void) { return pthread_key_create() + pthread_key_delete(); }", nil,
			Unloading{}},
		"a function of its own of that name": {"int pthread_key_create(void) { return 1; }", nil, Unloading{}},
		"on_exit":                            {"int on_exit(); int answer(void) { return on_exit(); }", nil, Unloading{OnExit: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, style := range []string{"gnu", "sysv", "both"} {
				b := sourced(t, c.source, append(c.flags, "-Wl,--hash-style="+style)...)
				if got := unloadingOf(t, b); got != c.want {
					t.Errorf("%s: got %+v, want %+v", style, got, c.want)
				}
				if got := unloadingOf(t, withoutSections(t, b)); got != c.want {
					t.Errorf("%s, without section headers: got %+v, want %+v", style, got, c.want)
				}
			}
		})
	}
}

// g++ is asked by the tests of the C host; here is what it makes.
func TestSymbolsAreCountedToTheLastOne(t *testing.T) {
	t.Parallel()
	needsELF(t)
	var names []string
	for i := range 5000 {
		names = append(names, fmt.Sprintf("_ZN3app1nILi%dEEE", i))
	}
	for _, style := range []string{"gnu", "sysv"} {
		if u := unloadingOf(t, sourced(t, unique(names...), "-Wl,--hash-style="+style)); u.Uniques != len(names) || u.Unique == "" {
			t.Errorf("%s: got %d symbols, want %d", style, u.Uniques, len(names))
		}
	}
}

func TestOtherImagesSayNothingOfTheirEnd(t *testing.T) {
	for name, b := range map[string][]byte{
		"PE":     peImporting("KERNEL32.dll", "USER32.dll", "NTDLL.RtlAlloc"),
		"Mach-O": machoWith(map[uint32]string{0xc: "/usr/lib/a.dylib"}),
	} {
		if u := unloadingOf(t, b); u != (Unloading{}) {
			t.Errorf("%s: %+v", name, u)
		}
	}
	if _, err := UnloadingOf(strings.NewReader("#!/bin/sh\n"), 10); err == nil {
		t.Error("a script is an image")
	}
}

// Whatever a damaged image says: no panic gets out, and nothing is read without a bound.
func TestDamagedTablesOfSymbolsAreErrorsOrSayLess(t *testing.T) {
	needsELF(t)
	b := sourced(t, unique("_ZZN3app5callsEvE1n"))
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".dynamic", ".gnu.hash", ".dynsym"} {
		s := f.Section(name)
		if s == nil {
			continue
		}
		for off := s.Offset; off+4 <= s.Offset+s.FileSize; off += 4 {
			for _, fill := range []byte{0, 0xff} {
				bad := bytes.Clone(b)
				copy(bad[off:], bytes.Repeat([]byte{fill}, 4))
				c := &counting{r: bytes.NewReader(bad)}
				_, err := UnloadingOf(c, int64(len(bad)))
				if c.bytes > maxSpent || err != nil && strings.Contains(err.Error(), "index out of range") {
					t.Errorf("%s at %d: %d bytes read, %v", name, off-s.Offset, c.bytes, err)
				}
			}
		}
	}
}

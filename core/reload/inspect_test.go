// SPDX-License-Identifier: MIT

//go:build linux

package reload_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qtforge/hotreload/core/reload"
)

// imageOf is a shared library made of C source.
func imageOf(t *testing.T, source string, flags ...string) (path string) {
	t.Helper()
	in := filepath.Join(t.TempDir(), "plugin.c")
	path = filepath.Join(t.TempDir(), "plugin.so")
	if err := os.WriteFile(in, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cc", append([]string{"-shared", "-fPIC", "-w", "-o", path, in}, flags...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

const (
	unique = `__asm__(".data\n.globl _ZN3app1nE\n.type _ZN3app1nE, \"gnu_unique_object\"\n_ZN3app1nE: .long 0\n.text\n");`
	keys   = "int pthread_key_create(); int answer(void) { return pthread_key_create(); }"
	exits  = "int on_exit(); int answer(void) { return on_exit(); }"
	local  = "int __cxa_thread_atexit(); int answer(void) { return __cxa_thread_atexit(); }"
	inTLS  = "__thread int n; int answer(void) { return n; }"
)

func TestWhatAnImageSaysOfItsEnd(t *testing.T) {
	words := func(symbol string) string {
		if symbol != "_ZN3app1nE" {
			t.Errorf("asked for the words of %q", symbol)
		}
		return "app::n"
	}
	for _, c := range []struct {
		name, source, flag  string
		notes, keep, sticks string // parts; "" is nothing
	}{
		{"nothing", "int answer;", "-g", "", "", ""},
		{"unique", unique, "-g", "all its versions use the object app::n of the version that was loaded first", "the object app::n of it (STB_GNU_UNIQUE)", "has its app::n once"},
		{"several", unique + strings.ReplaceAll(unique, "3app1nE", "St1mE") + strings.ReplaceAll(unique, "3app1nE", "St1nE"), "-g", "and 2 others", "and 2 others of it", "once"},
		{"two", strings.ReplaceAll(unique, "3app1nE", "St1nE") + unique, "-g", "the object app::n and another one", "and another one", "once"},
		{"keys", keys, "-g", "", "deletes none", ""},
		{"on_exit", exits, "-g", "", "use atexit", ""},
		{"thread_local", local, "-g", "", "", "objects of it (thread_local)"},
		{"nodelete", "int answer;", "-Wl,-z,nodelete", "", "", "-z nodelete"},
		{"static TLS", inTLS, "-ftls-model=initial-exec", "", "", ""},
		{"static TLS that stays", keys + inTLS[:15], "-ftls-model=initial-exec", "", "deletes none", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := reload.Inspect(imageOf(t, c.source, c.flag)).InWords(words)
			for _, got := range [][2]string{{strings.Join(in.Notes(false, false), "; "), c.notes}, {in.Keep(), c.keep}, {in.Sticks(), c.sticks}} {
				if (got[0] == "") != (got[1] == "") || !strings.Contains(got[0], got[1]) {
					t.Errorf("got %q, want %q", got[0], got[1])
				}
			}
		})
	}
	library := reload.Inspect(imageOf(t, strings.ReplaceAll(unique, "N3app1nE", "NSt1nE")))
	if len(library.Notes(false, false)) != 1 || len(library.Notes(false, true)) != 0 || library.Keep() == "" {
		t.Errorf("a symbol of the C++ library: %q, %q", library.Notes(false, false), library.Notes(false, true))
	}
	if notes := reload.Inspect(imageOf(t, inTLS, "-ftls-model=initial-exec")).Notes(true, false); len(notes) != 1 {
		t.Errorf("static TLS of a plugin whose versions stay: %q", notes)
	}
	staying := reload.Inspect(imageOf(t, inTLS, "-ftls-model=initial-exec", "-Wl,-z,nodelete"))
	if notes := staying.Notes(false, false); len(notes) != 1 || !strings.Contains(notes[0], "static TLS") {
		t.Errorf("static TLS of a version that stays: %q", notes)
	}
}

func TestWhatIsNoImageSaysNothing(t *testing.T) {
	for _, path := range []string{write(t, "text"), t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		in := reload.Inspect(path)
		if in.Notes(false, false) != nil || in.Keep() != "" || in.Sticks() != "" {
			t.Errorf("%s: %v", path, in)
		}
	}
}

func TestNamesOfSymbolsAreShownAsPrintableAndShort(t *testing.T) {
	in := reload.Inspect(imageOf(t, unique)).InWords(func(string) string { return "a\x1b" + strings.Repeat("b", 10000) })
	for _, text := range slices.Concat(in.Notes(false, false), []string{in.Keep(), in.Sticks()}) {
		if len(text) > 450 || strings.Contains(text, "\x1b") {
			t.Errorf("%d bytes: %q", len(text), text)
		}
	}
}

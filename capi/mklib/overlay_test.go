// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeGo makes a directory with files of Go's source and returns it. Their paths are those
// that original returns without a root.
func fakeGo(t *testing.T, files map[string]string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "a folder with spaces")
	for _, dir := range []string{"runtime", "internal/poll", "debug/elf"} {
		if err := os.MkdirAll(filepath.Join(root, "src", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// fitting is a runtime that every patch fits.
func fitting() map[string]string {
	files := map[string]string{}
	for _, p := range patches {
		if p.old != "" {
			files[p.original("")] += "// before\n" + p.old + "// after\n"
		}
	}
	return files
}

// patched reads what the overlay puts in the place of a file of Go's source.
func patched(t *testing.T, list, original string) (text string, ok bool) {
	t.Helper()
	raw, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	var o struct{ Replace map[string]string }
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatal(err)
	}
	name, ok := o.Replace[original]
	if !ok {
		return "", false
	}
	raw, err = os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw), true
}

func TestEveryPatchOfASystemIsInTheOverlay(t *testing.T) {
	for _, goos := range []string{"linux", "windows", "darwin"} {
		for _, libc := range []string{"glibc", "musl"} {
			files := fitting()
			goroot := fakeGo(t, files)
			list, err := overlay(goroot, goos, libc, t.TempDir())
			if err != nil {
				t.Fatalf("%s %s: %v", goos, libc, err)
			}
			for _, p := range patches {
				wanted := (p.goos == "" || p.goos == goos) && (p.libc == "" || p.libc == libc)
				text, there := patched(t, list, p.original(goroot))
				if applied := there && strings.Contains(text, p.new) && (p.old == "" || !strings.Contains(text, p.old)); applied != wanted {
					t.Errorf("%s %s: is %q patched: %v, want %v", goos, libc, p.old, applied, wanted)
				}
			}
			for name, text := range files { // the installed Go stays as it is
				if now, err := os.ReadFile(filepath.Join(goroot, name)); err != nil || string(now) != text {
					t.Errorf("%s of the installed Go was changed", name)
				}
			}
		}
	}
}

func TestAPatchThatDoesNotFitFailsTheBuildAndIsNamed(t *testing.T) {
	for _, p := range patches {
		at := p.original("")
		if p.old == "" {
			files := fitting()
			files[at] = "package runtime\n"
			if _, err := overlay(fakeGo(t, files), p.goos, cmp.Or(p.libc, "glibc"), t.TempDir()); err == nil || !strings.Contains(err.Error(), p.file) {
				t.Errorf("%s is in Go already: error %v, want one that names the file", p.file, err)
			}
			continue
		}
		for what, text := range map[string]string{
			"missing":        strings.Replace(fitting()[at], p.old, "changed by a new version\n", 1),
			"there twice":    fitting()[at] + p.old,
			"an empty file":  "",
			"slightly other": strings.Replace(fitting()[at], p.old, p.old[:len(p.old)/2]+" "+p.old[len(p.old)/2:], 1),
		} {
			files := fitting()
			files[at] = text
			goos, libc := cmp.Or(p.goos, "linux"), cmp.Or(p.libc, "glibc")
			_, err := overlay(fakeGo(t, files), goos, libc, t.TempDir())
			if err == nil || !strings.Contains(err.Error(), p.file) {
				t.Errorf("%s, %s: error %v, want one that names the file", p.file, what, err)
			}
		}
		files := fitting()
		delete(files, at)
		if _, err := overlay(fakeGo(t, files), "linux", cmp.Or(p.libc, "glibc"), t.TempDir()); p.goos != "windows" && err == nil {
			t.Errorf("%s missing: no error", p.file)
		}
	}
}

func TestEveryPatchFitsTheInstalledGo(t *testing.T) {
	goroot, err := goEnv(".", "GOROOT")
	if err != nil {
		t.Fatal(err)
	}
	for _, goos := range []string{"linux", "windows", "darwin"} {
		for _, libc := range []string{"glibc", "musl"} {
			if _, err := overlay(goroot, goos, libc, t.TempDir()); err != nil {
				t.Errorf("%s %s: %v", goos, libc, err)
			}
		}
	}
}

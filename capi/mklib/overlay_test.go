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

// fakeGo makes a directory with files of Go's runtime and returns it.
func fakeGo(t *testing.T, files map[string]string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "a folder with spaces")
	dir := filepath.Join(root, "src", "runtime")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// fitting is a runtime that every patch fits.
func fitting() map[string]string {
	files := map[string]string{}
	for _, p := range patches {
		files[p.file] += "// before\n" + p.old + "// after\n"
	}
	return files
}

// patched reads what the overlay puts in the place of a file of the runtime.
func patched(t *testing.T, list, goroot, file string) (text string, ok bool) {
	t.Helper()
	raw, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	var o struct{ Replace map[string]string }
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatal(err)
	}
	name, ok := o.Replace[filepath.Join(goroot, "src", "runtime", file)]
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
				text, there := patched(t, list, goroot, p.file)
				if applied := there && strings.Contains(text, p.new) && !strings.Contains(text, p.old); applied != wanted {
					t.Errorf("%s %s: is %q patched: %v, want %v", goos, libc, p.old, applied, wanted)
				}
			}
			for name, text := range files { // the installed Go stays as it is
				if now, err := os.ReadFile(filepath.Join(goroot, "src", "runtime", name)); err != nil || string(now) != text {
					t.Errorf("%s of the installed Go was changed", name)
				}
			}
		}
	}
}

func TestAPatchThatDoesNotFitFailsTheBuildAndIsNamed(t *testing.T) {
	for _, p := range patches {
		for what, text := range map[string]string{
			"missing":        strings.Replace(fitting()[p.file], p.old, "changed by a new version\n", 1),
			"there twice":    fitting()[p.file] + p.old,
			"an empty file":  "",
			"slightly other": strings.Replace(fitting()[p.file], p.old, strings.Replace(p.old, " ", "  ", 1), 1),
		} {
			files := fitting()
			files[p.file] = text
			goos, libc := cmp.Or(p.goos, "linux"), cmp.Or(p.libc, "glibc")
			_, err := overlay(fakeGo(t, files), goos, libc, t.TempDir())
			if err == nil || !strings.Contains(err.Error(), p.file) {
				t.Errorf("%s, %s: error %v, want one that names the file", p.file, what, err)
			}
		}
		files := fitting()
		delete(files, p.file)
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

// SPDX-License-Identifier: MIT

package image

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func check(b []byte) error { return Check(bytes.NewReader(b), int64(len(b))) }

// exportsAll reports which names an image does not export.
func exportsAll(b []byte, names ...string) error {
	missing, err := Missing(bytes.NewReader(b), int64(len(b)), names)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("it does not export %s", strings.Join(missing, ", "))
	}
	return nil
}

func built(t *testing.T, path string, cmd *exec.Cmd) []byte {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// library is a shared library made by the system's own compiler.
func library(t *testing.T, flags ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	source, out := filepath.Join(dir, "plugin.c"), filepath.Join(dir, "plugin")
	if err := os.WriteFile(source, []byte("int table[999] = {1};\nstatic int local;\nint *keep = &local;\nint answer(int i) { return table[i]; }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return built(t, out, exec.Command(compiler(), append(flags, "-g", "-shared", "-fPIC", "-o", out, source)...))
}

func compiler() string {
	if cc := os.Getenv("CC"); cc != "" {
		return cc
	}
	return "cc"
}

// program is a small program for another machine. Go can make one anywhere.
func program(t *testing.T, goos, goarch string, flags ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	source, out := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", append(append([]string{"build", "-o", out}, flags...), source)...)
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0", "GOFLAGS=")
	return built(t, out, cmd)
}

// rejectsTruncations cuts the image at every step-th length, and at each within
// the first and last kilobytes.
func rejectsTruncations(t *testing.T, complete []byte, step int) {
	t.Helper()
	if err := check(complete); err != nil {
		t.Fatalf("the complete image: %v", err)
	}
	for n := range complete {
		if n%step != 0 && n > 2048 && n < len(complete)-2048 {
			continue
		}
		if check(complete[:n]) == nil {
			t.Fatalf("cut to %d of %d bytes: not rejected", n, len(complete))
		}
	}
}

func TestEveryTruncationOfALibraryIsRejected(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		rejectsTruncations(t, program(t, "windows", runtime.GOARCH), 997)
		return
	}
	rejectsTruncations(t, library(t), 1)
}

func TestTruncatedImagesOfEveryFormatAreRejected(t *testing.T) {
	t.Parallel()
	for _, goos := range []string{"linux", "windows", "darwin"} {
		for _, flags := range [][]string{nil, {"-ldflags=-s -w"}} {
			t.Run(goos+strings.Join(flags, ""), func(t *testing.T) {
				t.Parallel()
				rejectsTruncations(t, program(t, goos, runtime.GOARCH, flags...), 4999)
			})
		}
	}
}

func TestImagesForAnotherMachineAreRejected(t *testing.T) {
	t.Parallel()
	other := "arm64"
	if runtime.GOARCH == "arm64" {
		other = "amd64"
	}
	for _, goos := range []string{"linux", "windows", "darwin"} {
		t.Run(goos, func(t *testing.T) {
			t.Parallel()
			image := program(t, goos, other)
			if err := check(image); err == nil || !strings.Contains(err.Error(), "made for") {
				t.Errorf("made for %s: %v", other, err)
			}
			if goos == "darwin" {
				if err := check(universal(image)); err == nil || !strings.Contains(err.Error(), "none of its images") {
					t.Errorf("universal, but only for %s: %v", other, err)
				}
			}
		})
	}
	own := program(t, "linux", runtime.GOARCH)
	class := bytes.Clone(own)
	class[4] ^= 3 // 32 and 64 bits
	if check(class) == nil {
		t.Error("another word size: not rejected")
	}
}

// universal wraps Mach-O images as lipo does.
func universal(images ...[]byte) []byte {
	const align = 14
	var head, body bytes.Buffer
	put := func(v ...uint32) { _ = binary.Write(&head, binary.BigEndian, v) }
	put(0xcafebabe, uint32(len(images)))
	for _, image := range images {
		body.Write(make([]byte, -body.Len()&(1<<align-1)))
		cpu, sub := binary.LittleEndian.Uint32(image[4:]), binary.LittleEndian.Uint32(image[8:])
		put(cpu, sub, uint32(1<<align+body.Len()), uint32(len(image)), align)
		body.Write(image)
	}
	head.Write(make([]byte, 1<<align-head.Len()))
	return append(head.Bytes(), body.Bytes()...)
}

func TestUniversalImage(t *testing.T) {
	t.Parallel()
	rejectsTruncations(t, universal(program(t, "darwin", "arm64"), program(t, "darwin", "amd64")), 9973)
}

// A signature is appended behind all sections of a PE image.
func TestTruncatedSignatureIsRejected(t *testing.T) {
	t.Parallel()
	image := program(t, "windows", runtime.GOARCH, "-ldflags=-s -w")
	optional := binary.LittleEndian.Uint32(image[0x3c:]) + 4 + 20
	directory := image[optional+112+4*8:] // PE32+: the fifth of the data directories
	binary.LittleEndian.PutUint32(directory, uint32(len(image)))
	binary.LittleEndian.PutUint32(directory[4:], 3000)
	rejectsTruncations(t, append(image, make([]byte, 3000)...), 4999)
}

func TestWhatIsNoImageIsRejected(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"nothing":             {},
		"a script":            []byte("#!/bin/sh\nexit 0\n"),
		"preallocated zeroes": make([]byte, 100000),
		"an archive":          []byte("!<arch>\nlibrary.o/      "),
		"ELF and no more":     append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9000)...),
		"MZ and no more":      append([]byte("MZ"), make([]byte, 9000)...),
		"Mach-O and no more":  append([]byte("\xcf\xfa\xed\xfe"), make([]byte, 9000)...),
	} {
		if check(b) == nil {
			t.Errorf("%s: not rejected", name)
		}
	}
}

// SPDX-License-Identifier: MIT

//go:build unix

package verify

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// compiled is a library with these flags of the linker.
func compiled(t *testing.T, flags ...string) []byte {
	t.Helper()
	if runtime.GOOS == "darwin" {
		t.Skip("this system's libraries are no ELF images")
	}
	source, path := put(t, "plugin.c", "int answer(void) { return 42; }\n"), filepath.Join(t.TempDir(), "plugin.so")
	if out, err := exec.Command("cc", append(flags, "-shared", "-fPIC", "-o", path, source)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// snapshotOf is a library in a directory that is deep in a private one, and an allow-list
// with its sum.
func snapshotOf(t *testing.T, private string, library []byte) (File, *Policy) {
	t.Helper()
	dir := filepath.Join(private, "1-2", "d", "d", "d", "1")
	path := filepath.Join(dir, "plugin.so")
	for _, err := range []error{os.MkdirAll(dir, 0o700), os.WriteFile(path, library, 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	f := fileOf(t, path)
	f.Private = private
	return f, &Policy{AllowList: put(t, "SHA256SUMS", strings.Repeat("0", 64)+"  other\n"+sumOf(f)+"  plugin.so\n")}
}

func sumOf(f File) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, c := range f.Hash {
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// Whoever may write where an authenticated plugin has libraries looked for needs no
// signature for them.
func TestLibrariesAreLookedForOnlyWhereOthersCannotPutThem(t *testing.T) {
	h := newDir(t)
	private := h.mkdir("private", 0o700)
	open, group, own := h.mkdir("open", 0o777), h.mkdir("group", 0o775), h.mkdir("own", 0o755)
	sticky := h.mkdir("sticky", 0o777|os.ModeSticky)
	within := filepath.Join(sticky, "within") // of one's own in a directory as /tmp
	h.must(os.Mkdir(within, 0o755))
	link, into := filepath.Join(own, "link"), filepath.Join(within, "into")
	h.must(os.Symlink(open, link))
	h.must(os.Symlink(sticky, into))
	up := strings.Repeat("/..", 30)
	// The text in the image is replaced, which is faster than a linker.
	room := bytes.Repeat([]byte{'@'}, 500)
	library := compiled(t, "-Wl,--enable-new-dtags,-rpath,"+string(room))
	searching := func(path string) (File, *Policy) {
		return snapshotOf(t, private, bytes.ReplaceAll(library, room, append([]byte(path), make([]byte, len(room)-len(path))...)))
	}
	const out, loose, others, nowhere = "leads out of the snapshot directory, to ", "depends on the working directory", "others could put files: ", ""
	for path, want := range map[string]string{
		"$ORIGIN":                        nowhere,
		"${ORIGIN}/../lib":               nowhere,
		"$ORIGIN/../../../../../lib":     nowhere, // private/lib
		"$ORIGIN/../../../../../../open": out + `"` + open + `"`,
		"$ORIGIN" + up + "/usr/lib":      out + `"/usr/lib"`,
		"$ORIGIN/$LIB/.." + up + "/tmp":  out + `"/tmp"`,
		"$ORIGIN-x/..":                   nowhere,
		"$ORIGINx/..":                    loose, // not the directory's name for glibc
		"$ORIGIN_/../lib":                loose,
		"${ORIGIN}x/..":                  nowhere,
		"lib":                            loose,
		"../lib":                         loose,
		"/usr/lib:":                      loose, // what is empty is the working directory
		"$LIB":                           loose,
		"/usr/lib":                       nowhere,
		"/usr/missing/lib":               nowhere,
		open:                             others + `"` + open + `" is writable by others`,
		open + "/missing/lib":            others + `"` + open + `" is writable`,
		link + "/lib":                    others + `"` + open + `" is writable`,
		own + "/../open":                 others + `"` + open + `" is writable`,
		own:                              nowhere,
		sticky:                           others + `"` + sticky + `" is writable`,
		sticky + "/missing":              others + `"` + sticky + `" is writable`,
		within:                           nowhere,
		within + "/missing":              nowhere,
		into:                             others + `"` + sticky + `" is writable`,
		group:                            nowhere,
	} {
		f, p := searching(path)
		why := rejected(p.Check([]File{f}, never))
		if (why == "") != (want == "") || !strings.Contains(why, want) {
			t.Errorf("%s: rejected with %q, want %q", path, why, want)
		}
		shown := strings.TrimSuffix(path, ":")
		if shown == path && why != "" && !strings.Contains(why, `"`+path+`" (RUNPATH)`) {
			t.Errorf("%q does not name the path %s", why, path)
		}
		if err := (&Policy{Image: true, Symbols: []string{"answer"}}).Check([]File{f}, never); err != nil {
			t.Errorf("%s, of a plugin that nobody authenticates: %v", path, err)
		}
		// Strict modes do not trust groups. They alone are enough.
		p = &Policy{Strict: func(string) string { return "" }}
		strict := rejected(p.Check([]File{f}, never))
		if path == group && !strings.Contains(strict, `"`+group+`" is writable`) || path != group && strict != why {
			t.Errorf("%s, with strict modes: rejected with %q, want %q", path, strict, why)
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	h.must(os.Chown(own, 12345, 0))
	f, p := searching(own)
	if why := rejected(p.Check([]File{f}, never)); !strings.Contains(why, "belongs to user 12345") {
		t.Errorf("another user's directory: %q", why)
	}
}

func TestLibrariesByAPathAreExaminedAsTheirDirectoriesAre(t *testing.T) {
	h := newDir(t)
	private := h.mkdir("private", 0o700)
	open := h.mkdir("open", 0o777)
	for flags, want := range map[string]string{
		"-Wl,-f,../x.so":                    `"../x.so" (AUXILIARY), which depends`,
		"-Wl,-F," + open + "/x.so":          `/x.so" (FILTER), where others could put files: `,
		"-Wl,--depaudit,a.so:/tmp/audit.so": `"/tmp/audit.so" (DEPAUDIT), where others`,
		"-Wl,-f,plain.so":                   "",
		"-Wl,-f,$ORIGIN/x.so":               "",
	} {
		f, p := snapshotOf(t, private, compiled(t, flags))
		if why := rejected(p.Check([]File{f}, never)); (why == "") != (want == "") || !strings.Contains(why, want) {
			t.Errorf("%s: rejected with %q, want %q", flags, why, want)
		}
	}
}

func TestLibrariesOfEveryFileAreExamined(t *testing.T) {
	h := newDir(t)
	private := h.mkdir("private", 0o700)
	f, p := snapshotOf(t, private, compiled(t, "-Wl,-rpath,relative"))
	script := fileOf(t, put(t, "p.py", "import native\n"))
	h.put(p.AllowList, sumOf(f)+"\n"+sumOf(script)+"\n")
	if why := rejected(p.Check([]File{script, f}, never)); !strings.HasPrefix(why, `plugin.so has libraries looked for in "relative"`) {
		t.Errorf("a companion file: %q", why)
	}
	if err := p.Check([]File{script}, never); err != nil {
		t.Errorf("a script: %v", err)
	}
	// What cannot be read as the loader reads it might lead anywhere.
	b, err := os.ReadFile(f.Path)
	h.must(err)
	at := bytes.Index(b, []byte("relative\x00"))
	h.must(os.WriteFile(f.Path, append(b[:at:at], bytes.Repeat([]byte{'x'}, len(b)-at)...), 0o700))
	f = fileOf(t, f.Path)
	h.put(p.AllowList, sumOf(f)+"\n")
	if why := rejected(p.Check([]File{f}, never)); !strings.Contains(why, "cannot be told") {
		t.Errorf("a damaged image: %q", why)
	}
}

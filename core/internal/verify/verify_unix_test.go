// SPDX-License-Identifier: MIT

//go:build unix

package verify

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// fileOf is the file at path as Check wants it.
func fileOf(t testing.TB, path string) File {
	t.Helper()
	_, h, err := fsys.HashFile(path, never)
	if err != nil {
		t.Fatal(err)
	}
	return File{Path: path, Name: filepath.Base(path), Hash: h, Signature: path + ".minisig"}
}

// A stranger's file must not reach a parser: parsers are where faults are.
func TestNothingIsParsedBeforeListAndSignatureAcceptIt(t *testing.T) {
	broken := fileOf(t, put(t, "plugin.so", "\x7fELF, but no more"))
	list := put(t, "SHA256SUMS", "# nothing\n")
	p := Policy{AllowList: list, Keys: []Key{keyOf(t, keyText)}, Image: true, Symbols: []string{"plugin_init"}}
	first := func(want string) {
		t.Helper()
		if why := rejected(p.Check([]File{broken}, never)); !strings.Contains(why, want) {
			t.Errorf("rejected with %q, want %q first", why, want)
		}
	}
	first("allow-list")
	p.AllowList = ""
	first("signature")
	p.Keys = nil
	first("ELF: ")
	p.Image = false
	first("symbols cannot be read")
}

func TestEveryFileIsChecked(t *testing.T) {
	dir := t.TempDir()
	at := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	own, more := fileOf(t, at("plugin", signedText)), fileOf(t, at("more", "\x7fELF, but no more"))
	at("plugin.minisig", prehashed)
	p := Policy{Keys: []Key{keyOf(t, keyText)}}
	if why := rejected(p.Check([]File{own, more}, never)); !strings.Contains(why, more.Signature) {
		t.Errorf("a companion file without signature: %q", why)
	}
	own = fileOf(t, "/proc/self/exe")
	p = Policy{Image: true}
	if why := rejected(p.Check([]File{own, more}, never)); !strings.HasPrefix(why, "more: ") {
		t.Errorf("a companion file that is an incomplete image: %q", why)
	}
}

func TestImagesWhoseVersionsWouldShareObjectsAreRejected(t *testing.T) {
	if runtime.GOOS == "darwin" {
		t.Skip("this system's libraries are no ELF images")
	}
	source := put(t, "plugin.c", `__asm__(".data\n.globl _ZN3app1nE\n.type _ZN3app1nE, \"gnu_unique_object\"\n_ZN3app1nE: .long 0\n.text\n");`)
	path := filepath.Join(t.TempDir(), "plugin.so")
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-o", path, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	shares, text, broken := fileOf(t, path), fileOf(t, put(t, "text", "text")), fileOf(t, put(t, "broken", "\x7fELF, but no more"))
	const why = "its symbol _ZN3app1nE is unique in the process (STB_GNU_UNIQUE), so that all versions would share the object of the first one; compile it with -fno-gnu-unique"
	p := Policy{NoUnique: true}
	for _, c := range []struct {
		files []File
		want  string
	}{
		{[]File{shares}, why},
		{[]File{text, shares}, "plugin.so: " + why},
		{[]File{text}, ""},
		{[]File{broken}, "its symbols cannot be read: "},
	} {
		if got := rejected(p.Check(c.files, never)); got != c.want && (c.want == "" || !strings.HasPrefix(got, c.want)) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if err := (&Policy{}).Check([]File{shares}, never); err != nil {
		t.Errorf("nobody has asked for it: %v", err)
	}
}

func TestAnErrorQuotesNothingOfAnAllowList(t *testing.T) {
	f := fileOf(t, put(t, "p", signedText))
	for _, secret := range []string{"root:$6$salt$0123456789abcdef:19000:0:99999:7:::\n", "0123456789abcdefg", strings.Repeat("secret", 20000)} {
		err := (&Policy{AllowList: put(t, "list", secret)}).Check([]File{f}, never)
		if rejected(err) == "" {
			t.Fatalf("%.50q: %v", secret, err)
		}
		quotesNothing(t, err, secret)
	}
}

func TestAnAllowListIsReadWithinItsLimit(t *testing.T) {
	f := fileOf(t, put(t, "p", signedText))
	const line = "# 0123456789abcdef 0123456789abcdef 0123456789abcdef 0123456789\n"
	sum := strings.Repeat("0", 64) + "  p\n"
	list := put(t, "list", strings.Repeat(line, maxAllowList/len(line)+1)+sum)
	p := Policy{AllowList: list}
	if why := rejected(p.Check([]File{f}, never)); !strings.Contains(why, "larger than 16777216 bytes") {
		t.Errorf("%q", why)
	}
	if err := os.Truncate(list, maxAllowList); err != nil { // which cuts the last line off
		t.Fatal(err)
	}
	if why := rejected(p.Check([]File{f}, never)); !strings.Contains(why, "not in the allow-list") {
		t.Errorf("%q", why)
	}
}

// What is examined is the file that was opened, not what stands at its path by then.
func TestStrictModesConcernTheOpenedFile(t *testing.T) {
	h := newDir(t)
	h.put(h.file, "v1")
	p := Policy{Strict: strictBelow(h)}
	open := func() *os.File {
		f, _, err := fsys.OpenRegular(h.file)
		h.must(err)
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	f := open()
	if err := p.Opened(f); err != nil {
		t.Errorf("a strict file: %v", err)
	}
	h.must(os.Rename(h.file, h.file+".old"))
	h.put(h.file, "v2")
	if err := p.Opened(f); !errors.Is(err, ErrExchanged) {
		t.Errorf("exchanged after it was opened: %v", err)
	}
	// The path is strict, but the file that was opened there is everybody's.
	h.must(os.Chmod(h.file+".old", 0o666))
	if why := rejected(p.Opened(f)); !strings.Contains(why, "writable by others") {
		t.Errorf("the opened file is writable by others: %q", why)
	}
	h.must(os.Chmod(h.dir, 0o777))
	if why := rejected(p.Opened(open())); !strings.Contains(why, "writable by others") {
		t.Errorf("a directory that is writable by others: %q", why)
	}
	if err := (&Policy{}).Opened(f); err != nil {
		t.Errorf("without strict modes: %v", err)
	}
}

func TestStrictModesRejectAnAllowListThatAppearedMeanwhile(t *testing.T) {
	h := newDir(t)
	h.put(h.file, "v1")
	list := filepath.Join(h.dir, "SHA256SUMS")
	f := fileOf(t, h.file)
	strict := strictBelow(h)
	exchange := 0
	p := Policy{AllowList: list, Strict: func(path string) string {
		if exchange > 0 { // between the opening and the reading
			exchange--
			h.put(list+".new", "# nothing\n")
			h.must(os.Rename(list+".new", list))
		}
		return strict(path)
	}}
	r, ok := errors.AsType[*Rejection](p.Check([]File{f}, never))
	if !ok || !r.Passing || !strings.Contains(r.Why, "no such file") {
		t.Errorf("a missing list: %v", r)
	}
	h.put(list, "3bfc269594ef649228e9a74bab00f042efc91d5acc6fbee31a382e80d42388fe\n")
	h.must(os.Chmod(list, 0o666))
	if r, ok = errors.AsType[*Rejection](p.Check([]File{f}, never)); !ok || !r.Passing || !strings.Contains(r.Why, "others could exchange the allow-list") {
		t.Errorf("a list that is everybody's: %v", r)
	}
	h.must(os.Chmod(list, 0o644))
	if err := p.Check([]File{f}, never); err != nil {
		t.Errorf("a strict list: %v", err)
	}
	exchange = 1
	if why := rejected(p.Check([]File{f}, never)); !strings.Contains(why, "is not in the allow-list") {
		t.Errorf("the list that was exchanged was read: %q", why)
	}
	exchange = 1000
	if r, ok = errors.AsType[*Rejection](p.Check([]File{f}, never)); !ok || !r.Passing || !strings.Contains(r.Why, "exchanged") {
		t.Errorf("a list exchanged without pause: %v", r)
	}
}

// Nothing of evidence is waited for.
func TestEvidenceThatIsNoRegularFileIsNotRead(t *testing.T) {
	f := fileOf(t, put(t, "p", signedText))
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, "/dev/zero", t.TempDir()} {
		f.Signature = path
		for kind, p := range map[string]Policy{"allow-list": {AllowList: path}, "signature": {Keys: []Key{keyOf(t, keyText)}}} {
			if why := rejected(p.Check([]File{f}, never)); !strings.Contains(why, kind) || !strings.Contains(why, "no regular file") {
				t.Errorf("%s is %s: %q", kind, path, why)
			}
		}
	}
}

// A signature or a manifest that others may exchange decides when a version is accepted,
// and what its signer says of it.
func TestStrictModesConcernSignaturesAndManifests(t *testing.T) {
	h := newDir(t)
	h.put(h.file, signedText)
	h.put(h.file+".minisig", prehashed)
	manifest := filepath.Join(h.dir, "MANIFEST")
	h.put(manifest, "")
	f := fileOf(t, h.file)
	keys := []Key{keyOf(t, keyText)}
	strict := strictBelow(h)
	signed := Policy{Keys: keys, Strict: strict}
	listed := Policy{Keys: keys, Strict: strict, Manifest: manifest, ManifestSignature: f.Signature}
	if err := signed.Check([]File{f}, never); err != nil {
		t.Errorf("a strict signature: %v", err)
	}
	for what, c := range map[string]struct {
		p    *Policy
		path string
	}{"signature": {&signed, f.Signature}, "manifest": {&listed, manifest}} {
		h.must(os.Chmod(c.path, 0o664))
		r, ok := errors.AsType[*Rejection](c.p.Check([]File{f}, never))
		if !ok || !r.Passing || !strings.Contains(r.Why, "others could exchange the "+what+": ") {
			t.Errorf("a %s that a group may write to: %v", what, r)
		}
		c.p.Strict = nil
		if why := rejected(c.p.Check([]File{f}, never)); strings.Contains(why, "exchange") {
			t.Errorf("a %s without strict modes: %q", what, why)
		}
		c.p.Strict = strict
		h.must(os.Chmod(c.path, 0o644))
	}
	// It is exchanged between the opening and the reading, for another one of its owner's.
	h.put(f.Signature, "nonsense")
	once := true
	signed.Strict = func(path string) string {
		if once && path == f.Signature {
			once = false
			h.put(f.Signature+".new", prehashed)
			h.must(os.Rename(f.Signature+".new", f.Signature))
		}
		return strict(path)
	}
	if err := signed.Check([]File{f}, never); err != nil || once {
		t.Errorf("the signature that was exchanged was read: %v", err)
	}
}

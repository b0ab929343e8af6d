//go:build unix

package core

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSignatures(t *testing.T) {
	dir := t.TempDir()
	file, sig := filepath.Join(dir, "p"), filepath.Join(dir, "sig")
	key := func(text string) (k safeState) {
		parsed, err := parseKey(text)
		if err != nil {
			t.Fatal(err)
		}
		k.keys = append(k.keys, parsed)
		return k
	}
	both := append(key(otherKey).keys, key(keyText).keys...)
	bare := key(strings.Split(keyText, "\n")[1]).keys
	for _, c := range []struct {
		what, content, signature, want string
		keys                           []string
	}{
		{"prehashed", signedText, prehashed, "", nil},
		{"legacy", signedText, legacy, "", nil},
		{"CR LF", signedText, strings.ReplaceAll(prehashed, "\n", "\r\n"), "", nil},
		{"another content", "plugin v2\n", prehashed, "does not hold", nil},
		{"another content, legacy", "plugin v2\n", legacy, "does not hold", nil},
		{"another comment", signedText, strings.Replace(prehashed, "plugin 1", "plugin 2", 1), "does not hold", nil},
		{"cut off", signedText, prehashed[:150], "malformed", nil},
		{"empty", signedText, "", "malformed", nil},
		{"nonsense", signedText, "a\nb\nc\nd\n", "malformed", nil},
		{"another algorithm", signedText, strings.Replace(prehashed, "RURY", "RVRY", 1), "does not hold", nil},
	} {
		for what, data := range map[string]string{file: c.content, sig: c.signature} {
			if err := os.WriteFile(what, []byte(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		err := checkSignature(file, sig, both)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
		if e2 := checkSignature(file, sig, bare); (e2 == nil) != (err == nil) {
			t.Errorf("%s: with the bare key %v", c.what, e2)
		}
	}
	if err := os.WriteFile(sig, []byte(prehashed), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := checkSignature(file, sig, key(otherKey).keys); err == nil || !strings.Contains(err.Error(), "bbd727a961acd658") {
		t.Errorf("a signature of an unknown key: %v", err)
	}
}

// A signature that comes after its plugin is heard of; one of other bytes is refused.
func TestSignatureMayComeLater(t *testing.T) {
	h := quietSafe(t, Options{})
	h.put(h.file, signedText)
	h.enable(Safe{PublicKeys: []string{keyText}})
	if ev := h.next(Rejected); !strings.Contains(ev.Message, h.file+".minisig") {
		t.Fatalf("event %+v", ev)
	}
	h.put(h.file+".minisig", prehashed)
	h.change(signedText)
	h.report(1, ReloadOK)
	// A new signature of the same bytes is no new version.
	h.replace(h.file+".minisig", legacy)
	h.until("it was looked at", func() bool { return h.stats().Unchanged > 0 })
	h.replace(h.file, "tampered")
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "does not hold") {
		t.Fatalf("event %+v", ev)
	}
	h.replace(h.file, signedText)
	h.change(signedText)
}

func TestAllowList(t *testing.T) {
	h := quietSafe(t, Options{})
	list := filepath.Join(h.dir, "SHA256SUMS")
	h.put(h.file, "v1")
	h.put(list, "# allowed\n")
	h.enable(Safe{AllowList: new(list)})
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "3bfc269594ef649228e9a74bab00f042efc91d5acc6fbee31a382e80d42388fe") {
		t.Fatalf("event %+v", ev)
	}
	h.put(list, "# allowed\n3BFC269594EF649228E9A74BAB00F042EFC91D5ACC6FBEE31A382E80D42388FE *plugin.so\n\n")
	h.change("v1")
	h.put(list, "3bfc\n")
	h.replace(h.file, "v2")
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "line 1 does not begin") {
		t.Fatalf("event %+v", ev)
	}
	h.must(os.Remove(list))
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "no such file") {
		t.Fatalf("event %+v", ev)
	}
}

// Every file of a plugin needs its signature, its line in the list and to be whole.
func TestFurtherFilesAreValidated(t *testing.T) {
	h := quietSafe(t, Options{})
	more := filepath.Join(h.dir, "more.so")
	list := filepath.Join(h.dir, "SHA256SUMS")
	refused := func(want string) {
		t.Helper()
		if ev := h.next(Rejected); !strings.Contains(ev.Message, want) {
			t.Fatalf("refused with %q, want %q", ev.Message, want)
		}
	}
	h.put(h.file, signedText)
	h.put(h.file+signatureSuffix, prehashed)
	h.put(more, signedText)
	h.enable(Safe{Files: []string{"more.so"}, PublicKeys: []string{keyText}})
	refused(more + signatureSuffix)
	h.replace(more+signatureSuffix, prehashed)
	h.change(signedText)

	disable := func() {
		t.Helper()
		_, err := h.m.Disable("p")
		h.must(err)
	}
	disable()
	h.put(more, "more")
	h.put(list, sha256Of(signedText)+"  plugin.so\n")
	h.enable(Safe{Files: []string{"more.so"}, AllowList: new(list)})
	refused("more.so (SHA-256 " + sha256Of("more"))
	h.replace(list, sha256Of(signedText)+"  plugin.so\n\\"+sha256Of("more")+"  more\\\\.so\n") // as sha256sum escapes names
	h.change(signedText)

	disable()
	h.compile(h.file, "int x;")
	h.compile(more, "int y;")
	whole := h.read(more)
	h.put(more, whole[:len(whole)/2])
	h.enable(Safe{Files: []string{"more.so"}, Image: new(true)})
	refused("more.so: ")
	h.replace(more, whole)
	h.next(FileChanged)
}

func TestImageAndSymbols(t *testing.T) {
	h := quietSafe(t, Options{})
	h.compile(h.file, "int plugin_init(void) { return 0; } static int plugin_answer(void) { return 1; } int (*keep)(void) = plugin_answer;")
	h.enable(Safe{Image: new(true), Symbols: []string{"plugin_init", "plugin_answer", "plugin_exit"}})
	if ev := h.next(Rejected); ev.Message != "it does not export plugin_answer, plugin_exit" {
		t.Fatalf("event %+v", ev)
	}
	h.compile(h.file, "int plugin_init(void) { return 0; } int plugin_answer(void) { return 1; } int plugin_exit = 1;")
	ev := h.next(FileChanged)
	whole := h.read(ev.Snapshot)
	h.replace(h.file, whole[:len(whole)/2])
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "truncated") {
		t.Fatalf("event %+v", ev)
	}
	h.replace(h.file, "#!/bin/sh\n")
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "neither an ELF") {
		t.Fatalf("event %+v", ev)
	}
	// An undefined reference is no export.
	h.compile(h.file, "extern int plugin_answer(void); extern int plugin_exit; int plugin_init(void) { return plugin_answer() + plugin_exit; }")
	if ev := h.next(Rejected); ev.Message != "it does not export plugin_answer, plugin_exit" {
		t.Fatalf("event %+v", ev)
	}
}

func TestStrictModes(t *testing.T) {
	h := quietSafe(t, Options{})
	// The directories above belong to the test's user; /tmp itself is open to all.
	base := strictPath("/")
	if base != "" {
		t.Fatalf("the root directory is not strict: %s", base)
	}
	if why := strictPath(filepath.Join(h.dir, "missing")); !strings.Contains(why, "no such file") {
		t.Errorf("a missing file: %q", why)
	}
	seen := strictBelow(h)
	h.put(h.file, "v1")
	if why := seen(h.file); why != "" {
		t.Errorf("a strict path: %s", why)
	}
	for what, change := range map[string]func() func(){
		"file writable by all":      func() func() { return h.chmod(h.file, 0o666, 0o644) },
		"file writable by group":    func() func() { return h.chmod(h.file, 0o664, 0o644) },
		"directory writable by all": func() func() { return h.chmod(h.dir, 0o757, 0o755) },
		"sticky directory":          func() func() { return h.chmod(h.dir, 0o777|os.ModeSticky, 0o755) },
	} {
		undo := change()
		if why := seen(h.file); !strings.Contains(why, "writable by others") {
			t.Errorf("%s: %q", what, why)
		}
		undo()
	}
	// Through links: the directory that a link leads to counts, too.
	open := h.mkdir("open2", 0o777)
	h.put(filepath.Join(open, "target.so"), "v1")
	link := filepath.Join(h.dir, "link.so")
	h.must(os.Symlink(filepath.Join(open, "target.so"), link))
	if why := seen(link); !strings.Contains(why, open) {
		t.Errorf("a link into an open directory: %q", why)
	}
	// A ".." after a link: where the link leads counts, and the links on the way there.
	open = h.mkdir("open3", 0o777)
	h.must(os.Mkdir(filepath.Join(open, "sub"), 0o755))
	h.put(filepath.Join(open, "up.so"), "v1")
	h.must(os.Symlink(filepath.Join(open, "sub"), filepath.Join(h.dir, "up")))
	closed := h.mkdir("closed", 0o755)
	h.must(os.Mkdir(filepath.Join(closed, "sub"), 0o755))
	h.put(filepath.Join(closed, "up.so"), "v1")
	h.must(os.Symlink(filepath.Join(closed, "sub"), filepath.Join(open, "hop")))
	h.must(os.Symlink(filepath.Join(open, "hop"), filepath.Join(h.dir, "hop")))
	h.must(os.Symlink("hop/../up.so", filepath.Join(h.dir, "relative.so")))
	for _, path := range []string{"/up/../up.so", "/hop/../up.so", "/relative.so"} {
		if why := seen(h.dir + path); !strings.Contains(why, open) {
			t.Errorf("%s: %q, want %s to be named", path, why, open)
		}
	}
	if os.Geteuid() == 0 {
		h.must(os.Chown(h.file, 12345, 0))
		if why := seen(h.file); !strings.Contains(why, "belongs to user 12345") {
			t.Errorf("another user's file: %q", why)
		}
		h.must(os.Chown(h.file, 0, 0))
	}
	// Through the manager: the temporary directory is open to all.
	h.enable(Safe{StrictModes: new(true)})
	if st, err := os.Stat("/tmp"); err == nil && st.Mode().Perm()&0o022 != 0 && strings.HasPrefix(h.file, "/tmp/") {
		if ev := h.next(Rejected); !strings.Contains(ev.Message, `"/tmp" is writable by others`) {
			t.Errorf("event %+v", ev)
		}
	}
}

// strictBelow is strictPath with the directories above h's trusted.
func strictBelow(h *safeHost) func(path string) string {
	return func(path string) string {
		trusted := map[string]bool{}
		for dir := filepath.Dir(h.dir); dir != "/"; dir = filepath.Dir(dir) {
			trusted[dir] = true
		}
		return strictFrom(path, trusted)
	}
}

// An administrator who mends the modes need not rebuild the plugin.
func TestStrictModesMended(t *testing.T) {
	for name, open := range map[string]func(h *safeHost) (mend func()){
		"file":      func(h *safeHost) func() { return h.chmod(h.file, 0o666, 0o644) },
		"directory": func(h *safeHost) func() { return h.chmod(h.dir, 0o777, 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h *safeHost
			h = quietSafe(t, Options{strict: func(path string) string { return strictBelow(h)(path) }})
			h.put(h.file, "v1")
			mend := open(h)
			h.enable(Safe{StrictModes: new(true)})
			if ev := h.next(Rejected); !strings.Contains(ev.Message, "writable by others") {
				t.Fatalf("event %+v", ev)
			}
			mend()
			h.change("v1")
			h.replace(h.file, "v2")
			h.change("v2")
		})
	}
}

// A file that belongs to a plugin and comes late is waited for.
func TestMissingCompanionComesLater(t *testing.T) {
	h := quietSafe(t, Options{})
	data := filepath.Join(h.dir, "data")
	h.put(h.file, "v1")
	h.enable(Safe{Files: []string{data}})
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "is missing") {
		t.Fatalf("event %+v", ev)
	}
	h.put(data, "d1")
	h.change("v1")
}

func (h *safeHost) chmod(path string, to, back os.FileMode) (undo func()) {
	h.must(os.Chmod(path, to))
	return func() { h.must(os.Chmod(path, back)) }
}

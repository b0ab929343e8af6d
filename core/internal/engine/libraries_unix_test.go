// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/crypto/blake2b"
)

// signer signs files as minisign does.
type signer struct {
	t   *testing.T
	key ed25519.PrivateKey
}

const keyNumber = "12345678"

func newSigner(t *testing.T) signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return signer{t, key}
}

// public is the public key.
func (s signer) public() string {
	return base64.StdEncoding.EncodeToString(append([]byte("Ed"+keyNumber), s.key.Public().(ed25519.PublicKey)...))
}

// sign is the signature of a file with this content.
func (s signer) sign(content []byte) string {
	s.t.Helper()
	const comment = "of a test"
	hash := blake2b.Sum512(content)
	signature := ed25519.Sign(s.key, hash[:])
	global := ed25519.Sign(s.key, append(bytes.Clone(signature), comment...))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("untrusted comment: \n%s\ntrusted comment: %s\n%s\n", encode(append([]byte("ED"+keyNumber), signature...)), comment, encode(global))
}

// loader is a program that loads a library. What the library prints when it is loaded
// is what the program prints.
func loader(t *testing.T, dir string) func(library string) string {
	t.Helper()
	source, program := filepath.Join(dir, "loader.c"), filepath.Join(dir, "loader")
	text := "#include <dlfcn.h>\n#include <stdio.h>\nint main(int n, char **v) { if (!dlopen(v[1], RTLD_NOW)) puts(dlerror()); return 0; }\n"
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cc", source, "-o", program, "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return func(library string) string {
		out, err := exec.Command(program, library).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
}

// A plugin that is signed and allowed, and looks for a library some directories above
// its own: wherever others may have put such a library, it is not loaded.
func TestASignedPluginLoadsNoLibraryThatOthersPutAboveItsSnapshot(t *testing.T) {
	if runtime.GOOS == "darwin" {
		t.Skip("this system's libraries are no ELF images")
	}
	tmp := realTempDir(t)
	common := filepath.Join(tmp, "tmp") // as /tmp
	snapshots := filepath.Join(common, "hotreload-1")
	h := quietSafe(t, Options{SnapshotDir: &snapshots, strict: func(string) string { return "" }})
	h.must(errors.Join(os.Mkdir(common, 0o700), os.Chmod(common, 0o777|os.ModeSticky)))
	load := loader(t, tmp)

	theirs := filepath.Join(common, "lib", "libneeded.so")
	h.must(os.Mkdir(filepath.Dir(theirs), 0o755))
	h.compile(theirs, "#include <stdio.h>\n__attribute__((constructor)) static void run(void) { puts(\"their code runs\"); }\n")
	h.must(os.WriteFile(filepath.Join(tmp, "plugin.c"), []byte("int plugin_init(void) { return 0; }\n"), 0o644))
	room := strings.Repeat("@", 100) // for the path, which is replaced in the library
	built := filepath.Join(tmp, "built.so")
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-Wl,--no-as-needed,--enable-new-dtags,-rpath,"+room, filepath.Join(tmp, "plugin.c"), "-o", built,
		"-L"+filepath.Dir(theirs), "-lneeded").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	library := h.read(built)
	searching := func(path string) string {
		return strings.ReplaceAll(library, room, path+strings.Repeat("\x00", len(room)-len(path)))
	}
	up := func(steps int) string { return "$ORIGIN" + strings.Repeat("/..", steps) + "/lib" }

	// What the test is about, without the library.
	h.must(os.MkdirAll(filepath.Join(snapshots, "1", "1"), 0o700))
	shallow := filepath.Join(snapshots, "1", "1", "plugin.so")
	h.put(shallow, searching(up(3)))
	if out := load(shallow); out != "their code runs\n" {
		t.Fatalf("the loader does not find their library: %s", out)
	}
	h.must(os.RemoveAll(filepath.Join(snapshots, "1")))

	s := newSigner(t)
	list := filepath.Join(tmp, "SHA256SUMS")
	release := func(content string) {
		h.put(list, sha256Of(content)+"\n")
		h.put(h.file+signatureSuffix, s.sign([]byte(content)))
		h.replace(h.file, content)
	}
	verdict := func() (ev Event) { // not of the list of this version beside the file of the one before
		h.until("a verdict", func() bool {
			select {
			case ev = <-h.events:
				return ev.Kind != Rejected || !strings.Contains(ev.Message, "is not in the allow-list") && !strings.Contains(ev.Message, "does not hold")
			default:
				return false
			}
		})
		return ev
	}
	delivered, rejected := 0, 0
	for steps := range 15 {
		release(searching(up(steps)))
		if steps == 0 {
			h.enable(Safe{PublicKeys: []string{s.public()}, AllowList: &list, Symbols: []string{"plugin_init"}, Image: new(true), StrictModes: new(true)})
		}
		switch ev := verdict(); ev.Kind {
		case FileChanged:
			delivered++
			if out := load(ev.Snapshot); !strings.Contains(out, "libneeded.so: cannot open") {
				t.Errorf("%s: the loader says %s", up(steps), out)
			}
		case Rejected:
			rejected++
			if !strings.Contains(ev.Message, up(steps)) || !strings.Contains(ev.Message, "leads out of the snapshot directory") {
				t.Errorf("%s: rejected with %q", up(steps), ev.Message)
			}
		default:
			t.Errorf("event %+v", ev)
		}
	}
	if delivered < 10 || rejected < 3 {
		t.Errorf("%d were delivered, %d rejected", delivered, rejected)
	}
	if os.Geteuid() == 0 { // by a path that is absolute
		h.must(os.Chown(filepath.Dir(theirs), 65534, 65534))
		release(searching(filepath.Dir(theirs)))
		if ev := verdict(); ev.Kind != Rejected || !strings.Contains(ev.Message, filepath.Dir(theirs)) || !strings.Contains(ev.Message, "belongs to user 65534") {
			t.Errorf("event %+v", ev)
		}
	}
}

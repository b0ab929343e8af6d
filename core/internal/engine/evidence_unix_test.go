// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What a signature or an allow-list may turn out to be: nothing of it holds the
// validation up, nor takes memory without end.
func TestEvidenceThatIsNoOrdinaryFile(t *testing.T) {
	for what, make := range map[string]func(h *safeHost, at string){
		"a FIFO":      func(h *safeHost, at string) { h.must(unix.Mkfifo(at, 0o600)) },
		"a device":    func(h *safeHost, at string) { h.must(os.Symlink("/dev/zero", at)) },
		"a directory": func(h *safeHost, at string) { h.must(os.Mkdir(at, 0o700)) },
		"huge": func(h *safeHost, at string) {
			h.put(at, "")
			h.must(os.Truncate(at, 1<<40))
		},
	} {
		for kind, o := range map[string]Safe{"signature": {PublicKeys: []string{keyText}}, "allow-list": {AllowList: new("list")}} {
			t.Run(kind+" is "+what, func(t *testing.T) {
				h := quietSafe(t, Options{})
				at := h.file + signatureSuffix
				if o.AllowList != nil {
					at = filepath.Join(h.dir, "list")
					o.AllowList = &at
				}
				make(h, at)
				h.put(h.file, signedText)
				h.enable(o)
				if ev := h.next(Rejected); !strings.Contains(ev.Message, kind) || !strings.Contains(ev.Message, at) {
					t.Errorf("refused with %q", ev.Message)
				}
				h.must(os.Remove(at))
				if kind == "signature" {
					h.next(Rejected) // there is none
					h.put(at, prehashed)
				} else {
					h.next(Rejected)
					h.put(at, sha256Of(signedText)+"\n")
				}
				h.change(signedText)
			})
		}
	}
}

// A relative path means what it meant when the plugin was enabled.
func TestRelativeEvidenceAfterChdir(t *testing.T) {
	h := quietSafe(t, Options{})
	t.Chdir(h.dir)
	h.put(h.file, signedText)
	h.put("sums", sha256Of(signedText)+"  plugin.so\n")
	h.put("signature", prehashed)
	h.enable(Safe{AllowList: new("sums"), PublicKeys: []string{keyText}, Signature: new("signature")})
	h.change(signedText)
	t.Chdir("/")
	h.put(filepath.Join(h.dir, "sums"), sha256Of("next")+"\n"+sha256Of(signedText)+"\n")
	h.until("the new list was looked at", func() bool { return h.stats().Unchanged > 0 })
	h.replace(h.file, "next")
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "does not hold") { // the list holds, the signature does not
		t.Errorf("refused with %q", ev.Message)
	}
}

// A list that others may write to allows what they like.
func TestStrictModesIncludeTheAllowList(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "allowed")
	h := quietSafe(t, Options{strict: func(path string) string {
		if path == list {
			return "it is writable by others"
		}
		return ""
	}})
	h.put(h.file, "v1")
	h.put(list, sha256Of("v1")+"\n")
	h.enable(Safe{StrictModes: new(true), AllowList: new(list)})
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "allow-list") || !strings.Contains(ev.Message, "writable by others") {
		t.Errorf("refused with %q", ev.Message)
	}
}

func sha256Of(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

package core

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jedisct1/go-minisign"
)

// Signatures that minisign 0.11 made of "plugin v1\n".
const (
	signedText = "plugin v1\n"
	keyText    = "untrusted comment: minisign public key BBD727A961ACD658\nRWRY1qxhqSfXu7Ebo7jfHoIDpyvwhoBsqEOfuiAbfX3QOauqkjbTH3dR\n"
	otherKey   = "RWStPtZVUyIEzJH/A9YIvL+9rncdPQ/5MAYxjYv3J4pqQswed6/GL7C9"
	prehashed  = `untrusted comment: signature from minisign secret key
RURY1qxhqSfXuw1FyMVkF+fmfcADlPE9jfoNofKvA0vCd4dkmw7KV/nM3KRKdfkxyKMcl4/1nTZc5pKYo1RpcImGr4DjEFgJiw0=
trusted comment: plugin 1
jFeMX1z11nHDqj+6X/qNR4sWERfUNdjZZeAtZjvVW3ZsfFQyCQb8O3TtTVZFWo7qJz4r/3Q/JO2At5ijxt/XBw==
`
	legacy = `untrusted comment: signature from minisign secret key
RWRY1qxhqSfXu4YQKidl0le8htT5l3py8w3mYP7nek116nIyrt4Za9OOl3GnGofJIKy6/k/5Gp6a5fyUJlpYuipPRmMnMZULwQM=
trusted comment: plugin 1 legacy
dw7Oz4IFGkM2GnWnFWgdoRjXZwoN5SbeBJVOEfBwX5U9eJJ1x7RfhHQ/1lKpGy3XXeBz6XQHPvnWCFBrkRugBw==
`
)

// Damaged signatures and keys are judged as another reader of the format does.
func TestMinisignAgreesWithTheReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(path, []byte(signedText), 0o644); err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(strings.TrimSpace(keyText), "\n")
	accepted := 0
	for i := range 4000 {
		text, key := []byte([]string{prehashed, legacy}[i%2]), []byte(line)
		switch i % 5 {
		case 0:
			key[r.IntN(len(key))] = "RWabc+/=\r\n 0"[r.IntN(12)]
		case 1, 2, 3:
			at := r.IntN(len(text))
			text[at] = "RWDEabc+/=\r\n 0"[r.IntN(14)]
			if i%5 == 3 {
				text = append(text[:at:at], text[at+r.IntN(len(text)-at):]...)
			}
		}
		got, want := ours(path, string(key), string(text)), reference(string(key), string(text))
		if (got == nil) != want {
			t.Fatalf("key %q, signature %q: %v; the reference says %v", key, text, got, want)
		}
		if want {
			accepted++
		}
	}
	if accepted < 800 || accepted > 3000 {
		t.Errorf("%d of 4000 accepted", accepted)
	}
}

func ours(path, key, text string) error {
	k, err := parseMinisignKey(key)
	if err != nil {
		return err
	}
	s, err := parseMinisignature(text)
	if err != nil {
		return err
	}
	message, err := s.message(path)
	if err != nil {
		return err
	}
	if k.id != s.id {
		return errors.New("another key")
	}
	return k.verify(message, s)
}

func reference(key, text string) bool {
	k, err := minisign.NewPublicKey(key)
	if err != nil {
		return false
	}
	s, err := minisign.DecodeSignature(text)
	if err != nil {
		return false
	}
	ok, err := k.Verify([]byte(signedText), s)
	return ok && err == nil
}

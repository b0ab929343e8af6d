package verify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func never() bool { return false }

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

func TestSignatures(t *testing.T) {
	dir := t.TempDir()
	file, sig := filepath.Join(dir, "p"), filepath.Join(dir, "sig")
	key := func(text string) []Key {
		parsed, err := ParseKey(text)
		if err != nil {
			t.Fatal(err)
		}
		return []Key{parsed}
	}
	both := append(key(otherKey), key(keyText)...)
	bare := key(strings.Split(keyText, "\n")[1])
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
		{"another algorithm", signedText, strings.Replace(prehashed, "RURY", "RVRY", 1), "unknown algorithm", nil},
	} {
		for what, data := range map[string]string{file: c.content, sig: c.signature} {
			if err := os.WriteFile(what, []byte(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		err := checkSignature(file, sig, both, never)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
		if e2 := checkSignature(file, sig, bare, never); (e2 == nil) != (err == nil) {
			t.Errorf("%s: with the bare key %v", c.what, e2)
		}
	}
	if err := os.WriteFile(sig, []byte(prehashed), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := checkSignature(file, sig, key(otherKey), never); err == nil || !strings.Contains(err.Error(), "bbd727a961acd658") {
		t.Errorf("a signature of an unknown key: %v", err)
	}
}

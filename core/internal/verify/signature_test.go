// SPDX-License-Identifier: MIT

package verify

import (
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/crypto/blake2b"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

func never() bool { return false }

func always() bool { return true }

// signedBy is what Check says of a file and its signature.
func signedBy(file, signature string, keys []Key) error {
	return (&Policy{Keys: keys}).Check([]File{{Path: file, Name: "plugin.so", Signature: signature}}, never)
}

func keyOf(t testing.TB, text string) Key {
	t.Helper()
	k, err := ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// put makes a file in a directory of the test's own.
func put(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func rejected(err error) (why string) {
	if r, ok := errors.AsType[*Rejection](err); ok {
		return r.Why
	}
	return ""
}

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

func TestASignatureHoldsOnlyForWhatWasSignedByAGivenKey(t *testing.T) {
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
		err := signedBy(file, sig, both)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
		if e2 := signedBy(file, sig, bare); (e2 == nil) != (err == nil) {
			t.Errorf("%s: with the bare key %v", c.what, e2)
		}
	}
	if err := os.WriteFile(sig, []byte(prehashed), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := signedBy(file, sig, key(otherKey)); err == nil || !strings.Contains(err.Error(), "CC04225355D63EAD") {
		t.Errorf("a signature of an unknown key: %v", err)
	}
}

// Damaged signatures and keys are judged as another reader of the format does.
func TestSignaturesAreReadAsTheReferenceReadsThem(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	path, sig := put(t, "p", signedText), put(t, "sig", "")
	_, line, _ := strings.Cut(strings.TrimSpace(keyText), "\n")
	accepted := 0
	for i := range 1000 {
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
		if err := os.WriteFile(sig, text, 0o644); err != nil {
			t.Fatal(err)
		}
		// ParseKey takes the last line of a text, the reference takes a line.
		k, err := ParseKey(string(key))
		got := err == nil && signedBy(path, sig, []Key{k}) == nil
		lines := strings.Split(strings.TrimSpace(string(key)), "\n")
		if want := referenceAccepts(path, strings.TrimSpace(lines[len(lines)-1]), string(text)); got != want {
			t.Fatalf("key %q, signature %q: accepted %v; the reference says %v", key, text, got, want)
		}
		if got {
			accepted++
		}
	}
	if accepted < 200 || accepted > 750 {
		t.Errorf("%d of 1000 accepted", accepted)
	}
}

// quotesNothing reports an error that holds a piece of a file's content, unless
// the words of the message are themselves in the file.
func quotesNothing(t *testing.T, err error, content string) {
	t.Helper()
	const piece = 12
	const words = "the signature is malformed: the signature does not hold: its key is not among the given ones, unexpected format for the trusted comment, invalid encoded signature, incomplete encoded signature, invalid global signature"
	for i := 0; i+piece <= len(content); i++ {
		if c := content[i : i+piece]; strings.Contains(strings.ToLower(err.Error()), strings.ToLower(c)) && !strings.Contains(words, strings.ToLower(c)) {
			t.Fatalf("the error quotes %q: %v", c, err)
		}
	}
}

// A stranger may have put a link to a secret in the place of the signature.
func TestAnErrorQuotesNothingOfASignature(t *testing.T) {
	path := put(t, "p", signedText)
	for _, secret := range []string{"root:$6$salt$0123456789abcdef:19000:0:99999:7:::\n", "a\nb0123456789abcdef\nc0123456789abcdef\nd", prehashed} {
		err := signedBy(path, put(t, "sig", secret), []Key{keyOf(t, otherKey)})
		if rejected(err) == "" {
			t.Fatalf("%q: %v", secret, err)
		}
		quotesNothing(t, err, secret)
		if strings.Contains(strings.ToUpper(err.Error()), "BBD727A961ACD658") {
			t.Errorf("the error gives the key number out that the file holds: %v", err)
		}
	}
}

// The two kinds of signatures sign a hash or the content. Which kind one is, is not signed.
func TestTheHashOfASignedFileIsNoSignedFile(t *testing.T) {
	hash := blake2b.Sum512([]byte(signedText))
	_, rest, _ := strings.Cut(prehashed, "\n")
	line, rest, _ := strings.Cut(rest, "\n")
	b, err := base64.StdEncoding.DecodeString(line)
	if err != nil {
		t.Fatal(err)
	}
	copy(b, ofFile[:])
	sig := put(t, "sig", "untrusted comment: x\n"+base64.StdEncoding.EncodeToString(b)+"\n"+rest)
	keys := []Key{keyOf(t, keyText)}
	if why := rejected(signedBy(put(t, "p", string(hash[:])), sig, keys)); !strings.Contains(why, "64 bytes") {
		t.Errorf("a file that is the hash of a signed file: %q", why)
	}
	p := Policy{Keys: keys, Manifest: put(t, "manifest", string(hash[:])), ManifestSignature: sig}
	if why := rejected(p.Check([]File{{Path: put(t, "p", "")}}, never)); !strings.Contains(why, "64 bytes") {
		t.Errorf("such a manifest: %q", why)
	}
}

// A forged signature names a key of the host's, which anybody knows.
func TestALegacySignatureDoesNotReadALargeFileIntoMemory(t *testing.T) {
	path, sig := put(t, "p", ""), put(t, "sig", legacy)
	if err := os.Truncate(path, 3<<30); err != nil {
		t.Skip(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := signedBy(path, sig, []Key{keyOf(t, keyText)})
	runtime.ReadMemStats(&after)
	if why := rejected(err); !strings.Contains(why, "legacy") || !strings.Contains(why, "16777216") {
		t.Errorf("%v", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

func TestASignatureAtTheLegacyLimitIsStillRead(t *testing.T) {
	path, sig := put(t, "p", ""), put(t, "sig", legacy)
	if err := os.Truncate(path, maxLegacy); err != nil {
		t.Fatal(err)
	}
	if err := signedBy(path, sig, []Key{keyOf(t, keyText)}); !strings.Contains(rejected(err), "does not hold") {
		t.Errorf("%v", err)
	}
}

func TestVerificationStopsWhenItIsAskedTo(t *testing.T) {
	path, sig, list := put(t, "p", signedText), put(t, "sig", prehashed), put(t, "list", "# no sum\n")
	after := func(n int) func() bool { return func() bool { n--; return n < 0 } }
	for what, p := range map[string]Policy{
		"allow-list": {AllowList: list},
		"signature":  {Keys: []Key{keyOf(t, keyText)}},
		"image":      {Image: true},
		"symbols":    {Symbols: []string{"plugin_init"}},
	} {
		for n := range 3 {
			err := p.Check([]File{{Path: path, Name: "p", Signature: sig}}, after(n))
			if n == 0 && !errors.Is(err, fsys.ErrStopped) || n > 0 && err == nil && what != "signature" {
				t.Errorf("%s, stopped after %d questions: %v", what, n, err)
			}
		}
		if err := p.Check([]File{{Path: path, Name: "p", Signature: sig}}, always); !errors.Is(err, fsys.ErrStopped) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// SPDX-License-Identifier: MIT

package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/qtforge/hotreload/core/internal/boundtest"
	"github.com/qtforge/hotreload/core/internal/printabletest"
)

// Evidence as a stranger may have made it: signatures, allow-lists, manifests, trusted
// comments. The fuzzers (make fuzz) and the test of damaged ones ask the same.

// maxMemory is what a file of evidence may cost, which is at most some hundred bytes here.
const maxMemory = 4 << 20

// sumOfV1 is the SHA-256 of "v1".
const sumOfV1 = "3bfc269594ef649228e9a74bab00f042efc91d5acc6fbee31a382e80d42388fe"

// The seeds.
var (
	signatures = []string{prehashed, legacy, prehashed[:150], "a\nb\nc\nd\n", ""}
	allowLists = []string{sumOfV1, "# x\n\\" + sumOfV1 + " *p\n", sumOfV1[1:], "\r\n\r" + sumOfV1 + "\t", "", "\x00", sumOfV1 + "  /a/p\n" + sumOfV1 + "  q"}
	manifests  = []string{sumOfV1 + "  plugin.so\n", "# x\n\\" + sumOfV1 + ` *a\\b\nc` + "\n", sumOfV1[1:] + "  p", sumOfV1 + "  ../p\r\n" + sumOfV1 + "  ./q", "\x00", sumOfV1 + "  /p", sumOfV1 + "  "}
	comments   = []string{"plugin:a version:1.2.3", "version:1\tplugin:b x", "timestamp:1 file:a hashed", "plugin:", "version:999999999999999999.0"}
)

// room is where the files are that are damaged.
type room struct {
	content, evidence string // paths
}

func newRoom(t testing.TB) room { return room{put(t, "p", ""), put(t, "evidence", "")} }

func (r room) write(t *testing.T, content, evidence string) {
	t.Helper()
	if err := errors.Join(os.WriteFile(r.content, []byte(content), 0o644), os.WriteFile(r.evidence, []byte(evidence), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// judged is what Check says; it must be an answer.
func judged(t *testing.T, p Policy, f File) (err error) {
	t.Helper()
	boundtest.Within(t, maxMemory, func() { err = p.Check([]File{f}, never) })
	if err == nil {
		return nil
	}
	if rejected(err) == "" {
		t.Fatalf("neither accepted nor rejected: %v", err)
	}
	if why := printabletest.Fault(err.Error()); why != "" {
		t.Fatalf("%q: %s", err, why)
	}
	return err
}

// A signature is accepted if and only if another reader of the format accepts it.
func (r room) signature(t *testing.T, content, signature, key string) {
	t.Helper()
	k, err := ParseKey(key)
	if err != nil {
		k, key = keyOf(t, keyText), keyText
	}
	lines := strings.Split(strings.TrimSpace(key), "\n")
	key = strings.TrimSpace(lines[len(lines)-1])
	r.write(t, content, signature)
	err = judged(t, Policy{Keys: []Key{k}}, File{Path: r.content, Name: "plugin.so", Signature: r.evidence})
	if want := referenceAccepts(r.content, key, signature); (err == nil) != want {
		t.Fatalf("key %q, content %q, signature %q: %v; the reference says %v", key, content, signature, err, want)
	}
	if err == nil && content != signedText && k == keyOf(t, keyText) {
		t.Fatalf("%q is accepted with the signature %q", content, signature)
	}
	if err != nil {
		quotesNothing(t, err, signature)
	}
}

// An allow-list allows only what is in it, and names only what is named in it.
func (r room) allowList(t *testing.T, list string) {
	t.Helper()
	r.write(t, "v1", list)
	f := File{Path: r.content, Name: "p", Hash: sha256.Sum256([]byte("v1"))}
	any := judged(t, Policy{AllowList: r.evidence}, f)
	named := judged(t, Policy{AllowList: r.evidence, ListNames: true}, f)
	if any == nil && !strings.Contains(strings.ToLower(list), sumOfV1) {
		t.Fatalf("%q allows what is not in it", list)
	}
	if named == nil && (any != nil || !strings.Contains(list, "p")) {
		t.Fatalf("%q allows by the name what it does not name, or does not allow: %v", list, any)
	}
}

// What a manifest is said to list is in it, and writing it anew gives the same.
func (r room) manifest(t *testing.T, text string) {
	t.Helper()
	r.write(t, "v1", text)
	p := Policy{Keys: []Key{keyOf(t, keyText)}, Manifest: r.evidence, ManifestSignature: r.content}
	if err := judged(t, p, File{Path: r.content, Name: "p", Listed: "p"}); err == nil {
		t.Fatalf("%q is accepted without a signature", text)
	}
	var again strings.Builder
	boundtest.Within(t, maxMemory, func() {
		listed, err := parseManifest([]byte(text))
		if err != nil {
			if why := printabletest.Fault(err.Error()); why != "" {
				t.Fatalf("%q: %s", err, why)
			}
			return
		}
		escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)
		for name, h := range listed {
			if !strings.Contains(strings.ToLower(text), hex.EncodeToString(h[:])) {
				t.Fatalf("the sum of %q is not in %q", name, text)
			}
			again.WriteString(`\` + hex.EncodeToString(h[:]) + "  " + escape.Replace(name) + "\n")
		}
		same, err := parseManifest([]byte(again.String()))
		if err != nil || len(same) != len(listed) {
			t.Fatalf("%q was read as %q, which is %v, %v", text, again.String(), same, err)
		}
		for name, h := range listed {
			if same[name] != h {
				t.Fatalf("%q: %x, then %x", name, h, same[name])
			}
		}
	})
}

// The words of a trusted comment are in it, and a version survives being written.
func (room) comment(t *testing.T, comment string) {
	t.Helper()
	boundtest.Within(t, maxMemory, func() {
		if why := printabletest.Fault(shown(comment[:min(len(comment), 150)])); why != "" {
			t.Fatalf("%q is shown as %q: %s", comment, shown(comment), why)
		}
		w, err := wordsOf(comment)
		if err != nil {
			return
		}
		name, version := w.name, w.version
		nameWord := nameWord
		if w.manifest {
			nameWord = manifestWord
		}
		if strings.ContainsAny(name+version, " \t") || !strings.Contains(comment, nameWord+name) && name != "" || !strings.Contains(comment, versionWord+version) && version != "" {
			t.Fatalf("%q: name %q, version %q", comment, name, version)
		}
		if v, err := ParseVersion(version); err == nil {
			if again, err := ParseVersion(v.String()); err != nil || again != v {
				t.Fatalf("%q: %v, then %v, %v", version, v, again, err)
			}
		}
	})
}

func FuzzSignature(f *testing.F) {
	for _, s := range signatures {
		f.Add(signedText, s, strings.TrimSpace(keyText))
	}
	f.Fuzz(newRoom(f).signature)
}

func FuzzAllowList(f *testing.F) { fuzz(f, allowLists, newRoom(f).allowList) }

func FuzzManifest(f *testing.F) { fuzz(f, manifests, newRoom(f).manifest) }

func FuzzStatement(f *testing.F) { fuzz(f, comments, newRoom(f).comment) }

func fuzz(f *testing.F, seeds []string, ask func(t *testing.T, text string)) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(ask)
}

// The short run of the fuzzers: damage of all kinds.
func TestDamagedEvidenceIsReadWithinItsBounds(t *testing.T) {
	const rounds = 400
	in, seed := newRoom(t), rand.Uint64()
	for _, c := range []struct {
		what    string
		seeds   []string
		special string
		ask     func(t *testing.T, text string)
	}{
		{"signature", signatures, "RWDE+/=\r\n \x00\xff", func(t *testing.T, text string) { in.signature(t, signedText, text, strings.TrimSpace(keyText)) }},
		{"allow-list", allowLists, "0af# *\\\r\n\t/p\x00\xff", in.allowList},
		{"manifest", manifests, "0af# *\\\r\n\t/.pnr\x00\xff", in.manifest},
		{"trusted comment", comments, "0.:  \tpluginversion\x00\xff\x1b", in.comment},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 1))
			for i := range rounds {
				c.ask(t, string(boundtest.Damage(r, []byte(c.seeds[i%len(c.seeds)]), c.special)))
			}
		})
	}
}

// SPDX-License-Identifier: MIT

package verify

import (
	"crypto/sha256"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/printabletest"
	"github.com/qtforge/hotreload/core/internal/signtest"
)

var signer = signtest.KeyOf(1)

// stated is what Check passes on of a file that was signed with this trusted comment.
func stated(t *testing.T, p Policy, comment string) (st Statement, shown string, err error) {
	t.Helper()
	path := put(t, "plugin.so", signedText)
	if err := os.WriteFile(path+".minisig", []byte(signer.Sign(signedText, comment)), 0o644); err != nil {
		t.Fatal(err)
	}
	p.Keys = []Key{keyOf(t, signer.Public())}
	p.Stated = func(s Statement) error { st = s; return nil }
	p.Commented = func(c string) { shown = c }
	err = p.Check([]File{{Path: path, Name: "plugin.so", Hash: sha256.Sum256([]byte(signedText)), Signature: path + ".minisig"}}, never)
	return st, shown, err
}

func TestATrustedCommentIsPassedOn(t *testing.T) {
	st, comment, err := stated(t, Policy{}, "timestamp:1700000000\tfile:plugin.so\thashed")
	if err != nil || comment != "timestamp:1700000000 file:plugin.so hashed" || st.Signed != sha256.Sum256([]byte(signedText)) {
		t.Errorf("%q, %+v, %v", comment, st, err)
	}
	for _, in := range printabletest.Hostile {
		if strings.Contains(in, "\n") || strings.HasSuffix(in, "\r") {
			continue // ends the line
		}
		in = in[:min(len(in), maxSignature/2)]
		_, comment, err := stated(t, Policy{Name: "not this one"}, in)
		if r := rejected(err); comment == "" || len(comment) > maxComment || r == "" {
			t.Errorf("%.80q has become %.80q of %d bytes, %v", in, comment, len(comment), err)
		}
		if strings.ContainsFunc(comment, unicode.IsControl) || !utf8.ValidString(comment) {
			t.Errorf("%.80q has become %.80q", in, comment)
		}
	}
}

func TestASignersStatementMustFit(t *testing.T) {
	version := func(text string) Version {
		v, err := ParseVersion(text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	named, versions := Policy{Name: "greeter"}, Policy{Versions: true}
	both := Policy{Name: "greeter", Versions: true, MinVersion: version("1.2")}
	for _, c := range []struct {
		policy        Policy
		comment, want string
	}{
		{Policy{}, "", ""},
		{Policy{}, "plugin: version:none", ""},
		{named, "plugin:greeter", ""},
		{named, "plugin:greeter version:none", ""},
		{named, "version:2\tplugin:greeter", ""},
		{named, "", `not say that it is for plugin "greeter"`},
		{named, "plugin 1", "not say that it is for"},
		{named, "plugin:Greeter", `is for plugin "Greeter"`},
		{named, "plugin:greeter2", "is for plugin"},
		{named, "plugin:greeter plugin:greeter", "there twice"},
		{named, "plugin: greeter", "empty"},
		// A stranger may have named the file that was signed without -t.
		{named, "timestamp:1 file:x plugin:greeter version:9", "does not begin with"},
		{versions, "version:0", ""},
		{versions, "plugin:other version:1.2.3.4.5.6.7.8 released by hand", ""},
		{versions, "plugin:greeter", "does not give a version"},
		{versions, "version:1 version:1", "there twice"},
		{versions, "version:v1", `"v1" is no version`},
		{versions, "version:1.2-rc1", "is no version"},
		{versions, "version:-1", "is no version"},
		{versions, "version:1..2", "is no version"},
		{versions, "version:1.", "is no version"},
		{versions, "version:1.2.3.4.5.6.7.8.9", "is no version"},
		{versions, "version:1234567890123456789", "is no version"},
		{both, "plugin:greeter version:1.2", ""},
		{both, "plugin:greeter version:1.10", ""},
		{both, "plugin:greeter version:2026.01.05", ""},
		{both, "plugin:greeter version:1.1.9", "version 1.1.9 is older than 1.2, the oldest"},
	} {
		_, _, err := stated(t, c.policy, c.comment)
		if (c.want == "") != (err == nil) || c.want != "" && !strings.Contains(rejected(err), c.want) {
			t.Errorf("%q: %v, want %q", c.comment, err, c.want)
		}
	}
	if st, _, err := stated(t, both, "plugin:greeter version:01.20.0"); err != nil || st.Version.String() != "1.20" {
		t.Errorf("%v, %v", st.Version, err)
	}
}

func TestVersionsAreOrderedByTheirNumbers(t *testing.T) {
	ordered := []string{"0", "0.0.1", "0.9", "0.10", "1", "1.0.0.0.0.0.0.1", "1.2.3", "1.2.10", "1.10", "2", "10", "999999999999999999.1"}
	for i, a := range ordered {
		for j, b := range ordered {
			v, err := ParseVersion(a)
			w, err2 := ParseVersion(b)
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			if c := v.Compare(w); (c < 0) != (i < j) || (c == 0) != (i == j) {
				t.Errorf("%s compared with %s is %d", a, b, c)
			}
			if again, err := ParseVersion(v.String()); err != nil || again != v {
				t.Errorf("%s is written as %v: %v, %v", a, v, again, err)
			}
		}
	}
}

func TestTheStatementIsNotBelievedBeforeTheSignatureHolds(t *testing.T) {
	path := put(t, "plugin.so", signedText)
	text := strings.Replace(signer.Sign(signedText, "plugin:greeter version:1"), "version:1", "version:9", 1)
	p := Policy{Keys: []Key{keyOf(t, signer.Public())}, Name: "greeter", Versions: true, Stated: func(s Statement) error {
		t.Errorf("believed: %+v", s)
		return nil
	}}
	if why := rejected(p.Check([]File{{Path: path, Signature: put(t, "sig", text)}}, never)); !strings.Contains(why, "does not hold") {
		t.Errorf("%q", why)
	}
}

func TestWhatIsSaidOfAStatementIsTheRejection(t *testing.T) {
	path := put(t, "plugin.so", signedText)
	sig := put(t, "sig", signer.Sign(signedText, "version:1"))
	p := Policy{Keys: []Key{keyOf(t, signer.Public())}, Versions: true, Image: true, Stated: func(Statement) error { return Reject("too old") }}
	if why := rejected(p.Check([]File{{Path: path, Signature: sig}}, never)); why != "too old" {
		t.Errorf("%q", why)
	}
}

// manifested is a plugin of two files with a manifest.
type manifested struct {
	*testing.T
	files    []File
	contents map[string]string
	policy   Policy
}

func newManifested(t *testing.T) *manifested {
	m := &manifested{T: t, contents: map[string]string{"plugin.so": "v1", "data/words": "w1"}}
	for _, name := range []string{"plugin.so", "data/words"} {
		m.files = append(m.files, File{Path: put(t, "copy", m.contents[name]), Name: name, Listed: name, Hash: sha256.Sum256([]byte(m.contents[name]))})
	}
	m.policy = Policy{Keys: []Key{keyOf(t, signer.Public())}, Manifest: put(t, "manifest", ""), ManifestSignature: put(t, "sig", "")}
	return m
}

// check is what Check says of the files with a manifest of this text.
func (m *manifested) check(manifest string) error {
	m.Helper()
	return m.checkSigned(manifest, "manifest:p version:1")
}

// checkSigned is check with this trusted comment.
func (m *manifested) checkSigned(manifest, comment string) error {
	m.Helper()
	err := errors.Join(os.WriteFile(m.policy.Manifest, []byte(manifest), 0o644),
		os.WriteFile(m.policy.ManifestSignature, []byte(signer.Sign(manifest, comment)), 0o644))
	if err != nil {
		m.Fatal(err)
	}
	return m.policy.Check(m.files, never)
}

func sumLine(content, name string) string {
	sum := sha256.Sum256([]byte(content))
	return hexOf(sum) + "  " + name + "\n"
}

func hexOf(h fsys.Hash) string {
	const digits = "0123456789abcdef"
	var out []byte
	for _, b := range h {
		out = append(out, digits[b>>4], digits[b&15])
	}
	return string(out)
}

func TestAManifestCoversThePluginAndItsCompanions(t *testing.T) {
	m := newManifested(t)
	own, words := sumLine("v1", "plugin.so"), sumLine("w1", "data/words")
	for _, c := range []struct{ what, manifest, want string }{
		{"both", own + words, ""},
		{"another order, a comment, CR LF", "# release 1\r\n\r\n" + strings.ReplaceAll(words, "\n", "\r\n") + own, ""},
		{"binary, ./", strings.Replace(own, "  ", " *./", 1) + strings.Replace(words, "data/", "./data//", 1), ""},
		{"no last newline", own + strings.TrimSpace(words), ""},
		{"upper case", strings.ToUpper(own[:64]) + own[64:] + words, ""},
		{"an escaped name that needs no escape", `\` + own + words, ""},
		{"empty", "", "lists no file"},
		{"the companion is missing", own, `does not list "data/words"`},
		{"the plugin is missing", words, `does not list "plugin.so"`},
		{"a further file", own + words + sumLine("x", "more"), `lists "more", which is not among`},
		{"a companion of another version", own + sumLine("w2", "data/words"), `"data/words" (SHA-256`},
		{"exchanged", sumLine("w1", "plugin.so") + sumLine("v1", "data/words"), `"plugin.so" (SHA-256`},
		{"the base name only", own + sumLine("w1", "words"), `does not list "data/words"`},
		{"a name twice", own + own + words, "a second time"},
		{"a name twice, written differently", own + words + sumLine("w2", "./data/words"), "a second time"},
		{"an absolute name", own + sumLine("w1", "/data/words"), "names are relative"},
		{"no name", own + words[:64] + "\n", "line 2 has no name"},
		{"a tab", own + words[:64] + "\tdata/words\n", "has no name"},
		{"no sum", own + "data/words\n", "does not begin with a SHA-256"},
		{"leading space", " " + own + words, "does not begin with a SHA-256"},
		{"a NUL", own + words + "\x00", "does not begin with a SHA-256"},
		{"an unknown escape", own + `\` + sumLine("w1", `data\qwords`), "escape"},
		{"an escape at the end", own + `\` + strings.TrimSpace(words) + `\`, "escape"},
	} {
		err := m.check(c.manifest)
		if (c.want == "") != (err == nil) || c.want != "" && !strings.Contains(rejected(err), c.want) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
	// Names as sha256sum escapes them.
	m.files[1].Listed = "a\\b\nc\rd"
	if err := m.check(own + `\` + sumLine("w1", `a\\b\nc\rd`)); err != nil {
		t.Errorf("an escaped name: %v", err)
	}
}

func TestAManifestIsAuthenticated(t *testing.T) {
	m := newManifested(t)
	good := sumLine("v1", "plugin.so") + sumLine("w1", "data/words")
	rewrite := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	says := func(what, want string) {
		t.Helper()
		if why := rejected(m.policy.Check(m.files, never)); !strings.Contains(why, want) || want == "" {
			t.Errorf("%s: %q, want %q", what, why, want)
		}
	}
	var st Statement
	comment := ""
	m.policy.Stated = func(s Statement) error { st = s; return nil }
	m.policy.Commented = func(c string) { comment = c }
	if err := m.check(good); err != nil || comment != "manifest:p version:1" || st.Signed != sha256.Sum256([]byte(good)) {
		t.Fatalf("%+v, %v", st, err)
	}
	rewrite(m.policy.Manifest, good+"# more\n")
	says("changed after it was signed", "does not hold")
	rewrite(m.policy.Manifest, good)
	rewrite(m.policy.ManifestSignature, signtest.KeyOf(2).Sign(good, ""))
	says("signed by another key", "not among the given ones")
	rewrite(m.policy.ManifestSignature, strings.Replace(signer.Sign(good, ""), "RUQB", "RVQB", 1))
	says("another algorithm", "unknown algorithm")
	if err := os.Remove(m.policy.ManifestSignature); err != nil {
		t.Fatal(err)
	}
	says("no signature", "there is no signature")
	rewrite(m.policy.ManifestSignature, "")
	if err := os.Remove(m.policy.Manifest); err != nil {
		t.Fatal(err)
	}
	says("no manifest", "there is no manifest")
	rewrite(m.policy.Manifest, strings.Repeat("#", maxManifest+1))
	says("large", "larger than 1048576 bytes")
	m.policy.Manifest = "/dev/zero"
	says("a device", "no regular file")
	secret := "root:$6$salt$0123456789abcdef:19000:0:99999:7:::\n"
	m.policy.Manifest = put(t, "secret", secret)
	rewrite(m.policy.ManifestSignature, signer.Sign("other", ""))
	err := m.policy.Check(m.files, never)
	says("a link to a secret", "does not hold")
	quotesNothing(t, err, secret)
	if err := m.policy.Check(m.files, always); !errors.Is(err, fsys.ErrStopped) {
		t.Errorf("stopped: %v", err)
	}
}

// Each was signed, by the same key.
func TestAManifestIsNoPluginAndAPluginNoManifest(t *testing.T) {
	for _, comment := range []string{"manifest:greeter version:9", "version:9\tmanifest:greeter", "plugin:greeter manifest:greeter", "manifest: x"} {
		for _, p := range []Policy{{}, {Name: "greeter"}, {Versions: true}} {
			if _, _, err := stated(t, p, comment); !strings.Contains(rejected(err), "is of a manifest") {
				t.Errorf("a plugin signed with %q: %v", comment, err)
			}
		}
	}
	m := newManifested(t)
	good := sumLine("v1", "plugin.so") + sumLine("w1", "data/words")
	for _, c := range []struct{ comment, want string }{
		{"", "is not of a manifest"},
		{"timestamp:1 file:manifest manifest:greeter", "is not of a manifest"},
		{"plugin:greeter version:9", "is not of a manifest"},
		{"manifest greeter", "is not of a manifest"},
		{"manifest:painter version:9", `is for plugin "painter"`},
		{"manifest:greeter plugin:greeter version:9", "there twice"},
		{"version:9 manifest:greeter", ""},
	} {
		m.policy.Name = "greeter"
		if err := m.checkSigned(good, c.comment); (err == nil) != (c.want == "") || !strings.Contains(rejected(err), c.want) {
			t.Errorf("a manifest signed with %q: %v, want %q", c.comment, err, c.want)
		}
	}
	// A companion that is signed on its own is no manifest either.
	p := Policy{Keys: m.policy.Keys}
	sig := put(t, "sig", signer.Sign("v1", ""))
	words := put(t, "sig", signer.Sign("w1", "manifest:greeter"))
	m.files[0].Signature, m.files[1].Signature = sig, words
	if why := rejected(p.Check(m.files, never)); !strings.Contains(why, "is of a manifest") {
		t.Errorf("%q", why)
	}
}

func TestALegacySignatureOfAManifestHolds(t *testing.T) {
	m := newManifested(t)
	m.policy.Keys = []Key{keyOf(t, keyText)}
	for path, text := range map[string]string{m.policy.Manifest: signedText, m.policy.ManifestSignature: legacy} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if why := rejected(m.policy.Check(m.files, never)); !strings.Contains(why, "is not of a manifest") {
		t.Errorf("%q", why) // so the signature held
	}
}

func TestAnAllowListMayCountItsNames(t *testing.T) {
	f := File{Path: put(t, "p", "v1"), Name: "plugins/plugin.so", Hash: sha256.Sum256([]byte("v1"))}
	for _, c := range []struct{ what, list, want string }{
		{"the name", sumLine("v1", "plugin.so"), ""},
		{"in another directory", sumLine("v1", "/build/out/plugin.so"), ""},
		{"binary", strings.Replace(sumLine("v1", "plugin.so"), "  ", " *", 1), ""},
		{"CR LF", strings.Replace(sumLine("v1", "plugin.so"), "\n", "\r\n", 1), ""},
		{"for another one first", sumLine("v1", "other.so") + sumLine("v1", "plugin.so"), ""},
		{"for another one only", sumLine("v1", "other.so"), "not for a file of this name"},
		{"its name with another sum", sumLine("v2", "plugin.so") + sumLine("v1", "other.so"), "not for a file of this name"},
		{"no name", sumLine("v1", "")[:64] + "\n", "not for a file of this name"},
		{"a name that ends as it does", sumLine("v1", "my-plugin.so"), "not for a file of this name"},
		{"not at all", sumLine("v2", "plugin.so"), "is not in the allow-list"},
	} {
		p := Policy{AllowList: put(t, "SHA256SUMS", c.list)}
		if err := p.Check([]File{f}, never); (err == nil) != (c.what != "not at all") {
			t.Errorf("%s, without names: %v", c.what, err)
		}
		p.ListNames = true
		err := p.Check([]File{f}, never)
		if (c.want == "") != (err == nil) || c.want != "" && !strings.Contains(rejected(err), c.want) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
	// Two files of one content: each needs a line of its own.
	other := f
	other.Name = "other.so"
	p := Policy{AllowList: put(t, "SHA256SUMS", sumLine("v1", "plugin.so")), ListNames: true}
	if why := rejected(p.Check([]File{f, other}, never)); !strings.Contains(why, "SHA-256 of other.so") {
		t.Errorf("%q", why)
	}
}

// SPDX-License-Identifier: MIT

package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/crypto/blake2b"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/printable"
)

// maxManifest is how large a manifest may be: some thousand files.
const maxManifest = 1 << 20

// checkManifest rejects files that are not those of the manifest: it is signed by one
// of the keys, and lists each file with its sum, and no other one.
func (p *Policy) checkManifest(files []File, stopped func() bool) (comment string, signed fsys.Hash, err error) {
	text, err := p.readManifest(stopped)
	if err != nil {
		return "", signed, err
	}
	comment, err = p.verifySignature(p.ManifestSignature, func(algorithm [2]byte) ([]byte, error) {
		switch algorithm {
		case ofHash:
			sum := blake2b.Sum512(text)
			return sum[:], nil
		case ofFile:
			return text, nil
		}
		return nil, unknownAlgorithm(p.ManifestSignature)
	}, stopped)
	if err != nil {
		return "", signed, err
	}
	if !isForManifest(comment) {
		return "", signed, Reject("the signature %q is not of a manifest: its trusted comment does not begin with %q and the plugin's name (sign with minisign -t)", p.ManifestSignature, manifestWord)
	}
	listed, err := parseManifest(text)
	if err != nil {
		return "", signed, Reject("the manifest %q: %v", p.Manifest, err)
	}
	for _, f := range files {
		sum, is := listed[f.Listed]
		switch {
		case !is:
			return "", signed, Reject("the manifest %q does not list %q, which belongs to the plugin", p.Manifest, f.Listed)
		case sum != f.Hash:
			return "", signed, Reject("%q (SHA-256 %x) is not the file that the manifest %q lists", f.Listed, f.Hash, p.Manifest)
		}
		delete(listed, f.Listed)
	}
	for name := range listed {
		return "", signed, Reject("the manifest %q lists %q, which is not among the plugin's files", p.Manifest, name)
	}
	return comment, sha256.Sum256(text), nil
}

// readManifest reads the manifest at once: what is verified is what is parsed.
func (p *Policy) readManifest(stopped func() bool) ([]byte, error) {
	f, err := p.openEvidence("manifest", p.Manifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Reject("there is no manifest %q", p.Manifest)
	}
	if err != nil {
		return nil, unreadable("manifest", err)
	}
	defer f.Close()
	text, err := readAll(f, maxManifest, stopped)
	if err != nil {
		return nil, unreadable("manifest", err)
	}
	return text, nil
}

// parseManifest reads what sha256sum writes: a sum and a name a line. Every line must
// be understood, because it was signed.
func parseManifest(text []byte) (map[string]fsys.Hash, error) {
	listed := map[string]fsys.Hash{}
	for n, line := 1, []byte(nil); len(text) > 0; n++ {
		line, text, _ = bytes.Cut(text, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(bytes.TrimSpace(line)) == 0 || line[0] == '#' {
			continue
		}
		sum, name, err := parseSum(line)
		if err != nil {
			return nil, printable.Errorf("line %d %v; write it with sha256sum", n, err)
		}
		clean := path.Clean(name)
		if path.IsAbs(name) || clean == "." {
			return nil, printable.Errorf("line %d names %q; names are relative to the plugin's directory", n, name)
		}
		if _, twice := listed[clean]; twice {
			return nil, printable.Errorf("line %d names %q a second time", n, name)
		}
		listed[clean] = sum
	}
	if len(listed) == 0 {
		return nil, errors.New("it lists no file")
	}
	return listed, nil
}

// The marks with which sha256sum begins the name of a file that it read as text or as
// binary.
const nameMarks = " *"

// parseSum reads a line of sha256sum's: 64 hexadecimal digits, a space, a mark, the
// name. A backslash before the line says that backslashes, newlines and carriage
// returns in the name are escaped.
func parseSum(line []byte) (sum fsys.Hash, name string, err error) {
	rest, escaped := bytes.CutPrefix(line, []byte(`\`))
	digits := hex.EncodedLen(len(sum))
	if len(rest) < digits {
		return sum, "", errSumDigits
	}
	if _, err := hex.Decode(sum[:], rest[:digits]); err != nil {
		return sum, "", errSumDigits
	}
	rest = rest[digits:]
	if len(rest) < 3 || rest[0] != ' ' || !strings.Contains(nameMarks, string(rest[1])) {
		return sum, "", errors.New("has no name after the sum")
	}
	name = string(rest[2:])
	if !escaped {
		return sum, name, nil
	}
	if name, err = unescape(name); err != nil {
		return sum, "", err
	}
	return sum, name, nil
}

var errSumDigits = errors.New("does not begin with a SHA-256 in hexadecimal (64 digits)")

// unescape is the reverse of what sha256sum does to names with a backslash, a newline
// or a carriage return.
func unescape(name string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '\\' {
			i++
			if i == len(name) {
				return "", errEscape
			}
			switch name[i] {
			case '\\':
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			default:
				return "", errEscape
			}
		}
		out.WriteByte(c)
	}
	return out.String(), nil
}

var errEscape = errors.New(`has an escape in its name that is neither \\, \n nor \r`)

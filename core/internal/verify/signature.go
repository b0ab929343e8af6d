// SPDX-License-Identifier: MIT

package verify

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/jedisct1/go-minisign"
	"golang.org/x/crypto/blake2b"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/printable"
)

// Key is a public key of minisign.
type Key = minisign.PublicKey

// The two algorithms of minisign's signatures.
var (
	ofFile = [2]byte{'E', 'd'} // legacy: the content is signed
	ofHash = [2]byte{'E', 'D'} // its BLAKE2b-512 hash is signed
)

// ParseKey takes a public key as minisign prints it: the line, or the file with
// its comment.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = strings.TrimSpace(text[i+1:])
	}
	key, err := minisign.NewPublicKey(text)
	if err != nil || key.SignatureAlgorithm != ofFile {
		return key, printable.Errorf("%s is no minisign public key: 56 characters in base64 that begin with RW", printable.Quoted(text, 80))
	}
	return key, nil
}

// checkSignature rejects a file without a valid signature of one of the keys, and
// returns the trusted comment of the signature.
func (p *Policy) checkSignature(file File, stopped func() bool) (comment string, err error) {
	comment, err = p.verifySignature(file.Signature, func(algorithm [2]byte) ([]byte, error) {
		return signedMessage(file, algorithm, stopped)
	}, stopped)
	if err == nil && isForManifest(comment) {
		return "", Reject("the signature %q is of a manifest: its trusted comment begins with %q", file.Signature, manifestWord)
	}
	return comment, err
}

// verifySignature rejects what has no valid signature at path of one of the keys.
// message returns what a signature of an algorithm signs.
func (p *Policy) verifySignature(path string, message func(algorithm [2]byte) ([]byte, error), stopped func() bool) (comment string, err error) {
	sig, err := p.readSignature(path, stopped)
	if err != nil {
		return "", err
	}
	var keys []Key
	for _, k := range p.Keys {
		if k.KeyId == sig.KeyId {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return "", Reject("the signature %q does not hold: its key is not among the given ones (%s)", path, numbers(p.Keys))
	}
	signed, err := message(sig.SignatureAlgorithm)
	if err != nil {
		return "", err
	}
	if sig.SignatureAlgorithm == ofFile && len(signed) == blake2b.Size {
		// Which algorithm it is, is not signed: these may be the hash of another file.
		return "", Reject("the signature %q is of minisign's legacy format, which is not accepted for a file of %d bytes; sign the file with minisign 0.10 or newer", path, blake2b.Size)
	}
	sig.SignatureAlgorithm = ofFile // signed is hashed already; the library would hash it in memory
	for _, k := range keys {
		var ok bool
		if ok, err = k.Verify(signed, sig); ok && err == nil {
			return strings.TrimPrefix(sig.TrustedComment, trustedPrefix), nil
		}
	}
	return "", Reject("the signature %q does not hold: %v", path, err)
}

// trustedPrefix is what the line of a trusted comment begins with, not signed itself.
const trustedPrefix = "trusted comment: "

// readSignature reads and parses the signature at path.
func (p *Policy) readSignature(path string, stopped func() bool) (sig minisign.Signature, err error) {
	f, err := p.openEvidence("signature", path)
	if errors.Is(err, fs.ErrNotExist) {
		return sig, Reject("there is no signature %q", path)
	}
	if err != nil {
		return sig, unreadable("signature", err)
	}
	defer f.Close()
	text, err := readAll(f, maxSignature, stopped)
	if err != nil {
		return sig, unreadable("signature", err)
	}
	if sig, err = minisign.DecodeSignature(string(text)); err != nil { // whose errors quote nothing
		return sig, Reject("the signature %q is malformed: %v", path, err)
	}
	return sig, nil
}

// signedMessage is what a signature of that algorithm signs.
func signedMessage(file File, algorithm [2]byte, stopped func() bool) (message []byte, err error) {
	f, in, err := fsys.OpenRegular(file.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	switch algorithm {
	case ofHash:
		h, err := blake2b.New512(nil)
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(h, &stoppable{f, stopped}); err != nil {
			return nil, err
		}
		return h.Sum(nil), nil
	case ofFile: // Ed25519 wants the whole message, twice
		if in.Fingerprint.Size > maxLegacy {
			return nil, Reject("the signature %q is of minisign's legacy format, which is accepted for files of at most %d bytes; sign the file with minisign 0.10 or newer", file.Signature, maxLegacy)
		}
		return readAll(f, maxLegacy, stopped)
	}
	return nil, unknownAlgorithm(file.Signature)
}

func unknownAlgorithm(path string) error {
	return Reject("the signature %q is of an unknown algorithm; sign with minisign", path)
}

// numbers are the first keys' numbers as minisign shows them.
func numbers(keys []Key) string {
	const most = 4
	var out []string
	for _, k := range keys[:min(len(keys), most)] {
		id := slices.Clone(k.KeyId[:])
		slices.Reverse(id)
		out = append(out, fmt.Sprintf("%X", id))
	}
	if len(keys) > most {
		out = append(out, "…")
	}
	return strings.Join(out, ", ")
}

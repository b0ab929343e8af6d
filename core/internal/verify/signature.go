package verify

import (
	"errors"
	"io"
	"io/fs"
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

// checkSignature rejects a file without a valid signature of one of the keys.
func checkSignature(path, signature string, keys []Key, stopped func() bool) error {
	text, err := readEvidence(signature, maxSignature)
	if errors.Is(err, fs.ErrNotExist) {
		return Reject("there is no signature %q", signature)
	}
	if err != nil {
		return Reject("the signature cannot be read: %v", err)
	}
	sig, err := minisign.DecodeSignature(string(text))
	if err != nil {
		return Reject("the signature %q is malformed: %v", signature, err)
	}
	why := printable.Errorf("it is of the key %x, which is not among the given ones", reversed(sig.KeyId))
	var message []byte
	for _, key := range keys {
		if key.KeyId != sig.KeyId {
			continue
		}
		if message == nil {
			if message, err = signedMessage(path, sig.SignatureAlgorithm, stopped); err != nil {
				return err
			}
			// The library would hash the whole file in memory; message is hashed already.
			sig.SignatureAlgorithm = ofFile
		}
		ok, err := key.Verify(message, sig)
		if ok && err == nil {
			return nil
		}
		why = err
	}
	return Reject("the signature %q does not hold: %v", signature, why)
}

// signedMessage is what a signature of that algorithm signs of the file at path.
func signedMessage(path string, algorithm [2]byte, stopped func() bool) (message []byte, err error) {
	f, _, err := fsys.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &stoppable{f, stopped}
	switch algorithm {
	case ofHash:
		h, err := blake2b.New512(nil)
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(h, r); err != nil {
			return nil, err
		}
		return h.Sum(nil), nil
	case ofFile:
		return io.ReadAll(r)
	}
	return nil, Reject("the signature is of an unknown algorithm; sign the file with minisign")
}

// stoppable reads until it is stopped.
type stoppable struct {
	io.Reader
	stopped func() bool
}

func (s *stoppable) Read(b []byte) (int, error) {
	if s.stopped() {
		return 0, fsys.ErrStopped
	}
	return s.Reader.Read(b)
}

// reversed is a key's number as minisign shows it.
func reversed(id [8]byte) []byte {
	out := make([]byte, len(id))
	for i := range id {
		out[len(id)-1-i] = id[i]
	}
	return out
}

package core

import (
	"encoding/hex"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/qtforge/hotreload/core/internal/image"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// What is read of a file that others may have made. What is larger is rejected.
const (
	maxAllowList = 16 << 20 // the sums of 200,000 files
	maxSignature = 64 << 10 // minisign's have less than 10 kB
)

// The built-in validations. Each reads the snapshot and returns nil or why it
// is refused.

// rejection is why a version is refused, as opposed to a failure to find out.
type rejection struct {
	why     string
	passing bool // the version may be accepted later without having changed
}

func (r *rejection) Error() string { return r.why }

func reject(format string, args ...any) error {
	return &rejection{why: message(format, args...)}
}

func rejectForNow(format string, args ...any) error {
	return &rejection{why: message(format, args...), passing: true}
}

// validate runs the built-in validations in the documented order.
func (s *safeState) validate(snap *snapshot, image bool) error {
	if image || s.o.image {
		if err := checkImage(snap.paths[0]); err != nil {
			return reject("%v", err)
		}
	}
	for i, path := range snap.paths {
		magic := startsAsImage(path)
		if magic && noexec(snap.root) {
			return reject("the snapshot directory is on a file system mounted noexec, so that nothing can be loaded from it; choose another snapshot directory")
		}
		if i > 0 && magic && (image || s.o.image) {
			if err := checkImage(path); err != nil {
				return reject("%s: %v", s.files[i].rel, err)
			}
		}
	}
	if len(s.o.symbols) > 0 {
		if err := checkSymbols(snap.paths[0], s.o.symbols); err != nil {
			return err
		}
	}
	if s.allowList != "" {
		if err := checkAllowList(s.allowList, snap, s.files); err != nil {
			return err
		}
	}
	for i, path := range snap.paths {
		if len(s.keys) == 0 {
			break
		}
		if err := checkSignature(path, s.signatures[i], s.keys); err != nil {
			return err
		}
	}
	return nil
}

// startsAsImage reports whether a file begins as ELF, PE and Mach-O files do.
func startsAsImage(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	n, _ := f.ReadAt(magic[:], 0)
	return image.Begins(magic[:n])
}

// checkSymbols refuses an image that does not export every one of names.
func checkSymbols(path string, names []string) error {
	missing, err := missingSymbols(path, names)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return reject("it does not export %s", strings.Join(missing, ", "))
	}
	return nil
}

// checkAllowList refuses files whose SHA-256 is not listed.
func checkAllowList(list string, snap *snapshot, files []member) error {
	allowed, err := readAllowList(list)
	if err != nil {
		return reject("the allow-list: %v", err)
	}
	for i, path := range snap.paths {
		h := snap.hash
		if i > 0 {
			if _, h, err = fsys.HashFile(path, func() bool { return false }); err != nil {
				return err
			}
		}
		if !allowed[string(h[:])] {
			return reject("%s (SHA-256 %x) is not in the allow-list %q", files[i].rel, h, list)
		}
	}
	return nil
}

// readAllowList reads what sha256sum writes: the sums, in binary.
func readAllowList(path string) (map[string]bool, error) {
	text, err := readEvidence(path, maxAllowList)
	if err != nil {
		return nil, err
	}
	allowed := map[string]bool{}
	for n, rest := 1, string(text); rest != ""; n++ {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		sum := strings.TrimSpace(line)
		if i := strings.IndexAny(sum, " \t"); i >= 0 {
			sum = sum[:i]
		}
		if sum == "" || sum[0] == '#' {
			continue
		}
		// sha256sum puts a backslash before a hash whose file has an unusual name.
		raw, err := hex.DecodeString(strings.TrimPrefix(sum, `\`))
		if err != nil || len(raw) != len(fsys.Hash{}) {
			return nil, errorf("%q, line %d does not begin with a SHA-256 in hexadecimal (64 digits); write it with sha256sum", path, n)
		}
		allowed[string(raw)] = true
	}
	return allowed, nil
}

// openEvidence opens a file that others may have made: it waits for nothing, and
// what is no file is not read.
func openEvidence(path string) (*os.File, error) {
	f, _, err := fsys.OpenRegular(path)
	if errors.Is(err, fsys.ErrNotRegular) {
		err = errorf("%q is no regular file", path)
	}
	return f, err
}

// readEvidence reads a file that has no more than so many bytes.
func readEvidence(path string, most int) ([]byte, error) {
	f, err := openEvidence(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, most)
}

func readAll(f *os.File, most int) ([]byte, error) {
	text := make([]byte, 0, 4096)
	for {
		n, err := f.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		switch {
		case err == io.EOF:
			return text, nil
		case err != nil:
			return nil, err
		case len(text) > most:
			return nil, errorf("%q is larger than %d bytes", f.Name(), most)
		}
		text = slices.Grow(text, 1)
	}
}

// parseKey takes a public key as minisign prints it: the line, or the file with
// its comment.
func parseKey(text string) (key minisignKey, err error) {
	text = strings.TrimSpace(text)
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = strings.TrimSpace(text[i+1:])
	}
	if key, err = parseMinisignKey(text); err != nil {
		err = fail(ErrInvalidArgument, "%s is no minisign public key: 56 characters in base64 that begin with RW", abbreviate(text))
	}
	return key, err
}

// checkSignature refuses a file without a valid signature of one of the keys.
func checkSignature(path, signature string, keys []minisignKey) error {
	text, err := readEvidence(signature, maxSignature)
	if errors.Is(err, os.ErrNotExist) {
		return reject("there is no signature %q", signature)
	}
	if err != nil {
		return reject("the signature cannot be read: %v", err)
	}
	sig, err := parseMinisignature(string(text))
	if err != nil {
		return reject("the signature %q is malformed: %v", signature, err)
	}
	why := errorf("it is of the key %x, which is not among the given ones", reversed(sig.id))
	var message []byte
	for _, key := range keys {
		if key.id != sig.id {
			continue
		}
		if message == nil {
			if message, err = sig.message(path); err != nil {
				return err
			}
		}
		if why = key.verify(message, sig); why == nil {
			return nil
		}
	}
	return reject("the signature %q does not hold: %v", signature, why)
}

// reversed is a key's number as minisign shows it.
func reversed(id [8]byte) []byte {
	out := make([]byte, len(id))
	for i := range id {
		out[len(id)-1-i] = id[i]
	}
	return out
}

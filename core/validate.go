package core

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
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
	return &rejection{why: fmt.Sprintf(format, args...)}
}

func rejectForNow(format string, args ...any) error {
	return &rejection{why: fmt.Sprintf(format, args...), passing: true}
}

// validate runs the built-in validations in the documented order.
func (s *safeState) validate(snap *snapshot, image bool) error {
	if image || s.o.Image {
		if err := checkImage(snap.paths[0]); err != nil {
			return reject("%v", err)
		}
	}
	for i, path := range snap.paths {
		magic := startsAsImage(path)
		if magic && noexec(snap.root) {
			return reject("the snapshot directory is on a file system mounted noexec, so that nothing can be loaded from it; choose another snapshot directory")
		}
		if i > 0 && magic && (image || s.o.Image) {
			if err := checkImage(path); err != nil {
				return reject("%s: %v", s.files[i].rel, err)
			}
		}
	}
	if len(s.o.Symbols) > 0 {
		if err := checkSymbols(snap.paths[0], s.o.Symbols); err != nil {
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
	_, err = io.ReadFull(f, magic[:])
	return err == nil && formatOf(magic[:]) != nil
}

// checkSymbols refuses an image that does not export every one of names.
func checkSymbols(path string, names []string) error {
	exported := map[string]bool{}
	for _, n := range names {
		exported[n] = false
	}
	err := withImage(path, func(f *image) error {
		if err := f.exports(exported); err != nil {
			return reject("its exported symbols cannot be read: %v", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var missing []string
	for _, n := range names {
		if !exported[n] {
			missing = append(missing, n)
		}
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
			if _, h, err = hashFile(path, func() bool { return false }); err != nil {
				return err
			}
		}
		if !allowed[h] {
			return reject("%s (SHA-256 %x) is not in the allow-list %q", files[i].rel, h, list)
		}
	}
	return nil
}

// readAllowList reads what sha256sum writes.
func readAllowList(path string) (map[hash]bool, error) {
	f, err := openEvidence(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	allowed := map[hash]bool{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		var h hash
		// sha256sum puts a backslash before a hash whose file has an unusual name.
		raw, err := hex.DecodeString(strings.TrimPrefix(fields[0], `\`))
		if err != nil || len(raw) != len(h) {
			return nil, fmt.Errorf("%q, line %d: %s is no SHA-256 in hexadecimal", path, n, abbreviate(fields[0]))
		}
		copy(h[:], raw)
		allowed[h] = true
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%q: %w", path, err)
	}
	return allowed, nil
}

// openEvidence opens a file that others may have made: it waits for nothing, and
// what is no file is not read.
func openEvidence(path string) (*os.File, error) {
	f, err := openSource(path)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		_ = f.Close()
		return nil, fmt.Errorf("%q is no regular file", path)
	}
	return f, nil
}

// readSignature reads no more than a signature with its comments can be.
func readSignature(path string) (text []byte, err error) {
	const most = 64 << 10
	f, err := openEvidence(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if text, err = io.ReadAll(io.LimitReader(f, most+1)); err == nil && len(text) > most {
		err = fmt.Errorf("%q is larger than %d bytes", path, most)
	}
	return text, err
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
	text, err := readSignature(signature)
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
	why := fmt.Errorf("it is of the key %x, which is not among the given ones", reversed(sig.id))
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

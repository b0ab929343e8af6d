// SPDX-License-Identifier: MIT

package verify

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/crypto/blake2b"
)

// A second reader of minisign's format, against which the first one is tested.

type minisignKey struct {
	id  [8]byte
	key [ed25519.PublicKeySize]byte
}

type minisignature struct {
	algorithm string // "Ed": of the file; "ED": of its BLAKE2b hash
	id        [8]byte
	signature []byte
	comment   string // the trusted one
	global    []byte // of the signature and the trusted comment
}

func parseMinisignKey(line string) (k minisignKey, err error) {
	b, err := base64.StdEncoding.DecodeString(line)
	if err != nil || len(b) != 42 || string(b[:2]) != "Ed" {
		return k, errors.New("not the 42 bytes of an Ed25519 key")
	}
	copy(k.id[:], b[2:])
	copy(k.key[:], b[10:])
	return k, nil
}

func parseMinisignature(text string) (s minisignature, err error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 {
		return s, errors.New("it has fewer than four lines")
	}
	b, err := base64.StdEncoding.DecodeString(lines[1])
	if err != nil || len(b) != 10+ed25519.SignatureSize {
		return s, errors.New("its second line is no signature")
	}
	if s.global, err = base64.StdEncoding.DecodeString(lines[3]); err != nil || len(s.global) != ed25519.SignatureSize {
		return s, errors.New("its fourth line is no signature")
	}
	s.algorithm, s.signature = string(b[:2]), b[10:]
	copy(s.id[:], b[2:])
	s.comment = strings.TrimRight(lines[2], "\r")
	return s, nil
}

// message is what s signs, of the file at path.
func (s minisignature) message(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	switch s.algorithm {
	case "Ed":
		return io.ReadAll(f)
	case "ED":
		h, err := blake2b.New512(nil)
		if err == nil {
			_, err = io.Copy(h, f)
		}
		if err != nil {
			return nil, err
		}
		return h.Sum(nil), nil
	}
	return nil, nil
}

// verify says why s is not a signature of message by k.
func (k minisignKey) verify(message []byte, s minisignature) error {
	comment, trusted := strings.CutPrefix(s.comment, "trusted comment: ")
	switch {
	case s.algorithm != "Ed" && s.algorithm != "ED":
		return errors.New("it is of an unknown algorithm")
	case !trusted:
		return errors.New("it has no trusted comment")
	case !ed25519.Verify(k.key[:], message, s.signature):
		return errors.New("the file is not what was signed")
	case !ed25519.Verify(k.key[:], append(s.signature[:len(s.signature):len(s.signature)], comment...), s.global):
		return errors.New("the trusted comment is not what was signed")
	}
	return nil
}

// referenceAccepts is what the second reader says of a file and its signature.
func referenceAccepts(path, key, text string) bool {
	k, err := parseMinisignKey(key)
	if err != nil {
		return false
	}
	s, err := parseMinisignature(text)
	if err != nil || k.id != s.id {
		return false
	}
	message, err := s.message(path)
	return err == nil && k.verify(message, s) == nil
}

// SPDX-License-Identifier: MIT

// Package signtest signs as minisign does. It is for tests only: its keys are no secret.
package signtest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"os"
	"testing"

	"golang.org/x/crypto/blake2b"
)

// Key is a pair of keys.
type Key struct {
	id     [8]byte
	secret ed25519.PrivateKey
}

// KeyOf returns the key of a number, always the same one.
func KeyOf(number uint64) Key {
	var k Key
	binary.LittleEndian.PutUint64(k.id[:], number)
	seed := sha256.Sum256(k.id[:])
	k.secret = ed25519.NewKeyFromSeed(seed[:])
	return k
}

// Public is the public key as minisign prints it.
func (k Key) Public() string {
	return base64.StdEncoding.EncodeToString(append([]byte("Ed"+string(k.id[:])), k.secret.Public().(ed25519.PublicKey)...))
}

// Sign returns the signature of a file's content with a trusted comment.
func (k Key) Sign(content, comment string) string {
	hash := blake2b.Sum512([]byte(content))
	signature := ed25519.Sign(k.secret, hash[:])
	global := ed25519.Sign(k.secret, append(signature[:len(signature):len(signature)], comment...))
	line := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) + "\n" }
	return "untrusted comment: signature from minisign secret key\n" +
		line(append([]byte("ED"+string(k.id[:])), signature...)) +
		"trusted comment: " + comment + "\n" + line(global)
}

// Put writes a file and, beside it, its signature with a trusted comment. The signature
// comes first, as docs/safe-reload.md advises. Each is replaced in one step.
func (k Key) Put(t testing.TB, path, content, comment string) {
	t.Helper()
	for _, f := range []struct{ path, content string }{{path + ".minisig", k.Sign(content, comment)}, {path, content}} {
		if err := os.WriteFile(f.path+".tmp", []byte(f.content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(f.path+".tmp", f.path); err != nil {
			t.Fatal(err)
		}
	}
}

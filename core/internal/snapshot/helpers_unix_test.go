// SPDX-License-Identifier: MIT

//go:build unix

package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func never() bool { return false }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// source makes a file with this content.
func source(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plugin.so")
	must(t, os.WriteFile(path, []byte(content), 0o644))
	return path
}

// take takes a snapshot of a file with this content.
func take(t *testing.T, s *Store, content string) *Snapshot {
	t.Helper()
	snap, err := s.Take([]Member{{source(t, content), "plugin.so"}}, Limits{}, never)
	must(t, err)
	if got, err := os.ReadFile(snap.Files[0].Path); err != nil || string(got) != content {
		t.Fatalf("the snapshot holds %q, %v, want %q", got, err, content)
	}
	return snap
}

func noFile(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

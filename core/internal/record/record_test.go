// SPDX-License-Identifier: MIT

package record

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

var ids = []string{"p", "a/b", "..", ".", "Ünïcode id", "%2f", "a:b*?", strings.Repeat("x", 255), strings.Repeat("/", 255), strings.Repeat("/", 254) + "x"}

func TestWhatWasWrittenIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	for i, id := range ids {
		if e, ok, err := Read(dir, id); ok || err != nil {
			t.Errorf("%q, never written: %v, %v, %v", id, e, ok, err)
		}
		for _, want := range []Entry{{"1", fsys.Hash{1}}, {"1.2.3", fsys.Hash{byte(i), 255}}} {
			if err := Write(dir, id, want); err != nil {
				t.Fatal(err)
			}
			if e, ok, err := Read(dir, id); e != want || !ok || err != nil {
				t.Errorf("%q: %v, %v, %v", id, e, ok, err)
			}
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(ids) {
		t.Errorf("%d files for %d plugins, %v", len(entries), len(ids), err)
	}
	for _, e := range entries {
		if st, err := e.Info(); err != nil || !st.Mode().IsRegular() || os.PathSeparator == '/' && st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), st.Mode(), err)
		}
	}
}

// A file that is cut anywhere, or has a byte more or another one, is never taken for
// another version.
func TestADamagedFileIsAnError(t *testing.T) {
	dir := t.TempDir()
	entry := Entry{"12.34", fsys.Hash{7}}
	if err := Write(dir, "p", entry); err != nil {
		t.Fatal(err)
	}
	path := Path(dir, "p")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := []string{string(text) + "\n", string(text) + "x", strings.ToUpper(string(text)), strings.ReplaceAll(string(text), "\n", "\r\n"), strings.Repeat("x", 3*maxFile)}
	for i := range text {
		damaged = append(damaged, string(text[:i]))
	}
	for _, d := range damaged {
		if err := os.WriteFile(path, []byte(d), 0o600); err != nil {
			t.Fatal(err)
		}
		if e, ok, err := Read(dir, "p"); ok || err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Fatalf("%q is read as %v, %v, %v", d, e, ok, err)
		}
	}
}

func TestAFileOfAnotherPluginIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, "other", Entry{"9", fsys.Hash{}}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(Path(dir, "other"), Path(dir, "p")); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := Read(dir, "p"); ok || err == nil || !strings.Contains(err.Error(), `of another plugin than "p"`) {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestWhatIsNoFileIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(Path(dir, "p"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := Read(dir, "p"); ok || err == nil {
		t.Errorf("a directory: %v, %v", ok, err)
	}
	if err := Write(dir, "p", Entry{"1", fsys.Hash{}}); err == nil {
		t.Error("a directory was replaced")
	}
	missing := filepath.Join(dir, "missing")
	if err := Write(missing, "p", Entry{"1", fsys.Hash{}}); err == nil {
		t.Error("written to a directory that is not there")
	}
	if err := Try(missing); err == nil {
		t.Error("a directory that is not there can be written to")
	}
	if err := Try(dir); err != nil {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".new-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

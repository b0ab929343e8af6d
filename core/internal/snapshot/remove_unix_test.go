// SPDX-License-Identifier: MIT

//go:build unix

package snapshot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// leftover makes what a killed process leaves: a marked store with one snapshot.
func leftover(t *testing.T, base, name string) string {
	t.Helper()
	store := filepath.Join(base, name)
	root := filepath.Join(store, deep, "7")
	err := errors.Join(
		os.MkdirAll(filepath.Join(root, "lib"), 0o700),
		os.WriteFile(filepath.Join(store, markName), []byte(markText), 0o400),
		os.WriteFile(filepath.Join(root, "plugin.so"), []byte("v1"), 0o500),
		os.WriteFile(filepath.Join(root, "lib", "being copied"), []byte("v"), 0o600),
		os.Chmod(filepath.Join(root, "lib"), 0o500),
		os.Chmod(root, 0o500),
	)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// sweptBy sweeps base.
func sweptBy(t *testing.T, base string) {
	t.Helper()
	decoy := leftover(t, base, "99999-ffffffff") // the last in the order in which they are looked at
	s, err := Open(base)
	must(t, err)
	s.Sweep(func(string) {})
	if !noFile(decoy) {
		t.Fatal("what a dead process left is there still")
	}
	s.Close()
}

func privateBase(t *testing.T) string {
	t.Helper()
	base := filepath.Join(realTempDir(t), "snapshots")
	if err := os.Mkdir(base, 0o700); err != nil {
		t.Fatal(err)
	}
	return base
}

// A name says nothing: a date range is digits and hexadecimal digits, too.
func TestOnlyMarkedDirectoriesAreRemoved(t *testing.T) {
	base := privateBase(t)
	precious := map[string]string{ // a directory, and a file in it
		"20251128-20251127": "photo.jpg",
		"12345-0123abcd":    "1/plugin.so", // as versions before the mark left them
		"22222-0123abcd":    markName,      // a mark of another content
		"33333-0123abcd":    "1/" + markName,
	}
	for dir, file := range precious {
		path := filepath.Join(base, dir, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("precious"), 0o500)); err != nil {
			t.Fatal(err)
		}
	}
	// A mark that is a link to a true one, a FIFO, a directory.
	truth := filepath.Join(base, "truth")
	if err := os.WriteFile(truth, []byte(markText), 0o400); err != nil {
		t.Fatal(err)
	}
	for dir, plant := range map[string]func(mark string) error{
		"44444-0123abcd": func(mark string) error { return os.Symlink(truth, mark) },
		"55555-0123abcd": func(mark string) error { return unix.Mkfifo(mark, 0o600) },
		"66666-0123abcd": func(mark string) error { return os.Mkdir(mark, 0o700) },
		"77777-0123abcd": func(mark string) error { return os.WriteFile(mark, []byte(markText+"x"), 0o400) },
		"98888-0123abcd": func(mark string) error {
			return os.WriteFile(mark, []byte(strings.ToUpper(markText)), 0o400)
		},
		"88888-0123abcd": func(mark string) error { return os.WriteFile(mark, []byte(markText[:20]), 0o400) },
	} {
		if err := errors.Join(os.Mkdir(filepath.Join(base, dir), 0o700), plant(filepath.Join(base, dir, markName))); err != nil {
			t.Fatal(err)
		}
		precious[dir] = markName
	}
	sweptBy(t, base)
	for dir, file := range precious {
		if _, err := os.Lstat(filepath.Join(base, dir, file)); err != nil {
			t.Errorf("%s/%s is gone: %v", dir, file, err)
		}
	}
}

// Another user's directory is not this user's to remove, whatever it is marked with.
func TestAForgedMarkOfAnotherUserRemovesNothing(t *testing.T) {
	needRoot(t)
	base := privateBase(t)
	all := leftover(t, base, "11111-0123abcd")  // all of it is another's
	mark := leftover(t, base, "22222-0123abcd") // the mark is
	file := leftover(t, base, "33333-0123abcd") // a snapshot's file is
	give := func(paths ...string) {
		for _, p := range paths {
			if err := os.Lchown(p, somebodyElse, somebodyElse); err != nil {
				t.Fatal(err)
			}
		}
	}
	give(all, filepath.Join(all, markName), filepath.Join(all, deep, "7"), filepath.Join(all, deep, "7", "plugin.so"))
	give(filepath.Join(mark, markName))
	give(filepath.Join(file, deep, "7", "plugin.so"))
	sweptBy(t, base)
	for _, store := range []string{all, mark, file} {
		if noFile(filepath.Join(store, deep, "7", "plugin.so")) {
			t.Errorf("the snapshot in %s is gone", store)
		}
	}
	if !noFile(filepath.Join(file, deep, "7", "lib")) {
		t.Error("what is the user's own stays because of another's file")
	}
}

// What somebody has put into a store stays, and so do the directories around it.
func TestRemovalTakesOnlyWhatASnapshotConsistsOf(t *testing.T) {
	base := privateBase(t)
	outside := filepath.Join(realTempDir(t), "outside")
	if err := errors.Join(os.Mkdir(outside, 0o700), os.WriteFile(filepath.Join(outside, "file"), []byte("precious"), 0o500)); err != nil {
		t.Fatal(err)
	}
	stays := []string{}
	for i, plant := range []func(store string) (string, error){
		func(s string) (string, error) { return "notes.txt", os.WriteFile(s+"/notes.txt", nil, 0o600) },
		func(s string) (string, error) {
			return "own/file", errors.Join(os.Mkdir(s+"/own", 0o700), os.WriteFile(s+"/own/file", nil, 0o500))
		},
		func(s string) (string, error) { return "d/own", os.WriteFile(s+"/d/own", nil, 0o600) },
		func(s string) (string, error) { return deep + "/own", os.WriteFile(s+"/"+deep+"/own", nil, 0o600) },
		func(s string) (string, error) {
			return deep + "/7/mine", os.WriteFile(s+"/"+deep+"/7/mine", nil, 0o644)
		},
		func(s string) (string, error) {
			return deep + "/7/own/file", errors.Join(os.Mkdir(s+"/"+deep+"/7/own", 0o755), os.WriteFile(s+"/"+deep+"/7/own/file", nil, 0o500))
		},
		func(s string) (string, error) { return deep + "/7/link", os.Symlink(outside, s+"/"+deep+"/7/link") },
		func(s string) (string, error) { return deep + "/8", os.Symlink(outside, s+"/"+deep+"/8") },
		func(s string) (string, error) { return deep + "/7/fifo", unix.Mkfifo(s+"/"+deep+"/7/fifo", 0o600) },
	} {
		store := leftover(t, base, []string{"11111", "22222", "33333", "44444", "55555", "66666", "77777", "88888", "98888"}[i]+"-0123abcd")
		if err := os.Chmod(filepath.Join(store, deep, "7"), 0o700); err != nil {
			t.Fatal(err)
		}
		rel, err := plant(store)
		if err != nil {
			t.Fatal(err)
		}
		stays = append(stays, filepath.Join(store, rel))
	}
	sweptBy(t, base)
	for _, path := range stays {
		if noFile(path) {
			t.Errorf("%s is gone", path)
		}
		store := filepath.Join(base, strings.SplitN(strings.TrimPrefix(path, base+"/"), "/", 2)[0])
		if root := filepath.Join(store, deep, "7"); !noFile(filepath.Join(root, "plugin.so")) || !noFile(filepath.Join(root, "lib")) {
			t.Errorf("%s: the snapshot beside it is there still", path)
		}
		if noFile(filepath.Join(store, markName)) {
			t.Errorf("%s has lost its mark, so that the rest will never be removed", store)
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(filepath.Dir(path)) // a directory of somebody's own
	}
	if noFile(filepath.Join(outside, "file")) {
		t.Error("a link was followed")
	}
	sweptBy(t, base)
	for _, path := range stays {
		if store := filepath.Join(base, strings.SplitN(strings.TrimPrefix(path, base+"/"), "/", 2)[0]); !noFile(store) {
			t.Errorf("%s is there although nothing foreign is in it any more", store)
		}
	}
}

// A store is removed in the same way when it is closed.
func TestCloseLeavesForeignFilesInTheStore(t *testing.T) {
	s, err := Open(privateBase(t))
	must(t, err)
	own, _ := strings.CutSuffix(filepath.Dir(take(t, s, "v1").Root), deep)
	if text, err := os.ReadFile(filepath.Join(own, markName)); err != nil || string(text) != markText {
		t.Fatalf("the mark says %q, %v", text, err)
	}
	note := filepath.Join(own, "note")
	must(t, os.WriteFile(note, []byte("precious"), 0o600))
	s.Close()
	if noFile(note) || !noFile(filepath.Join(own, "d")) {
		t.Fatalf("after Close: the note is gone (%v), or the snapshot is not", noFile(note))
	}
}

// What else is in the base directory is nobody's to remove.
func TestForeignFilesInTheBaseDirectoryStay(t *testing.T) {
	base := privateBase(t)
	names := []string{"notes", "2024-01", "12345-nothexa!", "-0123abcd", "12345", "12345-0123abcd.bak", "x12-0123abcd"}
	for _, name := range names {
		must(t, os.MkdirAll(filepath.Join(base, name, "1"), 0o700))
	}
	left := leftover(t, base, "12345-0123abcd") // of a dead process
	must(t, os.Symlink(filepath.Join(base, "notes"), filepath.Join(base, "54321-0123abcd")))
	s, err := Open(base)
	must(t, err)
	take(t, s, "v1")
	s.Sweep(func(string) {})
	s.Close()
	if !noFile(left) {
		t.Error("what a dead process left is there still")
	}
	for _, name := range names {
		if noFile(filepath.Join(base, name, "1")) {
			t.Errorf("%s was removed", name)
		}
	}
}

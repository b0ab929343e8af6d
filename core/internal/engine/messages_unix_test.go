// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qtforge/hotreload/core/internal/deliver"
)

// Whatever an event or error is about, and wherever its text comes from.
func TestNoMessageShowsHostileTextAsItIs(t *testing.T) {
	for _, text := range hostile {
		for kind := FileChanged; kind <= Rollback; kind++ {
			for code := HealthCode(0); code <= HealthDescriptors; code++ {
				h := &Engine{}
				h.gate.Event = &deliver.Slot[func(Event)]{}
				h.enqueueEvent(Event{Kind: kind, Health: code, ID: text, Path: text, Message: text})
				ev := h.gate.TakeEvent()
				if why := notPrintable(ev.Message); why != "" {
					t.Fatalf("kind %d, health %d: %q: %s", kind, code, ev.Message, why)
				}
				if ev.ID != text || ev.Path != text {
					t.Fatal("a value was changed")
				}
			}
		}
	}
}

// The same on a real disk: names of files, of lists, of symbols, of sections, and
// what a validator says.
func TestHostileNamesOnTheDisk(t *testing.T) {
	name := "\x1b[31m\nforged\r\u202e\xff" + strings.Repeat("n", 150)
	h := quietSafe(t, Options{})
	h.file = filepath.Join(h.dir, name)
	rejected := func(want string, s Safe) {
		t.Helper()
		h.enable(s)
		ev := h.next(Rejected)
		if why := notPrintable(ev.Message); why != "" || !strings.Contains(ev.Message, want) {
			t.Errorf("%q: %s (want %s)", ev.Message, why, want)
		}
		if ev.Path != h.file {
			t.Errorf("the path %q was changed", ev.Path)
		}
		_, err := h.m.Disable("p")
		h.must(err)
	}
	h.put(h.file, "v1")
	rejected(`\nforged`, Safe{Files: []string{"further " + name}})
	rejected(`\nforged`, Safe{AllowList: new(h.file + ".list")})
	h.put(h.file+".list", name)
	rejected("line 1 does not begin", Safe{AllowList: new(h.file + ".list")})
	rejected(`\nforged`, Safe{PublicKeys: []string{keyText}})
	h.put(h.file+signatureSuffix, name)
	rejected("malformed", Safe{PublicKeys: []string{keyText}})
	rejected("too short for an image", Safe{Image: new(true)})
	h.must(os.Chmod(h.file, 0o666))
	rejected("writable by others", Safe{StrictModes: new(true)})
	h.must(h.m.SetValidator(func(Candidate) error { return errors.New(strings.Repeat(name, 100)) }, nil))
	rejected("forged", Safe{})
	h.must(h.m.SetValidator(nil, nil))
	built := filepath.Join(h.dir, "built.so")
	h.compile(built, "int answer(void) { return 1; }")
	library := h.read(built)
	image := []byte(library)
	if at := strings.Index(string(image), ".gnu.hash\x00"); at >= 0 {
		copy(image[at:], "\x1b]0;\n\xff")
		h.put(h.file, string(image[:len(image)-1]))
		rejected("", Safe{Image: new(true)})
	}
	h.put(h.file, library)
	rejected(`\nforged`, Safe{Symbols: []string{name}})

	for what, err := range map[string]error{
		"enabled twice":   errors.Join(h.m.Enable("p", h.file, EnableOptions{}), h.m.Enable("p", h.file, EnableOptions{})),
		"missing":         h.m.Enable("q", h.file+"/missing", EnableOptions{}),
		"a directory":     h.m.Enable("q", h.dir, EnableOptions{}),
		"a bad id":        h.m.Enable(name, h.file, EnableOptions{}),
		"a long path":     h.m.Enable("q", "/"+strings.Repeat("\x1b", 5000), EnableOptions{}),
		"no generation":   h.m.ReportReload("p", 7, ReloadOK, ""),
		"an unknown id":   h.m.ReportReload(name, 7, ReloadOK, ""),
		"a key":           h.m.Enable("q", h.file, EnableOptions{Safe: &Safe{PublicKeys: []string{name}}}),
		"a signature":     h.m.Enable("q", h.file, EnableOptions{Safe: &Safe{Signature: &name}}),
		"a file's name":   h.m.Enable("q", h.file, EnableOptions{Safe: &Safe{Files: []string{"."}}}),
		"a snapshot path": func() error { _, err := enableWith(t, name); return err }(),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		} else if why := notPrintable(err.Error()); why != "" {
			t.Errorf("%s: %q: %s", what, err, why)
		}
	}
}

// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func TestAVersionLargerThanItsLimitIsRejectedUnread(t *testing.T) {
	h := quietSafe(t, Options{})
	h.put(h.file, "")
	h.must(os.Truncate(h.file, DefaultMaxSize+1))
	more := filepath.Join(h.dir, "data")
	h.put(more, "123")
	h.enable(Safe{Files: []string{"data"}})
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "1073741825 bytes") || !strings.Contains(ev.Message, "max_size") {
		t.Errorf("rejected with %q", ev.Message)
	}
	if n := h.stats().Snapshots; n != 0 {
		t.Errorf("%d snapshots", n)
	}
	h.replace(h.file, "v1")
	h.change("v1")
	_, err := h.m.Disable("p")
	h.must(err)
	h.enable(Safe{Files: []string{"data"}, MaxSize: 4}) // of both files together
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "5 bytes") || !strings.Contains(ev.Message, `"data"`) {
		t.Errorf("rejected with %q", ev.Message)
	}
	h.replace(more, "12")
	h.change("v1")
}

// A stranger's file does not reach the parsers.
func TestAnUnsignedImageIsRejectedForItsSignatureFirst(t *testing.T) {
	h := quietSafe(t, Options{CheckImage: true})
	h.put(h.file, "\x7fELF, but no more")
	h.enable(Safe{PublicKeys: []string{keyText}, Image: new(true), Symbols: []string{"plugin_init"}})
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "there is no signature") {
		t.Errorf("rejected with %q", ev.Message)
	}
}

// Between the first look at the modes and the opening of the file somebody may have
// put another file there.
func TestStrictModesAreAskedOfTheFileThatIsCopied(t *testing.T) {
	var asked atomic.Int32
	h := quietSafe(t, Options{strict: func(string) string {
		if asked.Add(1) == 2 {
			return "it is everybody's"
		}
		return ""
	}})
	h.put(h.file, "v1")
	h.enable(Safe{StrictModes: new(true)})
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "it is everybody's") {
		t.Errorf("rejected with %q", ev.Message)
	}
	h.change("v1") // a rejection for the modes is repeated by itself
}

// What is missing is watched all the same, so that the system does not say that no
// file can have such a name.
func TestAFileOfAPluginWithANameThatNoFileSystemHasIsAnError(t *testing.T) {
	h := quietSafe(t, Options{})
	h.put(h.file, "v1")
	for _, name := range []string{strings.Repeat("n", 1025), strings.Repeat("n", 1<<15), "sub/" + strings.Repeat("n", 1<<16) + "/a.so", "a\x00b"} {
		for what, s := range map[string]Safe{
			"a companion file": {Files: []string{name}},
			"an allow-list":    {AllowList: &name},
			"a signature":      {PublicKeys: []string{keyText}, Signature: &name},
		} {
			err := h.m.Enable("p", h.file, EnableOptions{Safe: &s})
			if !errors.Is(err, ErrInvalidPath) || len(err.Error()) > 1000 {
				t.Errorf("%s with a name of %d bytes: %.300v", what, len(name), err)
			}
		}
	}
	h.must(h.m.Enable("p", h.file, EnableOptions{Safe: &Safe{Files: []string{strings.Repeat("n", 255)}}}))
}

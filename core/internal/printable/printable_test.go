// SPDX-License-Identifier: MIT

package printable_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"unicode"

	"github.com/qtforge/hotreload/core/internal/printable"
	"github.com/qtforge/hotreload/core/internal/printabletest"
)

func TestPrintableTextIsOneShortSafeLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"plain ünïcode 漢字":      "plain ünïcode 漢字",
		`back\slash "q"`:        `back\slash "q"`,
		"a\nb\tc\x1b[1m":        `a\nb\tc\x1b[1m`,
		"x\u202ey\u200d":        `x\u202ey\u200d`,
		"\xff\u00e9\x80":        `\xffé\x80`,
		"\ufffd":                "\ufffd",
		"a\u3164b\ufe0fc\u2800": `a\u3164b\ufe0fc\u2800`,
		"\U000e0101":            `\U000e0101`,
	} {
		if got := printable.Text(in, printable.MaxMessage); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	if got := printable.Text("0123456789abcdefghij", 12); got != "012345…hij" {
		t.Errorf("shortened: %q", got)
	}
	if got := printable.Quoted("\"\\\n", 20); got != `"\"\\\n"` {
		t.Errorf("quoted: %s", got)
	}
	if got := printable.Quoted(strings.Repeat("x", 1000), 80); len(got) > 80 || !strings.HasPrefix(got, `"xxx`) || !strings.HasSuffix(got, `xxx"`) || !strings.Contains(got, "x…x") {
		t.Errorf("quoted and shortened: %s", got)
	}
}

func FuzzPrintable(f *testing.F) {
	for _, s := range printabletest.Hostile {
		f.Add(s[:min(len(s), 4000)], 100)
	}
	f.Fuzz(func(t *testing.T, in string, most int) {
		most = 20 + (most&0x7fffffff)%(printable.MaxMessage-20)
		for _, out := range []string{printable.Text(in, most), printable.Quoted(in, most)} {
			if why := printabletest.Fault(out); why != "" || len(out) > most {
				t.Fatalf("%q becomes %q (%d bytes of at most %d): %s", in, out, len(out), most, why)
			}
			if again := printable.Text(out, most); again != out {
				t.Fatalf("%q becomes another text when it is made printable again: %q", out, again)
			}
		}
		if printabletest.Fault(in) == "" && len(in) <= most && printable.Text(in, most) != in && !strings.ContainsFunc(in, func(c rune) bool { return !unicode.IsGraphic(c) || c == '\u2800' }) {
			t.Fatalf("%q, which is printable, becomes %q", in, printable.Text(in, most))
		}
		for _, text := range []string{
			printable.Sprintf("%q and %s and %v: what to do", in, in, errors.New(in)), printable.Errorf("%s: %w", in, errors.New(in)).Error(),
		} {
			if why := printabletest.Fault(text); why != "" {
				t.Fatalf("%q: %s", text, why)
			}
		}
	})
}

// Hostile text of any length: the fuzz test begins with shorter ones.
func TestEveryErrorIsPrintable(t *testing.T) {
	for _, in := range printabletest.Hostile {
		err := printable.Errorf("%s: %w", in, errors.New(in))
		if why := printabletest.Fault(err.Error()); why != "" {
			t.Errorf("%T %q: %s", err, err, why)
		}
	}
}

// The end of a message says what to do: it stays, however long the names in it are.
func TestLongNamesLeaveTheEndOfAMessage(t *testing.T) {
	long := strings.Repeat("d", 4000)
	text := printable.Sprintf("%q, %q and %q cannot be read; do this", long, long, long)
	if !strings.HasSuffix(text, "cannot be read; do this") {
		t.Errorf("%s", text)
	}
	wrapped := printable.Errorf("%s: %w", long, fs.ErrNotExist)
	if !errors.Is(wrapped, fs.ErrNotExist) {
		t.Error("a wrapped error is lost")
	}
}

// SPDX-License-Identifier: MIT

package printable

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// notPrintable says what in a message must not be shown; "" if nothing.
func notText(text string) string {
	if len(text) > MaxMessage {
		return fmt.Sprintf("it has %d bytes", len(text))
	}
	if !utf8.ValidString(text) {
		return "it is not UTF-8"
	}
	for _, c := range text {
		if unicode.IsControl(c) || unicode.In(c, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return fmt.Sprintf("it contains %U", c)
		}
	}
	return ""
}

// hostile is text as somebody may put it into a file or its name.
var hostile = []string{
	"\x1b[2J\x1b]0;owned\x07",
	"a\nforged: line\r\tb",
	"user\u202egpj.exe\u2066\u200b\u2028",
	"\xff\xfe\x80 not UTF-8 \xe2\x80",
	"nul\x00nul\x7f\u0085",
	strings.Repeat("long \x1b", 100_000),
	strings.Repeat("ü", 100_000),
	"private use \ue000 and noncharacters \ufffe",
	"fillers \u3164\u115f\u1160\uffa0\u2800, joiner \u034f, selectors \ufe0f\U000e0101\u180b, vowels \u17b4",
}

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
		if got := Text(in, MaxMessage); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	if got := Text("0123456789abcdefghij", 12); got != "012345…hij" {
		t.Errorf("shortened: %q", got)
	}
	if got := Quoted("\"\\\n", 20); got != `"\"\\\n"` {
		t.Errorf("quoted: %s", got)
	}
	if got := Quoted(strings.Repeat("x", 1000), 80); len(got) > 80 || !strings.HasPrefix(got, `"xxx`) || !strings.HasSuffix(got, `xxx"`) || !strings.Contains(got, "x…x") {
		t.Errorf("quoted and shortened: %s", got)
	}
}

func FuzzPrintable(f *testing.F) {
	for _, s := range hostile {
		f.Add(s[:min(len(s), 4000)], 100)
	}
	f.Fuzz(func(t *testing.T, in string, most int) {
		most = 20 + (most&0x7fffffff)%(MaxMessage-20)
		for _, out := range []string{Text(in, most), Quoted(in, most)} {
			if why := notText(out); why != "" || len(out) > most {
				t.Fatalf("%q becomes %q (%d bytes of at most %d): %s", in, out, len(out), most, why)
			}
			if again := Text(out, most); again != out {
				t.Fatalf("%q becomes another text when it is made printable again: %q", out, again)
			}
		}
		if notText(in) == "" && len(in) <= most && Text(in, most) != in && !strings.ContainsFunc(in, func(c rune) bool { return !unicode.IsGraphic(c) || c == '\u2800' }) {
			t.Fatalf("%q, which is printable, becomes %q", in, Text(in, most))
		}
		for _, text := range []string{
			Sprintf("%q and %s and %v: what to do", in, in, errors.New(in)), Errorf("%s: %w", in, errors.New(in)).Error(),
		} {
			if why := notText(text); why != "" {
				t.Fatalf("%q: %s", text, why)
			}
		}
	})
}

// The end of a message says what to do: it stays, however long the names in it are.
func TestLongNamesLeaveTheEndOfAMessage(t *testing.T) {
	long := strings.Repeat("d", 4000)
	text := Sprintf("%q, %q and %q cannot be read; do this", long, long, long)
	if !strings.HasSuffix(text, "cannot be read; do this") {
		t.Errorf("%s", text)
	}
	wrapped := Errorf("%s: %w", long, fs.ErrNotExist)
	if !errors.Is(wrapped, fs.ErrNotExist) {
		t.Error("a wrapped error is lost")
	}
}

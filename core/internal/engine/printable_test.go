// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/qtforge/hotreload/core/internal/verify"

	"github.com/qtforge/hotreload/core/internal/printable"
)

// notPrintable says what in a message must not be shown; "" if nothing.
func notPrintable(text string) string {
	if len(text) > maxMessage {
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

// Whatever is in the text that an error is made of.
func TestEveryErrorIsPrintable(t *testing.T) {
	for _, in := range hostile {
		for _, err := range []error{
			fail(ErrIO, "%q and %s and %v: what to do", in, in, errors.New(in)),
			&Error{Kind: ErrIO, Msg: in, Err: &fs.PathError{Op: "open", Path: in, Err: fs.ErrNotExist}},
			pathError(in, in, &fs.PathError{Op: "open", Path: in, Err: fs.ErrPermission}),
			verify.Reject("%s: %v", in, errors.New(in)), printable.Errorf("%s: %w", in, errors.New(in)),
		} {
			if why := notPrintable(err.Error()); why != "" {
				t.Errorf("%T %q: %s", err, err, why)
			}
		}
	}
}

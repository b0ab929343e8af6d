// SPDX-License-Identifier: MIT

// Package printabletest has hostile text for tests of messages, and says whether a
// message shows it. Only tests import it.
package printabletest

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/qtforge/hotreload/core/internal/printable"
)

// Hostile is text as somebody may put it into a file or its name.
var Hostile = []string{
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

// Fault says what in a message must not be shown; "" if nothing.
func Fault(message string) string {
	if len(message) > printable.MaxMessage {
		return fmt.Sprintf("it has %d bytes", len(message))
	}
	if !utf8.ValidString(message) {
		return "it is not UTF-8"
	}
	for _, c := range message {
		if unicode.IsControl(c) || unicode.In(c, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return fmt.Sprintf("it contains %U", c)
		}
	}
	return ""
}

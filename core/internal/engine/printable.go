// SPDX-License-Identifier: MIT

package engine

import "github.com/qtforge/hotreload/core/internal/printable"

const (
	maxMessage = printable.MaxMessage
	maxForeign = printable.MaxForeign
)

// Printable returns text as one line that is safe to show: control characters,
// characters that are invisible or change the direction of writing, and bytes
// that are not UTF-8 appear as Go's escapes (\n, \x1b, \u202e, \u3164). If that is longer
// than most bytes, its middle is replaced by "…". It may be applied again, with
// the same result. It reads no more of a long text than it returns.
func Printable(text string, most int) string { return printable.Text(text, most) }

// quoted is Printable in double quotes; most counts the quotes.
func quoted(text string, most int) string { return printable.Quoted(text, most) }

// message is fmt.Sprintf for what people read.
func message(format string, args ...any) string { return printable.Sprintf(format, args...) }

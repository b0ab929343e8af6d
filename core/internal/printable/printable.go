// SPDX-License-Identifier: MIT

package printable

import (
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxMessage is the length in bytes of the longest message.
	MaxMessage = 1000
	// MaxForeign is the length in bytes of the longest piece of foreign text in a message.
	MaxForeign = 300

	elision = "…"
)

// Text returns text as one line that is safe to show: control characters,
// characters that are invisible or change the direction of writing, and bytes
// that are not UTF-8 appear as Go's escapes (\n, \x1b, \u202e, \u3164). If that is longer
// than most bytes, its middle is replaced by "…". It may be applied again, with
// the same result. It reads no more of a long text than it returns.
func Text(text string, most int) string { return shorten(text, most, appendPrintable) }

// Quoted is Text in double quotes, in which quotes and backslashes are
// escaped, too; most counts the quotes.
func Quoted(text string, most int) string {
	return `"` + shorten(text, most-2, appendQuoted) + `"`
}

// shorten escapes each character of text with add, and elides the middle if the
// result is longer than most bytes.
func shorten(text string, most int, add func(to []byte, char string) []byte) string {
	var out []byte
	for rest := text; ; {
		if rest == "" {
			return string(out)
		}
		n := runeLen(utf8.DecodeRuneInString(rest))
		out = add(out, rest[:n])
		rest = rest[n:]
		if len(out) > most {
			break
		}
	}
	head := (most - len(elision)) * 2 / 3
	tail := most - len(elision) - head
	if head <= 0 {
		return ""
	}
	out = out[:0]
	for {
		n := runeLen(utf8.DecodeRuneInString(text))
		longer := add(out, text[:n])
		if len(longer) > head {
			break
		}
		out, text = longer, text[n:]
	}
	from := len(text) // of the tail
	for length := 0; ; {
		n := runeLen(utf8.DecodeLastRuneInString(text[:from]))
		length += len(add(nil, text[from-n:from]))
		if length > tail {
			break
		}
		from -= n
	}
	out = append(out, elision...)
	for rest := text[from:]; rest != ""; {
		n := runeLen(utf8.DecodeRuneInString(rest))
		out = add(out, rest[:n])
		rest = rest[n:]
	}
	return string(out)
}

func runeLen(_ rune, n int) int { return n }

// appendPrintable escapes what strconv takes for no graphic character: controls,
// format characters (among them those of bidirectional text), line separators. It
// takes characters for graphic that leave no trace, too.
func appendPrintable(to []byte, char string) []byte {
	r, n := utf8.DecodeRuneInString(char)
	switch {
	case r == utf8.RuneError && n <= 1 || !strconv.IsGraphic(r):
		q := strconv.Quote(char)
		return append(to, q[1:len(q)-1]...)
	case invisible(r):
		q := strconv.QuoteToASCII(char)
		return append(to, q[1:len(q)-1]...)
	}
	return append(to, char...)
}

func appendQuoted(to []byte, char string) []byte {
	if char == `"` || char == `\` {
		return append(append(to, '\\'), char...)
	}
	return appendPrintable(to, char)
}

// invisible reports whether a letter, mark or symbol shows nothing: fillers,
// joiners, variation selectors, the blank among the Braille patterns.
func invisible(r rune) bool {
	const brailleBlank = 0x2800
	return r == brailleBlank || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// foreign is text for %q, %s and %v that is made printable and short.
type foreign string

func (f foreign) Format(s fmt.State, verb rune) {
	text := ""
	switch verb {
	case 'q':
		text = Quoted(string(f), MaxForeign)
	case 's', 'v':
		text = Text(string(f), MaxForeign)
	default:
		text = fmt.Sprintf(fmt.FormatString(s, verb), string(f))
	}
	_, _ = s.Write([]byte(text))
}

// foreignError is an error whose text is made so; it stays visible to errors.Is.
type foreignError struct{ error }

func (f foreignError) Error() string { return Text(f.error.Error(), MaxForeign) }
func (f foreignError) Unwrap() error { return f.error }

// texts makes every text among the arguments of a message printable and short.
func texts(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case string:
			out[i] = foreign(a)
		case error:
			out[i] = foreignError{a}
		default:
			out[i] = a
		}
	}
	return out
}

// Errorf is fmt.Errorf for what people read.
func Errorf(format string, args ...any) error { return fmt.Errorf(format, texts(args)...) }

// Sprintf is fmt.Sprintf for what people read.
func Sprintf(format string, args ...any) string {
	return Text(fmt.Sprintf(format, texts(args)...), MaxMessage)
}

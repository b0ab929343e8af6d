// SPDX-License-Identifier: MIT

package openmetrics

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Type is the type of a family.
type Type string

// The types.
const (
	Gauge     Type = "gauge"
	Counter   Type = "counter"
	Histogram Type = "histogram"
	Info      Type = "info"
)

// Family describes metrics of one name.
type Family struct {
	Name string // without the suffixes of its samples
	Type Type
	Unit string // "" if it has none; otherwise Name ends with it
	Help string
}

// Label is a label of a sample. The value may be any text.
type Label struct{ Name, Value string }

// Text is an exposition that is being written. The zero value is an empty one.
type Text struct {
	buf    []byte
	family Family
}

// Begin begins a family. Its samples follow.
func (t *Text) Begin(f Family) {
	t.family = f
	t.meta("TYPE", string(f.Type))
	if f.Unit != "" {
		t.meta("UNIT", f.Unit)
	}
	t.buf = append(t.buf, "# HELP "...)
	t.buf = append(t.buf, f.Name...)
	t.buf = append(t.buf, ' ')
	t.escape(f.Help)
	t.buf = append(t.buf, '\n')
}

func (t *Text) meta(what, value string) {
	t.buf = append(t.buf, "# "...)
	t.buf = append(t.buf, what...)
	t.buf = append(t.buf, ' ')
	t.buf = append(t.buf, t.family.Name...)
	t.buf = append(t.buf, ' ')
	t.buf = append(t.buf, value...)
	t.buf = append(t.buf, '\n')
}

// suffixes are those of the samples of a family that has one sample for each set of labels.
var suffixes = map[Type]string{Counter: "_total", Info: "_info"}

// Sample writes a sample of a gauge, a counter or an info.
func (t *Text) Sample(value float64, labels ...Label) {
	t.sample(suffixes[t.family.Type], labels, value)
}

// Buckets writes the samples of a histogram: counts of what is at most each bound, and one
// more of what is above all of them. The counts are not cumulative.
func (t *Text) Buckets(bounds []float64, counts []uint64, sum float64, labels ...Label) {
	all := append(labels[:len(labels):len(labels)], Label{Name: "le"})
	bound, total := &all[len(labels)], uint64(0)
	for i, n := range counts {
		total += n
		bound.Value = "+Inf"
		if i < len(bounds) {
			bound.Value = canonical(bounds[i])
		}
		t.sample("_bucket", all, float64(total))
	}
	t.sample("_count", labels, float64(total))
	t.sample("_sum", labels, sum)
}

func (t *Text) sample(suffix string, labels []Label, value float64) {
	t.buf = append(t.buf, t.family.Name...)
	t.buf = append(t.buf, suffix...)
	for i, l := range labels {
		if i == 0 {
			t.buf = append(t.buf, '{')
		} else {
			t.buf = append(t.buf, ',')
		}
		t.buf = append(t.buf, l.Name...)
		t.buf = append(t.buf, `="`...)
		t.escape(l.Value)
		t.buf = append(t.buf, '"')
	}
	if len(labels) > 0 {
		t.buf = append(t.buf, '}')
	}
	t.buf = append(t.buf, ' ')
	t.buf = strconv.AppendFloat(t.buf, value, 'f', -1, 64)
	t.buf = append(t.buf, '\n')
}

// canonical is a bound as the specification has it: "1.0", "0.25".
func canonical(bound float64) string {
	text := strconv.FormatFloat(bound, 'f', -1, 64)
	if bound == math.Trunc(bound) {
		text += ".0"
	}
	return text
}

// escape writes text for a label or a help line. What is not UTF-8 appears as "\xff": the
// format has no other place for it.
func (t *Text) escape(text string) {
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			const digits = "0123456789abcdef"
			t.buf = append(t.buf, `\\x`...)
			t.buf = append(t.buf, digits[text[0]>>4], digits[text[0]&15])
		case r == '\n':
			t.buf = append(t.buf, `\n`...)
		case r == '"' || r == '\\':
			t.buf = append(t.buf, '\\', byte(r))
		default:
			t.buf = append(t.buf, text[:n]...)
		}
		text = text[n:]
	}
}

// End ends the exposition and returns it.
func (t *Text) End() string { return string(append(t.buf, "# EOF\n"...)) }

// Fault says what is wrong with a family's description; "" if nothing is.
func (f *Family) Fault() string {
	switch {
	case !isName(f.Name):
		return "its name has other characters than a-z, 0-9 and _, or begins with a digit"
	case f.Help == "":
		return "it has no help"
	case f.Unit != "" && !strings.HasSuffix(f.Name, "_"+f.Unit):
		return "its name does not end with its unit"
	case f.Unit == "" && (strings.HasSuffix(f.Name, "_seconds") || strings.HasSuffix(f.Name, "_bytes")):
		return "its name ends with a unit that it does not have"
	case f.Unit != "" && f.Type == Info:
		return "an info has no unit"
	}
	for _, suffix := range []string{"_total", "_created", "_bucket", "_sum", "_count", "_info"} {
		if strings.HasSuffix(f.Name, suffix) {
			return "its name ends with " + suffix + ", which a sample's name has"
		}
	}
	return ""
}

func isName(s string) bool {
	for i, c := range []byte(s) {
		if !(c == '_' || 'a' <= c && c <= 'z' || i > 0 && '0' <= c && c <= '9') {
			return false
		}
	}
	return s != ""
}

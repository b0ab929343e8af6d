// SPDX-License-Identifier: MIT

package openmetrics

import (
	"strings"
	"testing"
)

func TestFamiliesAreWrittenWithTheirSamplesAndTheEnd(t *testing.T) {
	var x Text
	x.Begin(Family{Name: "a_seconds", Type: Gauge, Unit: "seconds", Help: "How long."})
	x.Sample(0.25)
	x.Begin(Family{Name: "b", Type: Counter, Help: "How often."})
	x.Sample(1e15, Label{"code", "x"}, Label{"plugin", "y"})
	x.Begin(Family{Name: "c", Type: Info, Help: "Which."})
	x.Sample(1, Label{"hash", "ff"})
	x.Begin(Family{Name: "d", Type: Gauge, Help: "Nothing of it."})
	want := `# TYPE a_seconds gauge
# UNIT a_seconds seconds
# HELP a_seconds How long.
a_seconds 0.25
# TYPE b counter
# HELP b How often.
b_total{code="x",plugin="y"} 1000000000000000
# TYPE c info
# HELP c Which.
c_info{hash="ff"} 1
# TYPE d gauge
# HELP d Nothing of it.
# EOF
`
	if got := x.End(); got != want {
		t.Errorf("the text is\n%s\nwant\n%s", got, want)
	}
}

func TestBucketsAreCumulativeAndHaveCanonicalBounds(t *testing.T) {
	var x Text
	x.Begin(Family{Name: "h", Type: Histogram, Help: "Times."})
	x.Buckets([]float64{0.005, 1, 10}, []uint64{1, 0, 2, 3}, 61.5, Label{"plugin", "p"})
	_, got, _ := strings.Cut(x.End(), "Times.\n")
	want := `h_bucket{plugin="p",le="0.005"} 1
h_bucket{plugin="p",le="1.0"} 1
h_bucket{plugin="p",le="10.0"} 3
h_bucket{plugin="p",le="+Inf"} 6
h_count{plugin="p"} 6
h_sum{plugin="p"} 61.5
# EOF
`
	if got != want {
		t.Errorf("the samples are\n%s\nwant\n%s", got, want)
	}
}

func TestNoTextEndsItsQuotesOrItsLine(t *testing.T) {
	for text, want := range map[string]string{
		`"`: `\"`, `\`: `\\`, "\n": `\n`, `\n`: `\\n`, "ü 你\u2028": "ü 你\u2028", "\xff": `\\xff`, "a\xc3": `a\\xc3`,
		"\r\x00": "\r\x00", "\ufffd": "\ufffd", "": "", `"} 1` + "\n# EOF": `\"} 1\n# EOF`,
	} {
		var x Text
		x.Begin(Family{Name: "a", Type: Gauge, Help: text})
		x.Sample(1, Label{"plugin", text})
		if got, want := x.End(), "# TYPE a gauge\n# HELP a "+want+"\na{plugin=\""+want+"\"} 1\n# EOF\n"; got != want {
			t.Errorf("%q: the text is %q, want %q", text, got, want)
		}
	}
}

func TestWhatIsWrongWithAFamilyIsSaid(t *testing.T) {
	for _, c := range []struct {
		f    Family
		want string
	}{
		{Family{Name: "a_seconds", Unit: "seconds", Help: "A."}, ""},
		{Family{Name: "plain_2", Help: "A."}, ""},
		{Family{Name: "2a", Help: "A."}, "digit"},
		{Family{Name: "a-b", Help: "A."}, "other characters"},
		{Family{Help: "A."}, "other characters"},
		{Family{Name: "a"}, "no help"},
		{Family{Name: "a", Unit: "seconds", Help: "A."}, "does not end with its unit"},
		{Family{Name: "a_seconds", Help: "A."}, "unit that it does not have"},
		{Family{Name: "a_seconds", Unit: "seconds", Type: Info, Help: "A."}, "an info has no unit"},
		{Family{Name: "a_total", Help: "A."}, "_total"},
		{Family{Name: "a_bucket", Help: "A."}, "_bucket"},
	} {
		if got := c.f.Fault(); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.f, got, c.want)
		}
	}
}

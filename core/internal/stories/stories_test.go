// SPDX-License-Identifier: MIT

package stories

import (
	"slices"
	"strings"
	"testing"
)

func TestMissingStoryAndStaleMarkAreFaults(t *testing.T) {
	const text = "# a comment\nplain: A.\nby-test [TestX]: B.\nlater [no story yet]: C.\n"
	for _, c := range []struct {
		what  string
		shown []string
		marks bool
		tests map[string]bool
		want  []string // the beginnings of the faults
	}{
		{"all is shown", []string{"plain"}, true, map[string]bool{"TestX": true}, nil},
		{"a story is missing", nil, true, map[string]bool{"TestX": true}, []string{`no story shows "plain": A.`}},
		{"a test is missing", []string{"plain"}, true, nil, []string{"there is no test TestX"}},
		{"a story has come", []string{"plain", "later"}, true, map[string]bool{"TestX": true}, []string{`a story shows "later"`}},
		{"no marks", []string{"plain"}, false, nil, []string{`sentences: "by-test" has the mark`, `sentences: "later" has the mark`}},
	} {
		s, err := parse("sentences", text)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.shown) > 0 {
			if _, err := s.show(c.shown); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.faults(c.marks, c.tests); !slices.EqualFunc(got, c.want, strings.HasPrefix) {
			t.Errorf("%s: got %q, want %q", c.what, got, c.want)
		}
	}
}

func TestSentencesAreNamedOnceAndEndWithADot(t *testing.T) {
	for _, text := range []string{"", "# only a comment\n", "no colon.\n", "name: no dot\n", "a: A.\na: B.\n", "a [who]: A.\n", "A: a.\n"} {
		if _, err := parse("sentences", text); err == nil || !strings.HasPrefix(err.Error(), "sentences") {
			t.Errorf("%q: got error %v", text, err)
		}
	}
	s, err := parse("sentences", "a: A.\nb: B.\n")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := s.show([]string{"b", "a"}); text != "B.\nA.\n" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	for _, names := range [][]string{nil, {"a", "c"}} {
		if _, err := s.show(names); err == nil {
			t.Errorf("a story that shows %q: no error", names)
		}
	}
}

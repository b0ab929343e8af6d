// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/where-it-runs.md is true as far as a test can say.

const root = "../../.." // of the project

func readPage(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "docs", "where-it-runs.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestThePageSaysWhatTheOracleAllows(t *testing.T) {
	number := map[string]string{allowsHalfWritten: "1", allowsUnheard: "2", allowsHalfMapped: "3", allowsSizeAndTime: "4"}
	var want strings.Builder
	for sentence := range number {
		if !strings.Contains(readPage(t), number[sentence]+". "+sentence) {
			t.Errorf("the page lacks the line %q", number[sentence]+". "+sentence)
		}
	}
	for _, e := range environments {
		cells := []string{e.name}
		for _, owner := range []bool{true, false} {
			var allowed []string
			_, sentences := e.allowed(owner)
			for _, s := range sentences {
				allowed = append(allowed, number[s])
			}
			if allowed == nil {
				allowed = []string{"nothing"}
			}
			cells = append(cells, strings.Join(allowed, ", "))
		}
		fmt.Fprintf(&want, "| %s |\n", strings.Join(cells, " | "))
	}
	if !strings.Contains(readPage(t), want.String()) {
		t.Errorf("the page lacks these lines, together and in this order:\n%s", want.String())
	}
}

// Each row of the first tables names the test that backs it in its last cell, or says that
// it was not run.
func TestThePageNamesTestsThatExist(t *testing.T) {
	tests := goTests(t)
	rows, _, found := strings.Cut(readPage(t), "\n## What the oracle allows")
	if !found {
		t.Fatal(`the page has no heading "What the oracle allows"`)
	}
	named, n := regexp.MustCompile("`[^`]+`"), 0
	for row := range strings.Lines(rows) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), "|")
		if !strings.HasPrefix(row, "| ") || strings.HasPrefix(row, "| ---") || strings.TrimSpace(cells[len(cells)-1]) == "backed by" {
			continue
		}
		n++
		backing := cells[len(cells)-1]
		names := named.FindAllString(backing, -1)
		if len(names) == 0 && !strings.Contains(backing, "not run") {
			t.Errorf("no test is named, and the row does not say that it was not run: %s", row)
		}
		for _, name := range names {
			name = strings.Trim(name, "`")
			if name, isTest := strings.CutPrefix(name, "Test"); isTest {
				if !tests["Test"+name] {
					t.Errorf("there is no Test%s: %s", name, row)
				}
			} else if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Errorf("%v: %s", err, row)
			}
		}
	}
	if n < 15 {
		t.Errorf("the page has only %d rows", n)
	}
}

// goTests are the names of all Go tests in core.
func goTests(t *testing.T) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(filepath.Join(root, "core"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(b, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

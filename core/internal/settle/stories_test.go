// SPDX-License-Identifier: MIT

package settle_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestStories runs the stories in testdata; testdata/README explains their commands.
// After a change of behaviour that is meant, go test ./core/internal/settle -rewrite
// writes what the machine decides now.
func TestStories(t *testing.T) {
	rules := readRules(t)
	told := map[string]bool{}
	for _, path := range storyFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var current *story
			n := 0
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				if d.Cmd == "story" {
					current.mustHaveEnded(t)
					n++
					current = newStory(d.Pos)
					return tellRules(t, d, rules, told)
				}
				if current == nil {
					d.Fatalf(t, "%s comes before the first story", d.Cmd)
				}
				return current.run(t, d)
			})
			current.mustHaveEnded(t)
			if n == 0 {
				t.Error("the file has no story")
			}
		})
	}
	tellOthers(t, rules, told)
	tests := goTests(t)
	for _, r := range rules {
		switch {
		case r.mark == "" && !told[r.name]:
			t.Errorf("no story shows %q: %s", r.name, r.sentence)
		case r.mark == noStory && told[r.name]:
			t.Errorf("a story shows %q: take its mark away", r.name)
		case r.mark != "" && r.mark != noStory && !tests[r.mark]:
			t.Errorf("core has no test %s, which is to show %q: name the one that does, or write a story", r.mark, r.name)
		}
	}
}

// rule is one sentence that a user relies on.
type rule struct{ name, mark, sentence string }

// noStory marks a sentence that no story shows yet.
const noStory = "no story yet"

var ruleLine = regexp.MustCompile(`^([a-z-]+)(?: \[(no story yet|Test\w+)\])?: (\S.*\.)$`)

// readRules reads testdata/sentences.
func readRules(t *testing.T) (rules []rule) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "sentences"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := ruleLine.FindStringSubmatch(line)
		if m == nil || findRule(rules, m[1]) >= 0 {
			t.Fatalf("testdata/sentences: want a new name, a mark perhaps, a colon and a sentence, got %q", line)
		}
		rules = append(rules, rule{m[1], m[2], m[3]})
	}
	if len(rules) == 0 {
		t.Fatal("testdata/sentences is empty")
	}
	return rules
}

// tellOthers notes what the stories of core/testdata/stories show, which other tests tell.
func tellOthers(t *testing.T, rules []rule, told map[string]bool) {
	t.Helper()
	found := false
	for _, pattern := range []string{"*.txt", "*/*.txt"} {
		paths, err := filepath.Glob(filepath.Join("..", "..", "testdata", "stories", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^story(.*)$`).FindAllStringSubmatch(string(text), -1) {
				found = true
				names := strings.Fields(m[1])
				if len(names) == 0 {
					t.Errorf("%s: name the sentence that %q shows", path, m[0])
				}
				for _, name := range names {
					if findRule(rules, name) < 0 {
						t.Errorf("%s: testdata/sentences has no %q", path, name)
					}
					told[name] = true
				}
			}
		}
	}
	if !found {
		t.Error("core/testdata/stories has no stories")
	}
}

// goTests returns the names of the tests in core.
func goTests(t *testing.T) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "engine", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			tests[m[1]] = true
		}
	}
	return tests
}

func findRule(rules []rule, name string) int {
	return slices.IndexFunc(rules, func(r rule) bool { return r.name == name })
}

func storyFiles(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("testdata has no stories (%v)", err)
	}
	return paths
}

// tellRules returns the sentences that a story shows.
func tellRules(t *testing.T, d *datadriven.TestData, rules []rule, told map[string]bool) string {
	var out strings.Builder
	for _, arg := range d.CmdArgs {
		i := findRule(rules, arg.Key)
		if i < 0 {
			d.Fatalf(t, "testdata/sentences has no %q", arg.Key)
		}
		told[arg.Key] = true
		fmt.Fprintln(&out, rules[i].sentence)
	}
	if out.Len() == 0 {
		d.Fatalf(t, "name the sentence that this story shows")
	}
	return out.String()
}

// A user of the library reads the stories: every command is explained.
func TestStoriesExplainTheirCommands(t *testing.T) {
	mustExplain(t, "testdata", `(?m)^([a-z-]+)[^\n]*\n----`, "*.txt")
	mustExplain(t, filepath.Join("..", "..", "testdata", "stories"), `(?m)^([a-z-]+)`, "*.txt", "core/*.txt")
}

func mustExplain(t *testing.T, dir, command string, patterns ...string) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(dir, "README"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s/%s: no stories (%v)", dir, pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(command).FindAllStringSubmatch(string(text), -1) {
				if !strings.Contains(string(readme), "\n    "+m[1]+" ") {
					t.Errorf("%s: the README does not explain %q", path, m[1])
				}
			}
		}
	}
}

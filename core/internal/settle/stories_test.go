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
	for _, r := range rules {
		if !told[r.name] {
			t.Errorf("no story shows %q: %s", r.name, r.sentence)
		}
	}
}

// rule is one sentence about settling that a user relies on.
type rule struct{ name, sentence string }

// readRules reads testdata/sentences: a name, a colon and a sentence on each line.
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
		name, sentence, ok := strings.Cut(line, ": ")
		if !ok || !strings.HasSuffix(sentence, ".") || findRule(rules, name) >= 0 {
			t.Fatalf("testdata/sentences: want a new name, a colon and a sentence, got %q", line)
		}
		rules = append(rules, rule{name, sentence})
	}
	if len(rules) == 0 {
		t.Fatal("testdata/sentences is empty")
	}
	return rules
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
	text, err := os.ReadFile(filepath.Join("testdata", "README"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range storyFiles(t) {
		lines, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^([a-z-]+)[^\n]*\n----`).FindAllStringSubmatch(string(lines), -1) {
			if !strings.Contains(string(text), "\n    "+m[1]) {
				t.Errorf("%s: testdata/README does not explain %q", path, m[1])
			}
		}
	}
}

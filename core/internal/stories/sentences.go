// SPDX-License-Identifier: MIT

package stories

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sentence is one that a user relies on.
type sentence struct{ name, mark, text string }

// noStory marks a sentence that no story shows yet.
const noStory = "no story yet"

// Sentences are those of one folder, and which of them were shown.
type Sentences struct {
	path  string // of the file
	all   []sentence
	shown map[string]bool
}

// Read reads the file "sentences" of a folder.
func Read(t *testing.T, dir string) *Sentences {
	t.Helper()
	path := filepath.Join(dir, "sentences")
	s, err := parse(path, string(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var sentenceLine = regexp.MustCompile(`^([a-z-]+)(?: \[(no story yet|Test\w+)\])?: (\S.*\.)$`)

func parse(path, text string) (*Sentences, error) {
	s := &Sentences{path: path, shown: map[string]bool{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := sentenceLine.FindStringSubmatch(line)
		if m == nil || s.find(m[1]) >= 0 {
			return nil, fmt.Errorf("%s: want a new name, a mark perhaps, a colon and a sentence, got %q", path, line)
		}
		s.all = append(s.all, sentence{m[1], m[2], m[3]})
	}
	if len(s.all) == 0 {
		return nil, fmt.Errorf("%s is empty", path)
	}
	return s, nil
}

func (s *Sentences) find(name string) int {
	return slices.IndexFunc(s.all, func(one sentence) bool { return one.name == name })
}

// show notes that a story shows sentences, and returns their text.
func (s *Sentences) show(names []string) (text string, err error) {
	if len(names) == 0 {
		return "", errors.New("name the sentence that this story shows")
	}
	for _, name := range names {
		i := s.find(name)
		if i < 0 {
			return "", fmt.Errorf("%s has no %q", s.path, name)
		}
		s.shown[name] = true
		text += s.all[i].text + "\n"
	}
	return text, nil
}

var plainStory = regexp.MustCompile(`(?m)^story(.*)$`)

// ShownIn notes what the stories of files show that other tests tell.
func (s *Sentences) ShownIn(t *testing.T, paths []string) {
	t.Helper()
	for _, path := range paths {
		found := plainStory.FindAllStringSubmatch(string(read(t, path)), -1)
		if len(found) == 0 {
			t.Errorf("%s has no story", path)
		}
		for _, m := range found {
			if _, err := s.show(strings.Fields(m[1])); err != nil {
				t.Errorf("%s: %q: %v", path, m[0], err)
			}
		}
	}
}

// Check fails for a sentence that nothing shows, and for a mark that is not true. Marks
// name Go tests of a folder; with "" there may be no mark.
func (s *Sentences) Check(t *testing.T, tests string) {
	t.Helper()
	for _, fault := range s.faults(tests != "", goTests(t, tests)) {
		t.Error(fault)
	}
}

func (s *Sentences) faults(marks bool, tests map[string]bool) (faults []string) {
	for _, one := range s.all {
		switch shown := s.shown[one.name]; {
		case one.mark == "" && !shown:
			faults = append(faults, fmt.Sprintf("no story shows %q: %s", one.name, one.text))
		case one.mark != "" && !marks:
			faults = append(faults, fmt.Sprintf("%s: %q has the mark %q: write a story instead", s.path, one.name, one.mark))
		case one.mark == noStory && shown:
			faults = append(faults, fmt.Sprintf("a story shows %q: take its mark away", one.name))
		case one.mark != "" && one.mark != noStory && !tests[one.mark]:
			faults = append(faults, fmt.Sprintf("there is no test %s, which is to show %q: name the one that does, or write a story", one.mark, one.name))
		}
	}
	return faults
}

var goTest = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// goTests returns the names of the Go tests of a folder; of "" none.
func goTests(t *testing.T, dir string) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	if dir == "" {
		return tests
	}
	for _, path := range Files(t, dir, "*_test.go") {
		for _, m := range goTest.FindAllStringSubmatch(string(read(t, path)), -1) {
			tests[m[1]] = true
		}
	}
	return tests
}

// Files returns the files of a folder that match patterns. Each pattern must match.
func Files(t *testing.T, dir string, patterns ...string) (paths []string) {
	t.Helper()
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatalf("pattern %q: %v", pattern, err)
		}
		if len(found) == 0 {
			t.Fatalf("%s has no file %s", dir, pattern)
		}
		paths = append(paths, found...)
	}
	return paths
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

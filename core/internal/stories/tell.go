// SPDX-License-Identifier: MIT

package stories

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// Story is one story of a package.
type Story struct {
	// Do runs a command, and returns what it prints.
	Do func(t *testing.T, d *datadriven.TestData) string
	// End is called behind the last command.
	End func(t *testing.T)
}

// Tell tells the stories of a folder. begin begins one; pos is its file and line.
func Tell(t *testing.T, dir string, sentences *Sentences, begin func(pos string) Story) {
	t.Helper()
	for _, path := range Files(t, dir, "*.txt") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var current *Story
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				if d.Cmd == "story" {
					if current != nil {
						current.End(t)
					}
					story := begin(d.Pos)
					current = &story
					return showNamed(t, d, sentences)
				}
				if current == nil {
					d.Fatalf(t, "%s comes before the first story", d.Cmd)
				}
				return current.Do(t, d)
			})
			if current == nil {
				t.Fatal("the file has no story")
			}
			current.End(t)
		})
	}
}

// showNamed returns the sentences that a story names.
func showNamed(t *testing.T, d *datadriven.TestData, sentences *Sentences) string {
	var names []string
	for _, arg := range d.CmdArgs {
		names = append(names, arg.Key)
	}
	text, err := sentences.show(names)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return text
}

// Duration returns the duration that a command names.
func Duration(t *testing.T, d *datadriven.TestData, text string) time.Duration {
	t.Helper()
	v, err := time.ParseDuration(text)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return v
}

// How a command begins: in a file of datadriven, where lines of input may follow
// before the "----", and in one with a command a line.
var (
	DrivenCommand = regexp.MustCompile(`(?m)(?:^|\n\n)([a-z-]+)[^\n]*\n(?:[^\n]+\n)*?----`)
	PlainCommand  = regexp.MustCompile(`(?m)^([a-z-]+)`)
)

// MustExplain fails if the README of a folder does not explain a command of the files
// that match patterns: a user of the library reads the stories.
func MustExplain(t *testing.T, dir string, command *regexp.Regexp, patterns ...string) {
	t.Helper()
	readme := string(read(t, filepath.Join(dir, "README")))
	for _, path := range Files(t, dir, patterns...) {
		for _, m := range command.FindAllStringSubmatch(string(read(t, path)), -1) {
			if !strings.Contains(readme, "\n    "+m[1]+" ") {
				t.Errorf("%s: the README does not explain %q", path, m[1])
			}
		}
	}
}

// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestStories runs the stories in testdata; testdata/README explains their commands.
// After a change of behaviour that is meant, go test ./core/reload -rewrite writes
// what the machine decides now.
func TestStories(t *testing.T) {
	rules := readRules(t)
	shown := map[string]bool{}
	for _, path := range storyFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var current *story
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				if d.Cmd == "story" {
					current.mustBeSound(t)
					current = &story{world: newWorld(), pos: d.Pos}
					return showRules(t, d, rules, shown)
				}
				if current == nil {
					d.Fatalf(t, "%s comes before the first story", d.Cmd)
				}
				return current.run(t, d)
			})
			current.mustBeSound(t)
			if current == nil {
				t.Error("the file has no story")
			}
		})
	}
	for _, r := range rules {
		if !shown[r.name] {
			t.Errorf("no story shows %q: %s", r.name, r.sentence)
		}
	}
}

type story struct {
	*world
	pos string
}

// mustBeSound finds the story's steps possible in any language.
func (s *story) mustBeSound(t *testing.T) {
	t.Helper()
	if s == nil {
		return
	}
	for _, f := range s.faults {
		t.Errorf("%s: %s", s.pos, f)
	}
}

func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	s.out.Reset()
	if err := s.command(t, d); err != nil {
		s.printf("error: %v", err)
	}
	s.settle()
	return s.out.String()
}

func (s *story) command(t *testing.T, d *datadriven.TestData) error {
	word := func(i int) string {
		if i >= len(d.CmdArgs) {
			return ""
		}
		return d.CmdArgs[i].Key
	}
	number := func(i int) uint64 {
		n, err := strconv.ParseUint(word(i), 10, 64)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		return n
	}
	switch d.Cmd {
	case "add":
		return s.add(t, d)
	case "remove":
		var ids []string
		for i := range d.CmdArgs {
			ids = append(ids, word(i))
		}
		return s.input(removePlugins{ids})
	case "offer":
		return s.input(offer{Plugin: word(0), Generation: number(1)})
	case "go-back":
		return s.input(offer{Plugin: word(0), Generation: number(1), Back: true})
	case "file-removed":
		return s.input(fileRemoved{word(0)})
	case "rejected":
		return s.input(rejected{word(0), "its signature is not valid"})
	case "without-state":
		return s.input(withoutState{word(0)})
	case "call":
		f := s.world.call(word(0))
		if f == nil {
			s.printf("the caller of %s %s", word(0), map[bool]string{true: "waits", false: "gets no version"}[s.gate(word(0)).held])
			return nil
		}
		s.printf("generation %d is called", f.Generation)
	case "call-ends":
		for _, f := range s.live() {
			if f.Plugin == word(0) && f.Generation == number(1) && f.calls > 0 {
				f.calls--
				return nil
			}
		}
		d.Fatalf(t, "there is no such call")
	case "step":
		s.script(t, d)
	case "step-returns":
		for _, r := range s.running {
			if r.t.version.Plugin == word(0) && r.t.version.Generation == number(1) && r.t.step == stepOf(t, d, word(2)) {
				for _, arg := range d.CmdArgs[3:] {
					if arg.Key != "fails" {
						d.Fatalf(t, "unknown word %q", arg.Key)
					}
					r.result.Failure = strings.Join(arg.Vals, ", ")
				}
				s.ret(r)
				return nil
			}
		}
		d.Fatalf(t, "no such step runs")
	case "check-says":
		reason := strings.TrimSpace(d.Input)
		s.fits = func([]Version) string { return reason }
		if reason == "fits" {
			s.fits = func([]Version) string { return "" }
		}
	case "advance":
		s.advance(duration(t, d, word(0)))
	case "status":
		st, err := s.m.status(word(0))
		if err != nil {
			return err
		}
		s.printf("%s", strings.Join(describe(st), ", "))
		if !st.LastTime.IsZero() {
			s.printf("last, %s ago: %s", s.now.Sub(st.LastTime), st.Last)
		}
	case "close":
		return s.input(closeMachine{})
	default:
		d.Fatalf(t, "unknown command %q", d.Cmd)
	}
	return nil
}

func describe(st Status) (words []string) {
	add := func(is bool, format string, args ...any) {
		if is {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(st.Active != 0, "generation %d answers", st.Active)
	add(st.Down != "", "nothing answers: %s", st.Down)
	add(st.Exchanging != 0, "generation %d is being exchanged (%s)", st.Exchanging, st.Step)
	add(st.Pending != 0, "generation %d waits for %s", st.Pending, st.WaitsFor)
	add(st.Old != 0, "%d older versions", st.Old)
	return words
}

func duration(t *testing.T, d *datadriven.TestData, text string) time.Duration {
	v, err := time.ParseDuration(text)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return v
}

func stepOf(t *testing.T, d *datadriven.TestData, name string) Step {
	i := slices.Index(stepNames[:], name)
	if i <= 0 {
		d.Fatalf(t, "there is no step %q", name)
	}
	return Step(i)
}

// add reads the plugins and sets of the command's lines.
func (s *story) add(t *testing.T, d *datadriven.TestData) error {
	var in addPlugins
	for line := range strings.Lines(d.Input) {
		words := strings.Fields(line)
		p := Plugin{ID: words[1]}
		hooks := Hooks{Init: true, Exit: true}
		set := Set{ID: words[1]}
		for _, w := range words[2:] {
			key, value, _ := strings.Cut(w, "=")
			switch key {
			case "needs":
				p.Needs = strings.Split(value, ",")
			case "exit-first":
				p.Mode = ExitFirst
			case "unload-first":
				p.Mode = UnloadFirst
			case "together":
				p.Together = value
			case "state":
				hooks.Save, hooks.Restore = true, true
			case "prepare":
				hooks.Prepare = true
			case "state-optional":
				p.StateOptional = true
			case "check":
				set.Check = true
			case "wait":
				set.Wait = duration(t, d, value)
			default:
				d.Fatalf(t, "unknown word %q", w)
			}
		}
		switch words[0] {
		case "plugin":
			s.hooks[p.ID] = hooks
			in.Plugins = append(in.Plugins, p)
		case "set":
			in.Sets = append(in.Sets, set)
		default:
			d.Fatalf(t, "a line of add begins with plugin or set, got %q", words[0])
		}
	}
	return s.input(in)
}

// script says how a step ends: step PLUGIN GENERATION STEP WORD...
func (s *story) script(t *testing.T, d *datadriven.TestData) {
	sc := &script{plugin: d.CmdArgs[0].Key, step: stepOf(t, d, d.CmdArgs[2].Key)}
	sc.generation, _ = strconv.ParseUint(d.CmdArgs[1].Key, 10, 64)
	for _, arg := range d.CmdArgs[3:] {
		switch arg.Key {
		case "fails":
			sc.fail = strings.Join(arg.Vals, ", ")
		case "not-now":
			sc.fail, sc.busy = strings.Join(arg.Vals, ", "), true
		case "kept":
			sc.kept = strings.Join(arg.Vals, ", ")
		case "takes":
			sc.takes = duration(t, d, arg.SingleVal(t))
		case "hangs":
			sc.hang = true
		case "always":
			sc.always = true
		case "works":
			s.scripts = slices.DeleteFunc(s.scripts, func(old *script) bool {
				return old.plugin == sc.plugin && old.generation == sc.generation && old.step == sc.step
			})
			return
		default:
			d.Fatalf(t, "unknown word %q", arg.Key)
		}
	}
	s.scripts = append(s.scripts, sc)
}

// rule is one sentence that a user relies on.
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

// showRules returns the sentences that a story shows.
func showRules(t *testing.T, d *datadriven.TestData, rules []rule, shown map[string]bool) string {
	var out strings.Builder
	for _, arg := range d.CmdArgs {
		i := findRule(rules, arg.Key)
		if i < 0 {
			d.Fatalf(t, "testdata/sentences has no %q", arg.Key)
		}
		shown[arg.Key] = true
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
		for _, m := range regexp.MustCompile(`(?m)(?:^|\n\n)([a-z-]+)[^\n]*\n(?:[^\n]+\n)*?----`).FindAllStringSubmatch(string(lines), -1) {
			if !strings.Contains(string(text), "\n    "+m[1]) {
				t.Errorf("%s: testdata/README does not explain %q", path, m[1])
			}
		}
	}
}

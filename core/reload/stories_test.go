// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/qtforge/hotreload/core/internal/stories"
)

// TestStories tells the stories in testdata; testdata/README explains their commands.
// After a change of behaviour that is meant, go test ./core/reload -rewrite writes
// what the machine decides now.
func TestStories(t *testing.T) {
	sentences := stories.Read(t, "testdata")
	stories.Tell(t, "testdata", sentences, func(pos string) stories.Story {
		s := &story{world: newWorld(), pos: pos}
		return stories.Story{Do: s.run, End: s.mustBeSound}
	})
	sentences.Check(t, "")
}

func TestStoriesExplainTheirCommands(t *testing.T) {
	stories.MustExplain(t, "testdata", stories.DrivenCommand, "*.txt")
}

type story struct {
	*world
	pos string
}

// mustBeSound finds the story's steps possible in any language.
func (s *story) mustBeSound(t *testing.T) {
	t.Helper()
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
		s.advance(stories.Duration(t, d, word(0)))
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
			case "limit":
				d := stories.Duration(t, d, value)
				p.Limits = Limits{Load: d, Init: d, Save: d, Restore: d, Prepare: d, Exit: d, Unload: d}
			case "state":
				hooks.Save, hooks.Restore = true, true
			case "prepare":
				hooks.Prepare = true
			case "state-optional":
				p.StateOptional = true
			case "check":
				set.Check = true
			case "wait":
				set.Wait = stories.Duration(t, d, value)
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
			sc.takes = stories.Duration(t, d, arg.SingleVal(t))
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

// SPDX-License-Identifier: MIT

package settle_test

import (
	"flag"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/qtforge/hotreload/core/internal/settle"
	"github.com/qtforge/hotreload/core/internal/stories"
)

// The stories are told again and again. Each time one more thing happens, at one of the
// points where a story, a check or a delivery is suspended. All points are tried. What
// the story decides then is not compared with its text, but the promises hold:
//
//   - what the host hears of is complete, as far as the machine was told;
//   - the host hears of nothing twice;
//   - in the end the host knows the last version, or it was rejected;
//   - while the file settles the next check is due, and later than the last one;
//   - after Disable and Close, and during a pause, the host hears of nothing.

// interruption is what happens at a suspension point.
type interruption struct {
	name string
	do   func(r *interruptedRun)
}

var interruptions = []interruption{
	{"nothing", func(*interruptedRun) {}},
	{"Close", func(r *interruptedRun) { r.drop(); r.disabled = true }},
	{"Disable and Enable", func(r *interruptedRun) {
		options := r.machine.Options
		r.drop()
		r.machine.Options = options
		r.baseline, r.baselineFile, r.told = r.version(), r.file, r.file
		r.machine.Enable(false, r.now)
	}},
	{"a pause", func(r *interruptedRun) { r.paused = true }},
	{"a short pause", func(r *interruptedRun) { r.paused = true; r.resume() }},
	{"a notification of nothing", func(r *interruptedRun) { r.story.hear(settle.Notification{}) }},
	{"a notification of attributes", func(r *interruptedRun) {
		r.file.changed = r.now
		r.hear(settle.Notification{AttributesOnly: true})
	}},
	{"lost notifications", func(r *interruptedRun) { r.hear(settle.Notification{Written: true, Lost: true}) }},
	{"another file", func(r *interruptedRun) {
		r.replace()
		r.hear(settle.Notification{Replaced: true})
	}},
	{"another file that is notified late", (*interruptedRun).replace},
	{"a removal", func(r *interruptedRun) {
		r.replace()
		r.file.kind = settle.Missing
		r.hear(settle.Notification{Replaced: true})
	}},
	{"a write", func(r *interruptedRun) {
		if r.file.kind == settle.RegularFile {
			r.rewrite()
			r.hear(settle.Notification{Written: true, Closed: !r.file.writer, ClosesReported: !r.noCloses})
		}
	}},
	{"a writer", func(r *interruptedRun) {
		if r.file.kind == settle.RegularFile {
			r.rewrite()
			r.file.writer = true
			r.hear(settle.Notification{Written: true, ClosesReported: !r.noCloses})
		}
	}},
}

var pairs = flag.Bool("settle.pairs", false, "let two things happen, at points that follow each other")

func TestWhateverHappensAtAnyPointOfAStoryThePromisesHold(t *testing.T) {
	var all [][]interruption
	for _, first := range interruptions {
		all = append(all, []interruption{first})
		for _, second := range interruptions {
			if *pairs {
				all = append(all, []interruption{first, second})
			}
		}
	}
	for _, path := range stories.Files(t, "testdata", "*.txt") {
		for i, steps := range readStories(t, path) {
			for _, what := range all {
				name := what[0].name
				if len(what) > 1 {
					name += ", then " + what[1].name
				}
				t.Run(fmt.Sprintf("%s/%d/%s", filepath.Base(path), i+1, name), func(t *testing.T) {
					for point := 0; ; point++ {
						r := interrupted(t, steps, what, point)
						if t.Failed() {
							t.Fatalf("%s: %s at point %d (%s), %v after the beginning", steps[0].Pos, name, point, r.where, r.when)
						}
						if r.points <= point {
							return // all points of this story were tried
						}
					}
				})
			}
		}
	}
}

// readStories returns the steps of each story of a file.
func readStories(t *testing.T, path string) (all [][]*datadriven.TestData) {
	datadriven.RunTest(t, path, func(_ *testing.T, d *datadriven.TestData) string {
		step := *d
		if d.Cmd == "story" {
			all = append(all, nil)
		}
		last := len(all) - 1
		all[last] = append(all[last], &step)
		return d.Expected
	})
	return all
}

// aWhile is longer than any deadline in the stories.
const aWhile = 15 * time.Second

// interruptedRun is one telling of a story.
type interruptedRun struct {
	*story
	t      *testing.T
	what   []interruption
	point  int // at which point the first happens; the others follow at the next ones
	points int // so many there were
	where  suspension
	when   time.Duration

	n        int
	told     file // at the latest notification
	unclosed bool // written and not closed since, as far as notifications say
	closed   bool // and not written since, as far as notifications say
	written  bool // since the host last heard of it, as far as notifications say
	ended    bool // nothing more happens
	verdict  bool // a validator elsewhere rejected something
	last     machineState
	similar  int
}

// machineState is what tells two suspension points apart.
type machineState struct {
	where                                                           suspension
	settling, writing, firstCheck, atBaseline, unreadable, rejected bool
	file                                                            file
}

func interrupted(t *testing.T, steps []*datadriven.TestData, what []interruption, point int) *interruptedRun {
	r := &interruptedRun{story: newStory(steps[0].Pos), t: t, what: what, point: point}
	r.story.at, r.story.heard, r.story.taken, r.story.after = r.suspended, r.noteNotification, r.mustBeRight, r.mustBeDue
	for _, step := range steps[1:] {
		if step.Cmd == "advance" { // an hour with a writer has thousands of equal points
			step = shortened(t, step)
		}
		r.verdict = r.verdict || step.Cmd == "rejected"
		r.run(t, step)
	}
	r.finish()
	return r
}

func shortened(t *testing.T, step *datadriven.TestData) *datadriven.TestData {
	if stories.Duration(t, step, step.CmdArgs[0].Key) <= aWhile {
		return step
	}
	short := *step
	short.CmdArgs = []datadriven.CmdArg{{Key: aWhile.String()}}
	return &short
}

// suspended counts the points and interrupts at one of them. Of many points that differ
// in nothing but the time, as those of a long wait for a writer do, it takes three.
func (r *interruptedRun) suspended(where suspension) {
	m := &r.machine
	state := machineState{where, m.Settling(), m.Writing(), m.FirstCheck(), m.AtBaseline(), m.IsUnreadable(), m.HasRejected(), r.file}
	if r.similar++; state != r.last {
		r.last, r.similar = state, 0
	}
	if r.similar >= 3 || !r.enabled || r.disabled || r.ended {
		return
	}
	n := r.points - r.point
	r.points++
	if n >= 0 && n < len(r.what) {
		r.where, r.when = where, r.now.Sub(r.start)
		r.what[n].do(r)
	}
}

// drop is what the engine does to a plugin that is disabled.
func (r *interruptedRun) drop() {
	r.machine, r.pending, r.unclosed = settle.Machine{}, nil, false
}

func (r *interruptedRun) resume() {
	r.paused = false
	r.dispatch()
}

func (r *interruptedRun) replace() {
	r.n++
	f := &r.file
	*f = file{kind: settle.RegularFile, inode: 1000 + r.n, size: 1000 + r.n, time: r.n, changed: r.now, content: fmt.Sprint("new", r.n)}
}

func (r *interruptedRun) rewrite() {
	writer := r.file.writer
	inode := r.file.inode
	r.replace()
	r.file.inode, r.file.writer = inode, writer
}

func (r *interruptedRun) noteNotification(n settle.Notification) {
	r.told = r.file
	r.written = r.written || n.Written
	if n.Written || n.Replaced || n.Closed {
		r.closed = n.Closed
	}
	switch {
	case n.AttributesOnly:
	case n.Closed, n.Lost, n.Replaced:
		r.unclosed = false
	case n.Written && n.ClosesReported:
		r.unclosed = true
	}
}

// mustBeRight looks at what the host takes.
func (r *interruptedRun) mustBeRight(p *passedOn) {
	f := &p.file
	switch {
	case r.paused || r.disabled:
		r.t.Error("the host hears of it during a pause, or after Close")
	case f.kind != settle.RegularFile: // a removal
		return
	case f.unreadable, f.incomplete && r.checkImage:
		r.t.Errorf("delivered although it is not complete: %+v", *f)
	case f.writer && !r.cannotTell:
		r.t.Errorf("delivered although a writer has it open: %+v", *f)
	case r.cannotTell && r.unclosed && !r.machine.Options.NamesUnnotified:
		r.t.Errorf("delivered although it was written and not closed: %+v", *f)
	case r.cannotTell && f.size == 0 && !r.closed && r.now.Before(p.first.Add(r.machine.Options.MaxDelay)):
		r.t.Errorf("delivered although it may have been created just now: %+v", *f)
	case !r.isNew(f) && !r.coarseTimes: // there a notification alone tells two versions apart
		r.t.Errorf("delivered twice: %+v", *f)
	}
	r.written = false
}

// isNew reports whether the host has something to hear of. A file that was written is
// new, although its content is what it was.
func (r *interruptedRun) isNew(f *file) bool {
	known := r.baselineFile
	if known.kind != settle.RegularFile || f.content != known.content {
		return true
	}
	if r.machine.Options.CompareContent {
		return false
	}
	if !r.written {
		known.changed = f.changed
	}
	return *f != known
}

// mustBeDue looks at the machine after a check.
func (r *interruptedRun) mustBeDue(d settle.Decision) {
	if r.examined.file.kind != settle.RegularFile {
		r.unclosed = false // what comes next is another file
	}
	m := &r.machine
	switch {
	case d == settle.Wait && !m.Settling() && !r.disabled:
		r.t.Error("the machine waits, but does not settle")
	case m.Settling() && m.Due().IsZero():
		r.t.Error("the file settles, but no check is due")
	case d == settle.Wait && m.Settling() && !m.Due().After(r.now) && !r.interrupted && r.where != duringProbe && r.where != afterProbe:
		r.t.Errorf("a check at %v is followed by another one without a pause", r.now.Sub(r.start))
	}
}

// finish lets everybody be done: in the end the host knows the last version.
func (r *interruptedRun) finish() {
	for range 2 { // the interruptions may come the first time
		if now := r.file; r.unclosed || now.writer || now.unreadable || now != r.told {
			r.file.writer, r.file.unreadable = false, false
			r.hear(settle.Notification{Closed: true})
		}
		r.during = nil
		r.checks(r.now.Add(aWhile))
		r.resume()
		r.checks(r.now.Add(aWhile)) // what changed during a pause is checked again
		r.ended = true
	}
	switch {
	case r.disabled:
	case r.machine.Settling():
		r.t.Error("settling after a long time without a change")
	case r.verdict:
	case r.file.kind == settle.RegularFile && r.checkImage && r.file.incomplete:
		if !r.machine.HasRejected() && !r.version().Is(r.baseline) {
			r.t.Error("the version that is not complete was not rejected")
		}
	case !r.baseline.Is(r.version()) && !(r.identityDrift && r.baseline.IsApartFromIdentity(r.version())):
		r.t.Errorf("the last version is lost: the file is %+v, the host knows %+v", r.file, r.baselineFile)
	}
}

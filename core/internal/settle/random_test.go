// SPDX-License-Identifier: MIT

package settle_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/qtforge/hotreload/core/internal/settle"
)

// TestWhateverHappensOnlyCompleteVersionsAreDeliveredAndTheLastOneIs drives machines
// with random changes, writers and notifications. It knows no rule but two: what is
// delivered is complete, and the host ends up with the last version.
func TestWhateverHappensOnlyCompleteVersionsAreDeliveredAndTheLastOneIs(t *testing.T) {
	for seed := range uint64(1000) {
		r := &randomRun{t: t, r: rand.New(rand.NewPCG(seed, 1)), story: newStory("")}
		r.start()
		for range 60 {
			r.step()
		}
		r.finish()
		if t.Failed() {
			t.Fatalf("seed %d, options %+v:\n%s", seed, r.machine.Options, r.out.String())
		}
	}
}

type randomRun struct {
	*story
	t        *testing.T
	r        *rand.Rand
	n        int
	unclosed bool      // written and not closed since, as far as notifications say
	written  time.Time // when the file last became another
	first    time.Time // when the machine was first notified of this change
}

func (r *randomRun) start() {
	pick := func(d ...time.Duration) time.Duration { return d[r.r.IntN(len(d))] }
	r.machine.Options = settle.Options{
		Quiet:          pick(0, 20*time.Millisecond, 100*time.Millisecond),
		MaxDelay:       pick(150*time.Millisecond, 10*time.Second),
		RemovalHold:    100 * time.Millisecond,
		CompareContent: r.r.IntN(4) == 0,
	}
	r.checkImage, r.noChangeTime, r.cannotTell = r.r.IntN(2) == 0, r.r.IntN(3) == 0, r.r.IntN(3) == 0
	r.noCloses = r.r.IntN(3) == 0
	r.machine.Options.WritersUnknown = r.cannotTell && r.r.IntN(2) == 0
	r.baseline, r.baselineFile = r.version(), r.file
}

func (r *randomRun) step() {
	n := settle.Notification{Written: true, Closed: !r.file.writer}
	switch r.r.IntN(9) {
	case 0, 1:
		r.rewrite()
	case 2:
		r.rewrite()
		r.file.inode++
		r.file.writer, n = false, settle.Notification{Replaced: true} // who writes, writes the former file
	case 3:
		r.file.writer, n.Closed = true, false
		r.rewrite()
	case 4:
		r.file.writer = false
		n.Closed = true
	case 5:
		r.file.kind = []settle.Kind{settle.Missing, settle.Other}[r.r.IntN(2)]
		r.written = r.now
		r.file.writer, n = false, settle.Notification{Replaced: true}
	case 6:
		r.file.changed, n = r.now, settle.Notification{AttributesOnly: true} // chmod
		r.file.unreadable = r.r.IntN(2) == 0
	case 7:
		r.during = append(r.during, r.rewrite)
	case 8:
		// Other content with the size and modification time of before: nothing tells
		// but the change time, which counts at once only with a quiet period.
		if r.file.kind == settle.RegularFile && !r.noChangeTime && r.machine.Options.Quiet > 0 {
			r.n++
			r.file.content, r.file.changed, r.written = fmt.Sprint(r.n), r.now, r.now
		}
	}
	r.hear(n)
	r.pass(time.Duration(r.r.IntN(80)) * time.Millisecond)
}

func (r *randomRun) rewrite() {
	r.n++
	f := &r.file
	f.kind, f.size, f.content, f.changed = settle.RegularFile, 1000+r.n, fmt.Sprint(r.n), r.now
	f.incomplete = r.r.IntN(3) == 0
	r.written = r.now
}

func (r *randomRun) hear(n settle.Notification) {
	if !r.machine.Settling() {
		r.first = r.now
	}
	n.ClosesReported = !r.noCloses
	switch {
	case n.Closed, n.Replaced:
		r.unclosed = false
	case n.Written && n.ClosesReported:
		r.unclosed = true
	}
	r.printf("%+v, notified of %+v", r.file, n)
	r.story.hear(n)
}

// pass lets time pass and looks at each decision.
func (r *randomRun) pass(d time.Duration) {
	end := r.now.Add(d)
	for r.machine.Settling() && !r.machine.Due().After(end) {
		if r.machine.Due().After(r.now) {
			r.now = r.machine.Due()
		}
		d, why := r.check()
		r.printf("%s: %v", why, d)
		switch d {
		case settle.Wait:
			if !r.machine.Due().After(r.now) {
				r.t.Error("a check is followed by another one without a pause")
				return
			}
		case settle.Deliver:
			r.mustBeComplete()
		case settle.Removed:
			if r.file.kind == settle.RegularFile || r.now.Sub(r.written) < r.machine.Options.RemovalHold {
				r.t.Error("removed although it is there, or was a moment ago")
			}
		}
		if d != settle.Wait && r.machine.Settling() {
			r.t.Errorf("the machine decides %v and settles on", d)
		}
	}
	r.now = end
}

func (r *randomRun) mustBeComplete() {
	f, o := &r.file, &r.machine.Options
	quiet := r.now.Sub(r.written) >= o.Quiet || (!r.cannotTell && r.now.Sub(r.first) >= o.MaxDelay)
	if r.cannotTell && r.unclosed {
		r.t.Errorf("delivered although it was written and not closed: %+v", *f)
	}
	if f.kind != settle.RegularFile || f.unreadable || (f.writer && !r.cannotTell) || (f.incomplete && r.checkImage) || !quiet {
		r.t.Errorf("delivered although it is not complete: %+v", *f)
	}
}

// finish lets everybody be done. The machine comes to rest at the last version.
func (r *randomRun) finish() {
	r.file.writer, r.file.unreadable, r.during = false, false, nil
	r.hear(settle.Notification{Written: true, Closed: true})
	r.pass(time.Hour)
	switch {
	case r.machine.Settling():
		r.t.Error("settling after an hour without a change")
	case r.file.kind != settle.RegularFile && r.baseline.Exists():
		r.t.Error("the removal is lost")
	case r.file.kind != settle.RegularFile:
	case r.checkImage && r.file.incomplete:
		if !r.machine.HasRejected() {
			r.t.Error("the version that is not complete was not rejected")
		}
	case !r.baseline.Is(r.version()) || r.baselineFile.content != r.file.content:
		r.t.Error("the last version is lost")
	}
}

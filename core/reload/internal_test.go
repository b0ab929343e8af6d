// SPDX-License-Identifier: MIT

package reload

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAFaultInTheMachineLeavesTheHostAlive(t *testing.T) {
	e := New(Config{})
	if err := e.Add([]Plugin{{ID: "a"}}); err != nil {
		t.Fatal(err)
	}
	e.m.open = append(e.m.open, nil)
	err := e.Offer("a", 1, nil)
	if !errors.Is(err, ErrBroken) || !strings.HasPrefix(err.Error(), "the engine is unusable: panic: ") {
		t.Errorf("got %v", err)
	}
	if err := e.Offer("a", 1, nil); !errors.Is(err, ErrBroken) {
		t.Errorf("got %v", err)
	}
	e.Close()
	if err := e.Wait(context.Background()); !errors.Is(err, ErrBroken) {
		t.Errorf("got %v", err)
	}
}

// The engine forgets what was offered when nothing can load it any more.
func TestSourcesAreKeptOnlyWhileTheyCanBeLoaded(t *testing.T) {
	e := New(Config{Steps: ignorant{}})
	if err := e.Add([]Plugin{{ID: "a"}, {ID: "b", Needs: []string{"a"}}}); err != nil {
		t.Fatal(err)
	}
	for generation := range uint64(5) {
		if err := e.Offer("b", generation+1, generation); err != nil { // waits for a
			t.Fatal(err)
		}
	}
	if err := e.Offer("c", 1, 1); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v", err)
	}
	e.mu.Lock()
	n := len(e.sources)
	e.mu.Unlock()
	if n != 1 {
		t.Errorf("%d sources are kept, want 1", n)
	}
	if err := e.Remove("a", "b"); err != nil {
		t.Fatal(err)
	}
	e.Close()
	<-e.Done()
	if len(e.sources) != 0 || len(e.cancels) != 0 || len(e.counted) != 0 {
		t.Errorf("left: %v %v %v", e.sources, e.cancels, e.counted)
	}
}

// ignorant is a language that is never asked to do anything but to shut plugins.
type ignorant struct{ Steps }

func (ignorant) Shut(string, string) {}

// A quiesce that was given up before it began must hold nobody: its plugin may be
// open again.
func TestAQuiesceThatWasGivenUpHoldsNobody(t *testing.T) {
	var g Gate
	v := Version{Plugin: "a", Generation: 1, Instance: 1}
	g.Activate(v)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.Quiesce(ctx, v); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_, release, err := g.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	release()
	g.held = true
	if _, _, err := g.Acquire(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that is not patient: %v", err)
	}
	g.Shut("it was removed")
	if _, _, err := g.Acquire(ctx); !errors.Is(err, ErrUnknown) || err.Error() != "no version answers: it was removed" {
		t.Errorf("got %v", err)
	}
}

func TestLimitsHaveDefaultsAndCanBeNone(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		l    Limits
		step Step
		want time.Duration
	}{
		{Limits{}, Load, 10 * s}, {Limits{}, Unload, 10 * s}, {Limits{Init: 3 * s}, Init, 3 * s}, {Limits{Save: 4 * s}, Save, 4 * s},
		{Limits{Exit: -1}, Exit, 0}, {Limits{}, Activate, 0}, {Limits{Restore: 5 * s}, Restore, 5 * s}, {Limits{}, AwaitIdle, 0},
	} {
		if got := c.l.limit(c.step); got != c.want {
			t.Errorf("%+v, %s: %s, want %s", c.l, c.step, got, c.want)
		}
	}
	for _, c := range []struct{ got, want time.Duration }{
		{Limits{}.quiesce(), s}, {Limits{Quiesce: -1}.quiesce(), s}, {Limits{Quiesce: 2 * s}.quiesce(), 2 * s},
		{Limits{}.inUse(), 10 * s}, {Limits{InUse: -1}.inUse(), 0}, {Limits{InUse: 2 * s}.inUse(), 2 * s},
		{Set{}.wait(), 30 * s}, {Set{Wait: 2 * s}.wait(), 2 * s},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

func TestNamesOfUnknownValuesSayTheirNumber(t *testing.T) {
	for got, want := range map[string]string{
		Mode(9).String(): "unknown 9", Verdict(99).String(): "unknown 99", Done.String(): "done", Noted.String(): "noted",
		ExitFirst.String(): "exit first", AwaitIdle.String(): "await idle",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A host reloads for months: nothing grows.
func TestAThousandExchangesLeaveNothingBehind(t *testing.T) {
	w := newWorld()
	w.hooks["page"] = Hooks{Init: true, Exit: true, Save: true, Restore: true, Prepare: true}
	w.hooks["server"] = w.hooks["page"]
	err := w.input(addPlugins{Plugins: []Plugin{{ID: "page", Needs: []string{"server"}}, {ID: "server", Mode: ExitFirst}}})
	if err != nil {
		t.Fatal(err)
	}
	for generation := range uint64(1000) {
		for _, id := range []string{"server", "page"} {
			if generation%3 == 1 {
				w.scripts = append(w.scripts, &script{plugin: id, step: Init, fail: "no"})
			}
			if err := w.input(offer{Plugin: id, Generation: generation + 1}); err != nil {
				t.Fatal(err)
			}
			w.settle()
			w.out.Reset()
		}
	}
	m := w.m
	if len(w.faults) > 0 || len(w.loaded) != 2 || len(m.tasks)+len(m.plans)+len(m.retiring) != 0 || len(m.open) > 2 {
		t.Errorf("faults %v; left: %d versions, %d tasks, %d plans, %d that end, %d open", w.faults, len(w.loaded), len(m.tasks), len(m.plans), len(m.retiring), len(m.open))
	}
	for _, f := range w.live() {
		if f.data != "new 1" {
			t.Errorf("%s has the state %q", f.Version, f.data)
		}
	}
}

func TestNotesOfALoadedVersionAreInTheOutcomeOfItsExchange(t *testing.T) {
	w := newWorld()
	w.hooks["a"] = Hooks{Init: true, Notes: []string{"it is large", "it is old"}}
	w.scripts = []*script{{plugin: "a", generation: 2, step: Init, fail: "no"}}
	w.input(addPlugins{Plugins: []Plugin{{ID: "a"}}})
	for generation := range uint64(3) {
		w.input(offer{Plugin: "a", Generation: generation + 1})
		w.settle()
	}
	var said []string
	for _, o := range w.outcomes {
		said = append(said, o.String())
	}
	want := []string{
		"a: generation 1 answers now; it is large; it is old",
		"a: generation 2 failed: init: no; generation 1 goes on; it is large; it is old",
		"a: generation 3 answers now; it is large; it is old",
	}
	if !slices.Equal(said, want) || len(w.faults) > 0 {
		t.Errorf("got %q, want %q; %q", said, want, w.faults)
	}
}

func TestALoadThatFailsForWantOfStaticTLSSaysWhatToDo(t *testing.T) {
	const text = "p.so: cannot allocate memory in static TLS block"
	if got := advised(text); !strings.HasPrefix(got, text+": ") || !strings.Contains(got, "GLIBC_TUNABLES") {
		t.Errorf("got %q", got)
	}
	if got := advised("p.so: no such file"); got != "p.so: no such file" {
		t.Errorf("got %q", got)
	}
}

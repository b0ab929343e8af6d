// SPDX-License-Identifier: MIT

package reload_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qtforge/hotreload/core"
	"github.com/qtforge/hotreload/core/reload"
)

// files is a host over real files whose versions are what the files say.
type files struct {
	*reload.Host
	texts
	dir      string
	outcomes chan reload.Outcome
}

func newFiles(t *testing.T, options core.Options, outcome func(reload.Outcome), plugins ...string) *files {
	t.Helper()
	f := &files{texts: texts{newLanguage(plugins...)}, dir: t.TempDir(), outcomes: make(chan reload.Outcome, 100)}
	store := filepath.Join(f.dir, "snapshots")
	options.SnapshotDir, options.Quiet = &store, core.NoQuiet
	h, err := reload.NewHost(options, reload.Config{Steps: f.texts, Outcome: func(o reload.Outcome) {
		if outcome != nil {
			outcome(o)
		}
		f.outcomes <- o
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.Host = h
	t.Cleanup(func() {
		if err := h.Shutdown(bounded(t)); err != nil {
			t.Error(err)
		}
		if n := f.liveCount(); n != 0 {
			t.Errorf("%d versions are left", n)
		}
	})
	return f
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// write gives a plugin's file a new content.
func (f *files) write(t *testing.T, id, content string) reload.Opening {
	t.Helper()
	path := filepath.Join(f.dir, id)
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return reload.Opening{Plugin: reload.Plugin{ID: id}, Path: path}
}

func (f *files) want(t *testing.T, line string) {
	t.Helper()
	for {
		select {
		case o := <-f.outcomes:
			if o.Verdict == reload.Noted {
				continue
			}
			if o.String() != line {
				t.Errorf("got %s, want %s", o, line)
			}
			return
		case <-bounded(t).Done():
			t.Fatalf("nothing came, want %s", line)
		}
	}
}

func TestAPluginIsOpenWhenItsFirstVersionAnswers(t *testing.T) {
	f := newFiles(t, core.Options{}, nil, "greeter")
	if err := f.Open(bounded(t), []reload.Opening{f.write(t, "greeter", "one")}); err != nil {
		t.Fatal(err)
	}
	if err := f.call("greeter", 0); err != nil {
		t.Error(err)
	}
	f.want(t, "greeter: generation 1 answers now")
	f.write(t, "greeter", "two")
	f.want(t, "greeter: generation 2 answers now")
	if err := f.Close("greeter"); err != nil {
		t.Error(err)
	}
	var err error
	for ctx := bounded(t); err == nil && ctx.Err() == nil; { // Close does not wait for it
		err = f.call("greeter", 0)
	}
	if err == nil || err.Error() != "no version answers: greeter was removed" {
		t.Errorf("a call of a closed plugin: %v", err)
	}
	if err := f.Open(bounded(t), []reload.Opening{f.write(t, "greeter", "three")}); err != nil {
		t.Errorf("opening it again: %v", err)
	}
}

func TestAPluginThatCannotBeOpenedLeavesNothing(t *testing.T) {
	f := newFiles(t, core.Options{}, nil, "greeter")
	opening := f.write(t, "greeter", "bad")
	err := f.Open(bounded(t), []reload.Opening{opening})
	want := `greeter: generation 1 failed: load: "bad" does not load; there is no other version`
	if !errors.Is(err, reload.ErrFailed) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	missing := opening
	missing.Path += "s"
	if err := f.Open(bounded(t), []reload.Opening{missing}); !errors.Is(err, core.ErrFileNotFound) {
		t.Errorf("a file that is missing: %v", err)
	}
	missing.Options.AllowMissing = true
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = f.Open(ctx, []reload.Opening{missing})
	want = "plugin greeter is not open in time: its file is not complete, or not validated"
	if !errors.Is(err, context.Canceled) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	missing.DoNotWait = true
	if err := f.Open(bounded(t), []reload.Opening{missing}); err != nil {
		t.Errorf("without waiting: %v", err)
	}
}

func TestOfTwoOpensOfOnePluginOneWins(t *testing.T) {
	f := newFiles(t, core.Options{}, nil, "greeter")
	opening := f.write(t, "greeter", "one")
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = f.Open(bounded(t), []reload.Opening{opening}) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, reload.ErrExists):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d opens won", won)
	}
	if err := f.call("greeter", 0); err != nil {
		t.Error(err)
	}
}

// A set opens as one: its plugins wait for each other.
func TestPluginsOfASetAreOpenedTogether(t *testing.T) {
	f := newFiles(t, core.Options{}, nil, "crt", "key")
	crt, key := f.write(t, "crt", "A"), f.write(t, "key", "bad")
	crt.Plugin.Together, key.Plugin.Together = "tls", "tls"
	err := f.Open(bounded(t), []reload.Opening{crt, key}, reload.Set{ID: "tls"})
	if !errors.Is(err, reload.ErrFailed) || !strings.HasPrefix(err.Error(), "key: generation 1 failed: load:") {
		t.Errorf("got %v", err)
	}
	f.write(t, "key", "A")
	if err := f.Open(bounded(t), []reload.Opening{crt, key}, reload.Set{ID: "tls"}); err != nil {
		t.Error(err)
	}
}

func TestOpenAndShutdownInsideTheOutcomeFunction(t *testing.T) {
	var f *files
	ready, opened := make(chan struct{}), make(chan error, 1)
	f = newFiles(t, core.Options{}, func(o reload.Outcome) {
		<-ready
		if o.Plugin == "a" && o.Verdict == reload.Done {
			opened <- f.Open(bounded(t), []reload.Opening{f.write(t, "b", "one")})
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			if err := f.Shutdown(ended); err == nil {
				t.Error("it did not say what is left")
			}
		}
	}, "a", "b")
	close(ready)
	if err := f.Open(bounded(t), []reload.Opening{f.write(t, "a", "one")}); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

func TestWithManualDispatchOpenDispatches(t *testing.T) {
	f := newFiles(t, core.Options{Dispatch: core.DispatchManual}, nil, "greeter")
	if err := f.Open(bounded(t), []reload.Opening{f.write(t, "greeter", "one")}); err != nil {
		t.Fatal(err)
	}
	f.write(t, "greeter", "two")
	for st := (reload.Status{}); st.Active != 2; {
		if _, err := f.Manager().Dispatch(0, time.Second); err != nil {
			t.Fatal(err)
		}
		var err error
		if st, err = f.Engine().Status("greeter"); err != nil || bounded(t).Err() != nil {
			t.Fatal(st, err)
		}
	}
}

func TestTheEndOfAPluginCanBeAwaited(t *testing.T) {
	f := newFiles(t, core.Options{}, nil, "greeter")
	if err := f.Open(bounded(t), []reload.Opening{f.write(t, "greeter", "one")}); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	err := f.Engine().WaitFor(ended, "greeter")
	if !errors.Is(err, context.Canceled) || err.Error() != "not everything has ended: greeter is open" {
		t.Errorf("got %v", err)
	}
	if err := f.Close("greeter"); err != nil {
		t.Fatal(err)
	}
	if err := f.Engine().WaitFor(bounded(t), "greeter", "unknown"); err != nil {
		t.Error(err)
	}
	if n := f.liveCount(); n != 0 {
		t.Errorf("%d versions are left", n)
	}
}

// The files of a version stay until it has ended: after its plugin was closed, too.
func TestAVersionInUseKeepsItsFiles(t *testing.T) {
	f := newFiles(t, core.Options{}, nil, "greeter")
	if err := f.Open(bounded(t), []reload.Opening{f.write(t, "greeter", "one")}); err != nil {
		t.Fatal(err)
	}
	snapshot := func(generation uint64) (path string) {
		release := f.Manager().HoldSnapshot("greeter", generation)
		if release == nil {
			t.Fatalf("generation %d has no snapshot", generation)
		}
		release()
		release() // once is enough
		err := filepath.WalkDir(filepath.Join(f.dir, "snapshots"), func(at string, d fs.DirEntry, err error) error {
			if d.Name() == "greeter" && d.Type().IsRegular() {
				path = at
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	first := snapshot(1)
	if first == "" {
		t.Fatal("there is no snapshot")
	}
	release := f.Manager().HoldSnapshot("greeter", 1)
	if err := f.Close("greeter"); err != nil {
		t.Fatal(err)
	}
	if err := f.Engine().WaitFor(bounded(t), "greeter"); err != nil {
		t.Fatal(err)
	}
	if f.Manager().HoldSnapshot("greeter", 1) != nil {
		t.Error("a plugin that is closed has a snapshot")
	}
	if _, err := os.Stat(first); err != nil {
		t.Errorf("it is held: %v", err)
	}
	release()
	for ctx := bounded(t); ctx.Err() == nil; {
		if _, err := os.Stat(first); errors.Is(err, os.ErrNotExist) {
			return
		}
	}
	t.Error("it was not removed")
}

// Where steps run, and that callers are held no longer than one of them.
func TestALanguageSaysWhereStepsRun(t *testing.T) {
	var mu sync.Mutex
	where := map[string]string{}
	run := func(place string) func(reload.Step, reload.Version, func()) error {
		return func(s reload.Step, v reload.Version, f func()) error {
			mu.Lock()
			where[s.String()] = place
			mu.Unlock()
			go f()
			return nil
		}
	}
	language := texts{newLanguage("greeter")}
	e := reload.New(reload.Config{Steps: language, Run: run("host"), RunRetired: run("library"), RunQuiesce: true})
	if err := e.Add([]reload.Plugin{{ID: "greeter", Mode: reload.ExitFirst}}); err != nil {
		t.Fatal(err)
	}
	for g := uint64(1); g <= 2; g++ {
		if err := e.Offer("greeter", g, core.Event{Snapshot: write(t, "text")}); err != nil {
			t.Fatal(err)
		}
		for st := (reload.Status{}); st.Active != g; {
			st, _ = e.Status("greeter")
			if bounded(t).Err() != nil {
				t.Fatal(st)
			}
		}
	}
	e.Close()
	if err := e.Wait(bounded(t)); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for step, place := range map[string]string{"load": "host", "quiesce": "host", "unload": "library"} {
		if where[step] != place {
			t.Errorf("%s ran on the thread of the %s, want that of the %s", step, where[step], place)
		}
	}
}

func write(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

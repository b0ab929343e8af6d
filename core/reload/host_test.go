// SPDX-License-Identifier: MIT

package reload_test

import (
	"context"
	"errors"
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

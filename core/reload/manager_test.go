// SPDX-License-Identifier: MIT

package reload_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qtforge/hotreload/core"
	"github.com/qtforge/hotreload/core/reload"
)

// reports is a manager that notes what it is told.
type reports []string

func (r *reports) ReportReload(id string, generation uint64, outcome core.Outcome, message string) error {
	*r = append(*r, fmt.Sprintf("%s %d %d %s", id, generation, outcome, message))
	return nil
}

func TestOnlyVersionsThatAnswerOrFailAreReported(t *testing.T) {
	var got reports
	for v := range reload.Noted + 1 {
		reload.Report(&got, reload.Outcome{Plugin: "p", Verdict: v, Generation: uint64(v), Step: reload.Init, Reason: "why"})
	}
	if want := (reports{"p 1 1 ", "p 3 2 init: why"}); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEventsOfAManagerBecomeInputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, reload.SideBySide, "greeter")
		for _, ev := range []core.Event{
			{Kind: core.FileChanged, ID: "greeter", Generation: 1},
			{Kind: core.FileChanged, ID: "greeter", Generation: 2},
			{Kind: core.FileChanged, ID: "unknown", Generation: 2},
			{Kind: core.Health, ID: "greeter", Generation: 3},
			{Kind: core.Rejected, ID: "greeter", Message: "no signature"},
			{Kind: core.Rollback, ID: "greeter", Generation: 0},
			{Kind: core.Rollback, ID: "greeter", Generation: 2},
			{Kind: core.Rollback, ID: "greeter", Generation: 1},
			{Kind: core.FileRemoved, ID: "greeter"},
		} {
			h.Deliver(ev)
			synctest.Wait()
		}
		h.wantOutcomes(t,
			"greeter: generation 1 answers now",
			"greeter: generation 2 answers now",
			"greeter: a version was rejected: no signature; generation 2 goes on",
			"greeter: generation 1 answers now",
			"greeter: its file was removed; generation 1 goes on")
		h.end(t)
	})
}

// The report on generation 2 was still under way when generation 3 began to answer.
func TestARollbackFromAnOldVersionDoesNotReplaceANewerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, reload.SideBySide, "greeter")
		for _, ev := range []core.Event{
			{Kind: core.FileChanged, ID: "greeter", Generation: 1},
			{Kind: core.FileChanged, ID: "greeter", Generation: 2},
			{Kind: core.FileChanged, ID: "greeter", Generation: 3},
			{Kind: core.Rollback, ID: "greeter", Generation: 1, Failed: 2},
		} {
			h.Deliver(ev)
			synctest.Wait()
		}
		said := []string{"greeter: generation 1 answers now", "greeter: generation 2 answers now", "greeter: generation 3 answers now"}
		h.wantOutcomes(t, said...)
		h.Deliver(core.Event{Kind: core.Rollback, ID: "greeter", Generation: 1, Failed: 3})
		h.wantOutcomes(t, append(said, "greeter: generation 1 answers now")...)
		h.end(t)
	})
}

// texts is a language whose versions are what a file says.
type texts struct{ *language }

func (l texts) Load(ctx context.Context, v reload.Version, source any) (reload.Hooks, error) {
	content, err := os.ReadFile(source.(core.Event).Snapshot)
	if err != nil {
		return reload.Hooks{}, err
	}
	if strings.HasPrefix(string(content), "bad") {
		return reload.Hooks{}, fmt.Errorf("%q does not load", content)
	}
	return l.language.Load(ctx, v, behaviour{kept: string(content)})
}

// A real manager and real files: a bad version changes nothing and is not offered
// again, and the host goes back when a version turns out bad in use.
func TestAManagerAndAnEngineReloadFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "greeter")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	store := filepath.Join(dir, "snapshots")
	manager, err := core.New(core.Options{Safe: &core.Safe{}, SnapshotDir: &store, Quiet: core.NoQuiet})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	outcomes := make(chan string, 100)
	engine := reload.New(reload.Config{Steps: texts{newLanguage("greeter")}, Outcome: func(o reload.Outcome) {
		reload.Report(manager, o)
		outcomes <- o.String()
	}})
	if err := engine.Add([]reload.Plugin{{ID: "greeter"}}); err != nil {
		t.Fatal(err)
	}
	if err := manager.SetEventCallback(engine.Deliver, nil); err != nil {
		t.Fatal(err)
	}
	want := func(lines ...string) {
		t.Helper()
		for _, line := range lines {
			select {
			case got := <-outcomes:
				if got != line {
					t.Errorf("got %s, want %s", got, line)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("nothing came, want %s", line)
			}
		}
	}
	if err := manager.Enable("greeter", path, core.EnableOptions{DeliverPresent: true}); err != nil {
		t.Fatal(err)
	}
	want("greeter: generation 1 answers now")
	write("bad one")
	want(`greeter: generation 2 failed: load: "bad one" does not load; generation 1 goes on`)
	write("bad one") // not offered again
	write("two")
	want("greeter: generation 3 answers now", "greeter: generation 1 stays in memory: one")
	if err := manager.ReportReload("greeter", 3, core.ReloadFailed, "it answers nonsense"); err != nil {
		t.Fatal(err)
	}
	want("greeter: generation 1 answers now", "greeter: generation 3 stays in memory: two")
	engine.Close()
	<-engine.Done()
}

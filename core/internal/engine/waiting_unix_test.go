// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// What waits for the host's own code, and what happens to it meanwhile.

// The validator takes long, and the file is rewritten again and again: whoever may
// write it would fill the disk with snapshots.
func TestSupersededVersionsDoNotWaitForTheValidator(t *testing.T) {
	h := quietSafe(t, Options{Quiet: NoQuiet})
	release := make(chan struct{})
	goOn := sync.OnceFunc(func() { close(release) })
	defer goOn()
	var once atomic.Bool
	h.must(h.m.SetValidator(func(Candidate) error {
		if once.CompareAndSwap(false, true) {
			<-release
		}
		return nil
	}, nil))
	h.put(h.file, "v0")
	h.enable(Safe{})
	h.until("the validator is asked", once.Load)
	waiting := func() (contents []string) {
		h.m.mu.Lock()
		defer h.m.mu.Unlock()
		for _, c := range h.m.validation.waiting {
			contents = append(contents, h.read(c.snap.Files[0].Path))
		}
		return contents
	}
	for i := range 20 {
		v := fmt.Sprint("v", i+1)
		h.replace(h.file, v)
		h.until("only "+v+" waits", func() bool { return slices.Equal(waiting(), []string{v}) })
	}
	h.until("the superseded snapshots are removed", func() bool { return h.stats().Snapshots == 2 })
	goOn()
	h.change("v20")
}

// A version that waits was validated by the former validator, which is still busy with
// another plugin when it is replaced.
func TestNewValidatorIsAskedAboutWhatWaitsAlthoughTheFormerOneStillRuns(t *testing.T) {
	h := quietSafe(t, Options{Dispatch: DispatchManual, Quiet: NoQuiet})
	release := make(chan struct{})
	goOn := sync.OnceFunc(func() { close(release) })
	defer goOn()
	var busy atomic.Bool
	h.must(h.m.SetValidator(func(c Candidate) error {
		if c.ID == "busy" {
			busy.Store(true)
			<-release
		}
		return nil
	}, nil))
	h.put(h.file, "v1")
	h.enable(Safe{})
	h.until("a version waits", func() bool { s := h.stats(); return s.Pending == 2 && s.Validating == 0 })
	other := filepath.Join(h.dir, "other.so")
	h.put(other, "v1")
	h.must(h.m.Enable("busy", other, EnableOptions{Safe: &Safe{}, DeliverPresent: true}))
	h.until("the validator is busy", busy.Load)
	former := h.m.validator
	replaced := make(chan error, 1)
	go func() {
		replaced <- h.m.SetValidator(func(Candidate) error { return errors.New("never") }, nil)
	}()
	h.until("another validator is set", func() bool {
		h.m.mu.Lock()
		defer h.m.mu.Unlock()
		return h.m.validator != former
	})
	_, err := h.m.Dispatch(0, 0)
	h.must(err)
	for len(h.events) > 0 {
		if ev := <-h.events; ev.Kind == FileChanged {
			t.Fatalf("delivered although the new validator was not asked: %+v", ev)
		}
	}
	goOn()
	h.must(within(t, "SetValidator", replaced))
}

func TestSnapshotStaysAsLongAsTheCallbackRunsThatLoadsIt(t *testing.T) {
	h := quietSafe(t, Options{})
	result := make(chan error, 1)
	h.must(h.m.SetEventCallback(func(ev Event) {
		if ev.Kind != FileChanged {
			return
		}
		disabled := make(chan error, 1)
		go func() {
			_, err := h.m.Disable("p")
			disabled <- err
		}()
		h.until("it is disabled, and nothing is left to be done", func() bool {
			on, _ := h.m.IsEnabled("p")
			return !on && h.m.workers.idle()
		})
		_, err := os.Stat(ev.Snapshot)
		result <- err
	}, nil))
	h.put(h.file, "v1")
	h.enable(Safe{})
	if err := within(t, "the callback", result); err != nil {
		t.Errorf("the snapshot that the callback was to load: %v", err)
	}
	h.until("it is removed afterwards", func() bool { return h.stats().Snapshots == 0 })
}

// Enable reads no more of a file than may be loaded at all.
func TestEnableDoesNotHashWhatIsLargerThanTheLimit(t *testing.T) {
	h := quietSafe(t, Options{IgnoreUnchangedContent: true})
	h.put(h.file, "")
	h.must(os.Truncate(h.file, 1<<40))
	enabled := make(chan error, 1)
	go func() { enabled <- h.m.Enable("p", h.file, EnableOptions{Safe: &Safe{MaxSize: 1000}}) }()
	h.must(within(t, "Enable", enabled))
}

// A is written under its own name before a check has found that it has become the same
// file as B.
func TestPluginHearsOfWritesUnderTheNameOfAPluginThatHasBecomeTheSameFile(t *testing.T) {
	dir := t.TempDir()
	h := &realHost{t: t, dir: dir}
	at := func(name string) string { return filepath.Join(dir, name) }
	h.put(at("a"), "v0")
	h.put(at("b"), "v0 of b")
	m, err := New(Options{})
	h.must(err)
	defer m.Close()
	heard := make(chan string, 100)
	h.must(m.SetReloadCallback(func(id string) {
		b, _ := os.ReadFile(at(id))
		heard <- id + "=" + string(b)
	}, nil))
	h.must(m.Enable("a", at("a"), EnableOptions{Quiet: 700 * ms}))
	h.must(m.Enable("b", at("b"), EnableOptions{Quiet: NoQuiet}))
	all := func(what, want string) {
		t.Helper()
		var got []string
		h.await(what, func() bool {
			for len(heard) > 0 {
				got = append(got, <-heard)
			}
			return slices.Contains(got, want)
		})
		if strings.Contains(strings.Join(got, " "), "v0") {
			t.Errorf("delivered %q", got)
		}
	}
	h.put(at("new"), "v1")
	h.must(os.Rename(at("new"), at("a")))
	h.must(os.Link(at("a"), at("new")))
	h.must(os.Rename(at("new"), at("b")))
	all("b is v1", "b=v1")
	h.await("the check after the delivery", m.workers.idle)
	h.put(at("a"), "v2") // of which the directory speaks as "a"
	all("b is v2", "b=v2")
}

// SPDX-License-Identifier: MIT

package reload_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qtforge/hotreload/core/internal/printabletest"
	"github.com/qtforge/hotreload/core/reload"
)

// language is a fake one: versions are objects, and do what their source says.
type language struct {
	mu    sync.Mutex
	gates map[string]*reload.Gate
	live  map[uint64]*object // by instance
	log   []string
}

// object is a loaded version.
type object struct {
	behaviour
	initialised atomic.Bool
	state       atomic.Int64
}

// behaviour is the source of a version.
type behaviour struct {
	fail, hang, panics reload.Step
	notNow             *atomic.Int32 // how often Load is not possible
	release            chan struct{} // ends what hangs
	kept               string
	stateless          bool
	bare               bool // no hooks
}

func newLanguage(plugins ...string) *language {
	l := &language{gates: map[string]*reload.Gate{}, live: map[uint64]*object{}}
	for _, id := range plugins {
		l.gates[id] = &reload.Gate{}
	}
	return l
}

func (l *language) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = append(l.log, fmt.Sprintf(format, args...))
}

func (l *language) object(v reload.Version) *object {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.live[v.Instance]
}

func (l *language) liveCount() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.live)
}

// misbehave does what the version's source says of a step.
func (l *language) misbehave(b behaviour, step reload.Step, v reload.Version) error {
	l.note("%s %s %d", step, v.Plugin, v.Generation)
	if b.hang == step {
		<-b.release
	}
	if b.panics == step {
		panic("at the disco")
	}
	if b.fail == step {
		return fmt.Errorf("no %s today", step)
	}
	return nil
}

func (l *language) Load(_ context.Context, v reload.Version, source any) (reload.Hooks, error) {
	b, _ := source.(behaviour)
	if b.notNow != nil && b.notNow.Add(-1) >= 0 {
		return reload.Hooks{}, fmt.Errorf("the loader is busy: %w", reload.ErrNotNow)
	}
	if err := l.misbehave(b, reload.Load, v); err != nil {
		return reload.Hooks{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live[v.Instance] = &object{behaviour: b}
	if b.bare {
		return reload.Hooks{}, nil
	}
	return reload.Hooks{Init: true, Exit: true, Save: !b.stateless, Restore: !b.stateless, Prepare: true}, nil
}

func (l *language) Init(_ context.Context, v reload.Version, needs []reload.Version) error {
	for _, n := range needs {
		if !l.object(n).initialised.Load() {
			return fmt.Errorf("%s is not initialised", n)
		}
	}
	o := l.object(v)
	if err := l.misbehave(o.behaviour, reload.Init, v); err != nil {
		return err
	}
	o.initialised.Store(true)
	return nil
}

func (l *language) Save(_ context.Context, v reload.Version) (any, error) {
	o := l.object(v)
	return o.state.Load(), l.misbehave(o.behaviour, reload.Save, v)
}

func (l *language) Restore(_ context.Context, v reload.Version, state any) error {
	o := l.object(v)
	o.state.Store(state.(int64))
	return l.misbehave(o.behaviour, reload.Restore, v)
}

func (l *language) Prepare(_ context.Context, v reload.Version) error {
	return l.misbehave(l.object(v).behaviour, reload.Prepare, v)
}

func (l *language) Exit(_ context.Context, v reload.Version) error {
	o := l.object(v)
	err := l.misbehave(o.behaviour, reload.Exit, v)
	o.initialised.Store(false)
	return err
}

func (l *language) Unload(_ context.Context, v reload.Version) (string, error) {
	o := l.object(v)
	l.mu.Lock()
	delete(l.live, v.Instance)
	l.mu.Unlock()
	return o.kept, l.misbehave(o.behaviour, reload.Unload, v)
}

func (l *language) Activate(_ context.Context, versions []reload.Version) error {
	for _, v := range versions {
		if err := l.misbehave(l.object(v).behaviour, reload.Activate, v); err != nil {
			return err
		}
	}
	for _, v := range versions {
		l.gates[v.Plugin].Activate(v)
	}
	return nil
}

func (l *language) Quiesce(ctx context.Context, v reload.Version) error {
	return l.gates[v.Plugin].Quiesce(ctx, v)
}

func (l *language) AwaitIdle(ctx context.Context, v reload.Version) error {
	return l.gates[v.Plugin].AwaitIdle(ctx, v)
}

func (l *language) Shut(plugin, reason string) { l.gates[plugin].Shut(reason) }

func (l *language) Forget(v reload.Version) { l.note("forget %s %d", v.Plugin, v.Generation) }

// call calls a plugin, which counts its calls; at the end its version must still be
// initialised.
func (l *language) call(id string, takes time.Duration) error {
	v, release, err := l.gates[id].Acquire(context.Background())
	if err != nil {
		return err
	}
	defer release()
	o := l.object(v)
	o.state.Add(1)
	time.Sleep(takes)
	if !o.initialised.Load() {
		return fmt.Errorf("%s exited during a call", v)
	}
	return nil
}

// host is an engine over a fake language, with the outcomes that it was told.
type host struct {
	*reload.Engine
	*language
	mu   sync.Mutex
	told []string
}

func newHost(t *testing.T, mode reload.Mode, plugins ...string) *host {
	t.Helper()
	h := &host{language: newLanguage(plugins...)}
	h.Engine = reload.New(reload.Config{Steps: h.language, Outcome: h.tell})
	for _, id := range plugins {
		if err := h.Add([]reload.Plugin{{ID: id, Mode: mode}}); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h *host) tell(o reload.Outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, o.String())
}

// outcomesOf returns what the host was told of a plugin.
func (h *host) outcomesOf(id string) (told []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.told {
		if strings.HasPrefix(o, id+": ") {
			told = append(told, o)
		}
	}
	return told
}

func (h *host) outcomes() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.told, "\n")
}

func (h *host) offer(t *testing.T, id string, generation uint64, b behaviour) {
	t.Helper()
	if err := h.Offer(id, generation, b); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// end closes the engine and finds nothing left.
func (h *host) end(t *testing.T) {
	t.Helper()
	h.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if err := h.Wait(ctx); err != nil {
		t.Error(err)
	}
	if n := h.liveCount(); n != 0 {
		t.Errorf("%d versions are left", n)
	}
}

func (h *host) wantOutcomes(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := h.outcomes(); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// Whatever the mode, no request fails, none sees a version that has exited, and the
// state counts every request.
func TestNoRequestFailsWhileVersionsAreExchanged(t *testing.T) {
	for _, mode := range []reload.Mode{reload.SideBySide, reload.ExitFirst, reload.UnloadFirst} {
		t.Run(mode.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t, mode, "counter")
				h.offer(t, "counter", 1, behaviour{})
				var requests atomic.Int64
				stop := make(chan struct{})
				var callers sync.WaitGroup
				for i := range 8 {
					callers.Go(func() {
						for {
							select {
							case <-stop:
								return
							default:
							}
							if err := h.call("counter", time.Duration(i+1)*time.Millisecond); err != nil {
								t.Error(err)
								return
							}
							requests.Add(1)
						}
					})
				}
				for generation := uint64(2); generation < 60; generation++ {
					b := behaviour{}
					switch generation % 5 {
					case 0:
						b.fail = reload.Init
					case 2:
						b.fail = reload.Restore
					case 4:
						b.panics = reload.Load
					}
					if err := h.Offer("counter", generation, b); err != nil {
						t.Fatal(err)
					}
					time.Sleep(20 * time.Millisecond)
				}
				close(stop)
				callers.Wait()
				_, release, err := h.gates["counter"].Acquire(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				release()
				st, err := h.Status("counter")
				if err != nil || st.Active != 58 {
					t.Errorf("status %+v, %v", st, err)
				}
				var state int64
				for _, o := range h.live {
					state = o.state.Load()
				}
				if state != requests.Load() {
					t.Errorf("the state counts %d of %d requests", state, requests.Load())
				}
				h.end(t)
			})
		})
	}
}

func TestAStepThatHangsIsGivenUpAndUndoneWhenItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, reload.SideBySide, "greeter")
		h.offer(t, "greeter", 1, behaviour{})
		release := make(chan struct{})
		h.offer(t, "greeter", 2, behaviour{hang: reload.Init, release: release})
		time.Sleep(time.Minute)
		h.wantOutcomes(t, "greeter: generation 1 answers now",
			"greeter: generation 2 failed: init: did not return within 10s; generation 1 goes on; generation 2 stays loaded until its init returns")
		if n := h.liveCount(); n != 2 {
			t.Errorf("%d versions are loaded, want 2", n)
		}
		close(release)
		synctest.Wait()
		if n := h.liveCount(); n != 1 {
			t.Errorf("%d versions are loaded, want 1", n)
		}
		h.end(t)
	})
}

func TestAPanicInAStepIsAFailureOfItsVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, reload.ExitFirst, "greeter")
		h.offer(t, "greeter", 1, behaviour{})
		h.offer(t, "greeter", 2, behaviour{panics: reload.Init})
		h.wantOutcomes(t, "greeter: generation 1 answers now",
			"greeter: generation 2 failed: init: panic: at the disco; generation 1 goes on")
		h.end(t)
	})
}

func TestAStepThatIsNotPossibleNowIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, reload.SideBySide, "greeter")
		var times atomic.Int32
		times.Store(1)
		h.offer(t, "greeter", 1, behaviour{notNow: &times})
		time.Sleep(2 * time.Second)
		h.wantOutcomes(t,
			"greeter: generation 1 is tried again in 1s (attempt 1): load: the loader is busy: not possible at the moment; there is no other version",
			"greeter: generation 1 answers now")
		h.end(t)
	})
}

// A language with a thread of its own runs all steps there, one after another, and
// their limits count from when they begin.
func TestStepsRunWhereTheLanguageWantsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{language: newLanguage("a", "b")}
		jobs := make(chan func(), 100)
		closed := false
		h.Engine = reload.New(reload.Config{Steps: h.language, Outcome: h.tell,
			Run: func(_ reload.Step, _ reload.Version, f func()) error {
				if closed {
					return fmt.Errorf("the loop is closed: %w", reload.ErrNotNow)
				}
				jobs <- f
				return nil
			}})
		if err := h.Add([]reload.Plugin{{ID: "a"}, {ID: "b"}}); err != nil {
			t.Fatal(err)
		}
		h.offer(t, "a", 1, behaviour{bare: true})
		h.offer(t, "b", 1, behaviour{bare: true})
		time.Sleep(time.Hour) // the thread is busy with something else
		h.wantOutcomes(t)
		go func() {
			for f := range jobs {
				f()
			}
		}()
		synctest.Wait()
		closed = true
		h.offer(t, "a", 2, behaviour{})
		want := []string{"a: generation 1 answers now",
			"a: generation 2 is tried again in 1s (attempt 1): load: the loop is closed: not possible at the moment; generation 1 goes on"}
		if got := h.outcomesOf("a"); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if got, want := h.outcomesOf("b"), []string{"b: generation 1 answers now"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		closed = false
		h.end(t)
		close(jobs)
		if slices.ContainsFunc(h.log, func(s string) bool { return strings.HasPrefix(s, "init") }) {
			t.Errorf("hooks were called that do not exist: %v", h.log)
		}
	})
}

func TestEveryMethodMayBeCalledInsideTheOutcomeFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{language: newLanguage("a", "b")}
		h.Engine = reload.New(reload.Config{Steps: h.language, Outcome: func(o reload.Outcome) {
			h.tell(o)
			switch {
			case o.Plugin == "a" && o.Generation == 1:
				if err := errors.Join(h.Add([]reload.Plugin{{ID: "b"}}), h.Offer("b", 1, behaviour{}), h.FileRemoved("a")); err != nil {
					t.Error(err)
				}
			case o.Plugin == "b" && o.Verdict == reload.Done:
				if err := h.Remove("b"); err != nil {
					t.Error(err)
				}
				if _, err := h.Status("b"); !errors.Is(err, reload.ErrUnknown) {
					t.Errorf("the status of what was removed: %v", err)
				}
				if err := h.TakeWithoutState("a"); !errors.Is(err, reload.ErrInvalid) {
					t.Errorf("no version waits: %v", err)
				}
				h.Close()
			}
			panic("the host's own")
		}})
		if err := h.Add([]reload.Plugin{{ID: "a"}}); err != nil {
			t.Fatal(err)
		}
		h.offer(t, "a", 1, behaviour{})
		<-h.Done()
		if got, want := h.outcomesOf("a"), []string{"a: generation 1 answers now", "a: its file was removed; generation 1 goes on"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if got, want := h.outcomesOf("b"), []string{"b: generation 1 answers now"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if n := h.liveCount(); n != 0 {
			t.Errorf("%d versions are left", n)
		}
	})
}

func TestWaitNamesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, reload.SideBySide, "a", "b", "c")
		release := make(chan struct{})
		for _, id := range []string{"a", "b", "c"} {
			h.offer(t, id, 1, behaviour{hang: map[string]reload.Step{"b": reload.Exit}[id], release: release})
		}
		h.offer(t, "c", 2, behaviour{hang: reload.Load, release: release})
		_, unpin, err := h.gates["a"].Acquire(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		h.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err = h.Wait(ctx)
		want := "not everything has ended: generation 1 of a is in use, the exit of generation 1 of b has not returned, " +
			"c is being exchanged (the load of generation 2 of c has not returned)"
		if !errors.Is(err, context.DeadlineExceeded) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if err := h.Add([]reload.Plugin{{ID: "d"}}); !errors.Is(err, reload.ErrClosed) {
			t.Errorf("adding to a closed engine: %v", err)
		}
		unpin()
		unpin() // does nothing
		close(release)
		<-h.Done()
	})
}

func TestTheCheckSeesWhatWasOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{language: newLanguage("crt", "key")}
		h.Engine = reload.New(reload.Config{Steps: h.language, Outcome: h.tell, Check: func(set string, candidates []reload.Candidate) error {
			a, b := candidates[0].Source.(behaviour).kept, candidates[1].Source.(behaviour).kept
			if a == "panic" {
				panic(a)
			}
			if a != b {
				return fmt.Errorf("%s: the certificate is of key %s, not %s", set, a, b)
			}
			return nil
		}})
		err := h.Add([]reload.Plugin{{ID: "crt", Together: "tls"}, {ID: "key", Together: "tls"}}, reload.Set{ID: "tls", Check: true})
		if err != nil {
			t.Fatal(err)
		}
		h.offer(t, "crt", 1, behaviour{kept: "A"})
		h.offer(t, "key", 1, behaviour{kept: "A"})
		h.offer(t, "crt", 2, behaviour{kept: "B"})
		time.Sleep(time.Minute)
		h.offer(t, "key", 2, behaviour{kept: "B"})
		h.offer(t, "crt", 3, behaviour{kept: "panic"})
		time.Sleep(time.Minute)
		for id, want := range map[string][]string{
			"crt": {"crt: generation 1 answers now, together with key generation 1",
				"crt: generation 2 waits: the set tls does not fit after 30s: tls: the certificate is of key B, not A; generation 1 goes on",
				"crt: generation 2 answers now, together with key generation 2",
				"crt: generation 1 stays in memory: A",
				"crt: generation 3 waits: the set tls does not fit after 30s: the check panicked; generation 2 goes on"},
			"key": {"key: generation 1 answers now, together with crt generation 1",
				"key: generation 2 answers now, together with crt generation 2",
				"key: generation 1 stays in memory: A"},
		} {
			if got := h.outcomesOf(id); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		h.end(t)
	})
}

func TestBadArgumentsAreNamed(t *testing.T) {
	e := reload.New(reload.Config{Steps: newLanguage()})
	for want, err := range map[string]error{
		"a plugin has no ID": e.Add([]reload.Plugin{{}}),
		"a set has no ID":    e.Add(nil, reload.Set{}),
		`set "s" is to be checked, but Config.Check is nil`:                     e.Add(nil, reload.Set{ID: "s", Check: true}),
		`plugin "a": mode 9 does not exist`:                                     e.Add([]reload.Plugin{{ID: "a", Mode: 9}}),
		`plugin "a": there is no set "s"; add it first or with the plugin`:      e.Add([]reload.Plugin{{ID: "a", Together: "s"}}),
		`plugin "a" needs "b", which does not exist; add that first or with it`: e.Add([]reload.Plugin{{ID: "a", Needs: []string{"b"}}}),
		"plugins need each other: a needs b needs a; remove one of these needs": e.Add([]reload.Plugin{{ID: "a", Needs: []string{"b"}}, {ID: "b", Needs: []string{"a"}}}),
		`there is a plugin "a" already; remove it first`:                        e.Add([]reload.Plugin{{ID: "a"}, {ID: "a"}}),
		`there is no plugin "a\n"; add it first`:                                e.Offer("a\n", 1, nil),
		`there is no plugin "b"; add it first`:                                  e.Remove("b"),
	} {
		var typed *reload.Error
		if !errors.As(err, &typed) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	e.Close()
	<-e.Done()
}

func TestLongNamesLeaveTheEndOfAnError(t *testing.T) {
	e := reload.New(reload.Config{Steps: newLanguage()})
	long := strings.Repeat("d", 4000)
	err := e.Add([]reload.Plugin{{ID: long, Needs: []string{long + "e"}}})
	if text := err.Error(); len(text) > 1000 || !strings.HasSuffix(text, "which does not exist; add that first or with it") {
		t.Errorf("%d bytes: %s", len(text), text)
	}
	e.Close()
	<-e.Done()
}

func TestNoMessageShowsHostileTextAsItIs(t *testing.T) {
	for _, in := range printabletest.Hostile {
		for _, text := range []string{
			reload.Outcome{Plugin: in, Verdict: reload.Failed, Generation: 2, Reason: in, Down: in, Notes: []string{in}}.String(),
			(&reload.Error{Kind: reload.ErrInvalid, Msg: in}).Error(),
		} {
			if why := printabletest.Fault(text); why != "" {
				t.Errorf("%q: %s", text, why)
			}
		}
	}
}

// Outcomes go into logs as they are.
func TestAnOutcomeIsOneLineWhateverTheLanguageSays(t *testing.T) {
	o := reload.Outcome{Plugin: "p", Verdict: reload.Failed, Generation: 2, Active: 1, Step: reload.Init,
		Reason: "first\nsecond\x1b[31m \u202e \xff"}
	if got, want := o.String(), `p: generation 2 failed: init: first\nsecond\x1b[31m \u202e \xff; generation 1 goes on`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	o.Reason = strings.Repeat("€", 1000)
	if got := o.String(); len(got) > 1000 || !strings.HasSuffix(got, "€...") {
		t.Errorf("%d bytes: ...%s", len(got), got[len(got)-20:])
	}
}

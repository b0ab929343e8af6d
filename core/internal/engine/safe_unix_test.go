// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestSnapshotIsAPrivateCopyOfTheCheckedBytes(t *testing.T) {
	h := newSafe(t, Options{}, Safe{}, "v1")
	ev := h.change("v1")
	if ev.Generation != 1 || ev.SnapshotSize != 2 || ev.SnapshotHash != "3bfc269594ef649228e9a74bab00f042efc91d5acc6fbee31a382e80d42388fe" {
		t.Fatalf("event %+v", ev)
	}
	if filepath.Base(ev.Snapshot) != "plugin.so" {
		t.Fatalf("the snapshot %s has not the plugin's name", ev.Snapshot)
	}
	for path, mode := range map[string]fs.FileMode{ev.Snapshot: 0o500, filepath.Dir(ev.Snapshot): 0o500 | fs.ModeDir, h.snapshots: 0o700 | fs.ModeDir} {
		if st, err := os.Stat(path); err != nil || st.Mode() != mode {
			t.Errorf("%s: mode %v, %v; want %v", path, st.Mode(), err, mode)
		}
	}
	h.put(h.file, "v2 in place")
	second := h.change("v2 in place")
	if second.Snapshot == ev.Snapshot {
		t.Error("a snapshot's name was used again")
	}
	if h.read(ev.Snapshot) != "v1" {
		t.Error("the first snapshot was written to")
	}
	h.m.Close()
	if list, err := os.ReadDir(h.snapshots); err != nil || len(list) != 0 {
		t.Errorf("after Close the snapshot directory holds %v, %v", list, err)
	}
}

func TestOnlyLaterChangesWithoutDeliverPresent(t *testing.T) {
	h := quietSafe(t, Options{})
	h.put(h.file, "v1")
	h.must(h.m.Enable("p", h.file, EnableOptions{Safe: &Safe{}}))
	h.replace(h.file, "v2")
	h.change("v2")
}

func TestManagerWideSafeReload(t *testing.T) {
	h := quietSafe(t, Options{Safe: &Safe{}})
	h.put(h.file, "v1")
	h.must(h.m.Enable("p", h.file, EnableOptions{DeliverPresent: true}))
	h.change("v1")
}

// The attack: what was validated is exchanged, in place and by renaming, before
// the host loads it.
func TestNoGapBetweenCheckAndUse(t *testing.T) {
	h := quietSafe(t, Options{Quiet: NoQuiet})
	h.must(h.m.SetValidator(func(c Candidate) error {
		b, err := os.ReadFile(c.Snapshot)
		if err != nil || strings.HasPrefix(string(b), "evil") {
			return fmt.Errorf("%q is evil (%v)", b, err)
		}
		if string(b) != "good 0" { // seen to be good; now the file is exchanged
			h.put(h.file, "evil, in place")
			evil := h.file + ".evil" // the test may be replacing the file at the same time
			h.put(evil, "evil, renamed after "+string(b))
			h.must(os.Rename(evil, h.file))
		}
		return nil
	}, nil))
	h.put(h.file, "good 0")
	h.enable(Safe{})
	h.change("good 0")
	for i := range 50 {
		good := fmt.Sprint("good ", i+1)
		h.replace(h.file, good)
		h.until("the evil version is refused", func() bool {
			select {
			case ev := <-h.events:
				if ev.Kind == FileChanged {
					if got := h.read(ev.Snapshot); !strings.HasPrefix(got, "good") {
						t.Fatalf("the host would have loaded %q", got)
					}
				}
				return ev.Kind == Rejected
			default:
				return false
			}
		})
	}
}

// A change at any moment of the vetting makes it void; what is told is whole.
func TestChangeDuringValidationSupersedesTheCandidate(t *testing.T) {
	for _, at := range []string{"begun", "made", "opened", "copying", "copied", "sealed", "stable", "validated"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			var h *safeHost
			var once atomic.Bool
			h = quietSafe(t, Options{step: func(step string) {
				if step == at && once.CompareAndSwap(false, true) {
					h.put(h.file, strings.Repeat("second ", 1000))
				}
			}})
			h.put(h.file, "first")
			h.enable(Safe{})
			ev := h.next(FileChanged)
			if got := h.read(ev.Snapshot); got == "first" { // told before the change was noticed: possible at the end only
				if at != "validated" && at != "stable" {
					t.Fatalf("told %q although the file changed at %q", got, at)
				}
				ev = h.next(FileChanged)
			}
			if got := h.read(ev.Snapshot); got != strings.Repeat("second ", 1000) {
				t.Fatalf("the snapshot holds %.20q… (%d bytes)", got, len(got))
			}
		})
	}
}

// A version that is moved away while it is vetted, and back, was not refused.
func TestMovedAwayAndBackDuringValidation(t *testing.T) {
	for _, at := range []string{"begun", "made", "opened", "copying", "copied", "sealed", "stable", "validated"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			var h *safeHost
			var once atomic.Bool
			away := make(chan struct{})
			h = quietSafe(t, Options{step: func(step string) {
				if step == at && once.CompareAndSwap(false, true) {
					h.must(os.Rename(h.file, h.file+".away"))
					close(away)
				}
			}})
			h.put(h.file, "first")
			h.enable(Safe{})
			<-away
			h.until("the version was let go", func() bool { return h.stats().Validating == 0 })
			h.must(os.Rename(h.file+".away", h.file))
			if ev := h.next(FileChanged); h.read(ev.Snapshot) != "first" {
				t.Fatalf("the snapshot holds %q", h.read(ev.Snapshot))
			}
			if s := h.stats(); s.Rejected != 0 {
				t.Fatalf("%d rejections of a file that was only away", s.Rejected)
			}
		})
	}
}

// A link is retargeted while the version behind it is vetted, and back: what was
// copied meanwhile is not what was looked at.
func TestRetargetedThereAndBackDuringValidation(t *testing.T) {
	for _, at := range [][2]string{{"begun", "made"}, {"begun", "copied"}, {"made", "opened"}, {"made", "sealed"}, {"begun", ""}} {
		t.Run(at[0]+" "+at[1], func(t *testing.T) {
			t.Parallel()
			var h *safeHost
			var armed, back atomic.Bool
			retarget := func(to string) {
				h.must(os.Symlink(to, h.file+".tmp"))
				h.must(os.Rename(h.file+".tmp", h.file))
			}
			h = quietSafe(t, Options{step: func(step string) {
				if step == at[0] && armed.CompareAndSwap(true, false) {
					retarget("old")
					back.Store(true)
				}
				if step == at[1] && back.CompareAndSwap(true, false) {
					retarget("new")
				}
			}})
			h.put(filepath.Join(h.dir, "old"), "version 1")
			h.put(filepath.Join(h.dir, "new"), "version 2, longer")
			h.must(os.Symlink("old", h.file))
			h.enable(Safe{})
			h.change("version 1")
			armed.Store(true)
			retarget("new")
			h.until("it was vetted", func() bool { return !armed.Load() && h.stats().Validating == 0 })
			if back.CompareAndSwap(true, false) { // given up before that step
				retarget("new")
			}
			h.change("version 2, longer")
		})
	}
}

func TestValidatorRejectsAcceptsAndTimesOut(t *testing.T) {
	h := quietSafe(t, Options{})
	released := make(chan struct{})
	block := make(chan struct{})
	h.must(h.m.SetValidator(func(c Candidate) error {
		b, _ := os.ReadFile(c.Snapshot)
		switch {
		case c.ID != "p" || c.Path != h.file || c.SnapshotSize != int64(len(b)) || len(c.SnapshotHash) != 64:
			return fmt.Errorf("odd candidate %+v", c)
		case strings.HasPrefix(string(b), "bad"):
			return errors.New("it says bad")
		case strings.HasPrefix(string(b), "slow"):
			<-block
		}
		return nil
	}, func() { close(released) }))
	h.put(h.file, "v1")
	h.enable(Safe{ValidatorTimeout: 500 * ms}) // ample for those that do not block
	h.change("v1")
	h.replace(h.file, "bad")
	if ev := h.next(Rejected); ev.Message != "it says bad" || ev.SnapshotSize != 3 {
		t.Fatalf("event %+v", ev)
	}
	h.replace(h.file, "slow")
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "no verdict within 500ms") {
		t.Fatalf("event %+v", ev)
	}
	h.replace(h.file, "v2") // waits until the late call has returned
	close(block)
	if ev := h.change("v2"); ev.Generation != 2 {
		t.Fatalf("generation %d: what is refused must not count", ev.Generation)
	}
	if s := h.stats(); s.Rejected != 2 || s.Snapshots != 2 {
		t.Fatalf("stats %+v", s)
	}
	h.must(h.m.SetValidator(nil, nil))
	<-released
	h.replace(h.file, "bad")
	h.change("bad")
}

// A version that was overtaken while its validator ran is not told any more.
func TestOvertakenWhileValidated(t *testing.T) {
	h := quietSafe(t, Options{Quiet: 200 * ms})
	inside, leave := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	h.must(h.m.SetValidator(func(Candidate) error {
		if first.CompareAndSwap(false, true) {
			close(inside)
			<-leave
		}
		return nil
	}, nil))
	h.put(h.file, "old")
	h.enable(Safe{})
	<-inside
	h.replace(h.file, "new")
	h.until("the change was noticed", func() bool { return h.stats().Settling == 1 })
	close(leave)
	if ev := h.change("new"); ev.Generation != 1 {
		t.Fatalf("generation %d: the overtaken version was told", ev.Generation)
	}
	h.until("its snapshot is gone", func() bool { return h.stats().Snapshots == 1 })
	if n := h.stats().Superseded; n != 1 {
		t.Fatalf("%d versions count as superseded, want the one that was overtaken", n)
	}
}

func TestTimeoutMayAccept(t *testing.T) {
	h := quietSafe(t, Options{})
	block := make(chan struct{})
	h.must(h.m.SetValidator(func(Candidate) error { <-block; return errors.New("late") }, nil))
	h.put(h.file, "v1")
	h.enable(Safe{ValidatorTimeout: 20 * ms, AcceptOnTimeout: new(true)})
	h.change("v1")
	close(block)
}

// Everything may be called inside the validator, Close included.
func TestCallsInsideTheValidator(t *testing.T) {
	h := quietSafe(t, Options{})
	h.put(h.file, "v1")
	done := make(chan error, 1)
	h.must(h.m.SetValidator(func(Candidate) error {
		_, err := h.m.Disable("p")
		h.m.Close()
		done <- err
		return nil
	}, nil))
	h.enable(Safe{})
	select {
	case err := <-done:
		h.must(err)
	case <-time.After(bound):
		t.Fatal("stuck")
	}
	h.until("the snapshot directory is empty", func() bool {
		list, _ := os.ReadDir(h.snapshots)
		return len(list) == 0
	})
}

// After Disable has returned its validator call is over.
func TestDisableWaitsForTheValidator(t *testing.T) {
	h := quietSafe(t, Options{})
	h.put(h.file, "v1")
	inside, leave := make(chan struct{}), make(chan struct{})
	var over atomic.Bool
	h.must(h.m.SetValidator(func(Candidate) error {
		close(inside)
		<-leave
		over.Store(true)
		return nil
	}, nil))
	h.enable(Safe{})
	<-inside
	go func() {
		defer close(leave)
		deadline := time.Now().Add(bound)
		for on := true; on && time.Now().Before(deadline); { // Disable is under way once it is not
			on, _ = h.m.IsEnabled("p")
			runtime.Gosched()
		}
	}()
	if _, err := h.m.Disable("p"); err != nil || !over.Load() {
		t.Fatalf("Disable returned (%v) while the validator ran", err)
	}
}

func TestReportsDecideWhatIsKept(t *testing.T) {
	h := newSafe(t, Options{}, Safe{}, "v1")
	var evs []Event
	step := func(content string, o Outcome) {
		t.Helper()
		ev := h.change(content)
		evs = append(evs, ev)
		h.report(ev.Generation, o)
		h.report(ev.Generation, o) // said twice it is still one reload
	}
	step("v1", ReloadOK)
	for i := 2; i <= 5; i++ {
		h.replace(h.file, fmt.Sprint("v", i))
		step(fmt.Sprint("v", i), ReloadOK)
	}
	h.until("the good one and the one before it are left", func() bool {
		return noFile(evs[0].Snapshot) && noFile(evs[1].Snapshot) && noFile(evs[2].Snapshot) && h.stats().Snapshots == 2
	})
	if noFile(evs[3].Snapshot) || noFile(evs[4].Snapshot) {
		t.Fatal("a snapshot that is to be kept is gone")
	}
	h.report(evs[3].Generation, ReloadReleased)
	h.until("the released one is gone", func() bool { return noFile(evs[3].Snapshot) && h.stats().SnapshotBytes == 2 })
	err := h.m.ReportReload("p", 4, ReloadOK, "")
	if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), "generation 4") {
		t.Fatalf("reporting on a released generation: %v", err)
	}
	if s := h.stats(); s.ReloadsOK != 5 {
		t.Fatalf("stats %+v", s)
	}
}

func TestAHostThatNeverReportsHasTheNewestTwo(t *testing.T) {
	h := newSafe(t, Options{}, Safe{}, "v0")
	h.change("v0")
	for i := range 10 {
		v := fmt.Sprint("v", i+1)
		h.replace(h.file, v)
		h.change(v)
	}
	h.until("two are left", func() bool { return h.stats().Snapshots == 2 })
	h.report(10, ReloadOK)
	if err := h.m.ReportReload("p", 9, ReloadOK, ""); !errors.Is(err, ErrInvalidArgument) {
		t.Fatalf("the third newest: %v", err)
	}
}

func TestFailureOffersTheLastGoodVersion(t *testing.T) {
	h := newSafe(t, Options{}, Safe{}, "good")
	first := h.change("good")
	h.report(1, ReloadOK)
	h.replace(h.file, "bad")
	bad := h.change("bad")
	h.report(2, ReloadFailed)
	ev := h.next(Rollback)
	if ev.Generation != 1 || ev.Snapshot != first.Snapshot || h.read(ev.Snapshot) != "good" ||
		!strings.Contains(ev.Message, "generation 2 failed: as the test wants it") {
		t.Fatalf("rollback %+v", ev)
	}
	h.until("the bad one is gone", func() bool { return noFile(bad.Snapshot) })

	// The same bytes again, by touch, by rewriting, by replacing: not told.
	for i, again := range []func(){
		func() { now := time.Now(); h.must(os.Chtimes(h.file, now, now)) },
		func() { h.put(h.file, "bad") },
		func() { h.replace(h.file, "bad") },
	} {
		again()
		h.until("they are suppressed", func() bool { return h.stats().Suppressed == uint64(i+1) })
	}
	h.replace(h.file, "better")
	if ev := h.change("better"); ev.Generation != 3 {
		t.Fatalf("generation %d", ev.Generation)
	}
	h.report(3, ReloadOK)
	// Good at first, bad later.
	h.report(3, ReloadFailed)
	if ev := h.next(Rollback); ev.Generation != 1 {
		t.Fatalf("rollback %+v", ev)
	}
	h.report(1, ReloadFailed)
	if ev := h.next(Rollback); ev.Generation != 0 || ev.Snapshot != "" {
		t.Fatalf("rollback %+v, want none", ev)
	}
	if s := h.stats(); s.ReloadsFailed != 3 || s.Rollbacks != 2 || s.Deliveries != 3 {
		t.Fatalf("stats %+v", s)
	}
}

// Also right after enabling, with the content that was there then.
func TestUnchangedContentOfSafePlugins(t *testing.T) {
	h := quietSafe(t, Options{IgnoreUnchangedContent: true})
	h.put(h.file, "v1")
	h.must(h.m.Enable("p", h.file, EnableOptions{Safe: &Safe{}}))
	for i := range 3 {
		h.replace(h.file, "v1")
		h.until("it was seen to be unchanged", func() bool { s := h.stats(); return s.Unchanged > uint64(i) && s.Validating+s.Settling == 0 })
	}
	h.replace(h.file, "v2")
	h.change("v2")
	h.put(h.file, "v2")
	h.replace(h.file, "v3")
	h.change("v3")
}

func TestRetriesOfferAFailedVersionAgain(t *testing.T) {
	h := newSafe(t, Options{}, Safe{Retries: 2, RetryDelay: 10 * ms}, "flaky")
	for g := uint64(1); g <= 3; g++ {
		if ev := h.change("flaky"); ev.Generation != g {
			t.Fatalf("generation %d, want %d", ev.Generation, g)
		}
		h.report(g, ReloadFailed)
		ev, again := h.next(Rollback), []string{"offered again in 10ms", "offered again in 20ms", ""}[g-1]
		if !strings.Contains(ev.Message, again) || again == "" && strings.Contains(ev.Message, "again") {
			t.Fatalf("generation %d: %q, want %q", g, ev.Message, again)
		}
	}
	h.put(h.file, "flaky")
	h.until("it is given up", func() bool { return h.stats().Suppressed == 1 })
	if s := h.stats(); s.Retries != 2 {
		t.Fatalf("stats %+v", s)
	}
}

func TestReportsThatMakeNoSense(t *testing.T) {
	h := newSafe(t, Options{}, Safe{}, "v1")
	h.change("v1")
	h.put(filepath.Join(h.dir, "plain"), "x")
	h.must(h.m.Enable("plain", filepath.Join(h.dir, "plain"), EnableOptions{}))
	for _, c := range []struct {
		id         string
		generation uint64
		outcome    Outcome
		want       error
	}{
		{"nobody", 1, ReloadOK, ErrInvalidArgument},
		{"plain", 1, ReloadOK, ErrNotSupported},
		{"p", 0, ReloadOK, ErrInvalidArgument},
		{"p", 2, ReloadOK, ErrInvalidArgument},
		{"p", 1, 0, ErrInvalidArgument},
		{"p", 1, 4, ErrInvalidArgument},
	} {
		if err := h.m.ReportReload(c.id, c.generation, c.outcome, ""); !errors.Is(err, c.want) {
			t.Errorf("report %+v: %v", c, err)
		}
	}
}

func TestSeveralFilesAreOnePlugin(t *testing.T) {
	h := quietSafe(t, Options{})
	lib := filepath.Join(filepath.Dir(h.dir), "lib", "data.txt")
	h.must(os.Mkdir(filepath.Dir(lib), 0o755))
	h.put(h.file, "main 1")
	h.put(lib, "data 1")
	h.enable(Safe{Files: []string{"../lib/data.txt", "later.txt"}})
	later := filepath.Join(h.dir, "later.txt")
	if ev := h.next(Rejected); !strings.Contains(ev.Message, later) || !strings.Contains(ev.Message, "missing") {
		t.Fatalf("event %+v", ev)
	}
	h.put(later, "later 1")
	ev := h.change("main 1")
	at := func(rel string) string { return h.read(filepath.Join(filepath.Dir(ev.Snapshot), rel)) }
	if at("../lib/data.txt") != "data 1" || at("later.txt") != "later 1" {
		t.Fatal("the files are not in their places")
	}
	// Each file is a change of the pluginPath, all of them together are one.
	h.replace(lib, "data 2")
	if ev = h.change("main 1"); at("../lib/data.txt") != "data 2" || ev.Generation != 2 {
		t.Fatalf("event %+v", ev)
	}
	h.put(h.file, "main 3")
	h.replace(lib, "data 3")
	h.put(later, "later 3")
	if ev = h.change("main 3"); at("../lib/data.txt") != "data 3" || at("later.txt") != "later 3" || ev.Generation != 3 {
		t.Fatalf("event %+v", ev)
	}
	if runtime.GOOS == "linux" { // a writer of any of them is waited for
		f, err := os.OpenFile(lib, os.O_WRONLY|os.O_TRUNC, 0)
		h.must(err)
		h.must(os.WriteFile(later, []byte("later 4"), 0o644))
		h.until("it is being written", func() bool { return h.stats().BeingWritten == 1 })
		_, err = f.WriteString("data 4")
		h.must(errors.Join(err, f.Close()))
		if ev = h.change("main 3"); at("../lib/data.txt") != "data 4" || at("later.txt") != "later 4" {
			t.Fatalf("event %+v", ev)
		}
	}
	if _, err := h.m.Disable("p"); err != nil {
		t.Fatal(err)
	}
	h.until("its snapshots are gone", func() bool { return h.stats().Snapshots == 0 && h.stats().WatchedDirectories == 0 })
}

func TestSafeOptionsThatMakeNoSense(t *testing.T) {
	h := quietSafe(t, Options{})
	h.put(h.file, "v1")
	for what, s := range map[string]Safe{
		"is no file":                 {Files: []string{"."}},
		"no minisign public key":     {PublicKeys: []string{"RWnonsense"}},
		"there are no public_keys":   {Signature: new("x.minisig")},
		"retries of -2":              {Retries: -2},
		"keep_generations of -2":     {Keep: -2},
		"report_timeout of -1 ms":    {ReportTimeout: -ms},
		"symbols contains an empty":  {Symbols: []string{"a", ""}},
		"validator_timeout of 86400": {ValidatorTimeout: 25 * time.Hour * 1000},
	} {
		if err := h.m.Enable("p", h.file, EnableOptions{Safe: &s}); err == nil || (!strings.Contains(err.Error(), what) && what[:5] != "valid") {
			t.Errorf("%s: %v", what, err)
		}
	}
	dirs := map[string]string{
		"is no absolute path": "relative",
		"is open to others":   h.mkdir("open", 0o755),
		"is no directory":     h.link("link", h.mkdir("private", 0o700)),
		"could be exchanged":  filepath.Join(h.mkdir("anybody", 0o777), "s"),
	}
	if os.Geteuid() == 0 {
		dirs["belongs to user 12345"] = h.mkdir("others", 0o700)
		h.must(os.Chown(dirs["belongs to user 12345"], 12345, 0))
	}
	for what, dir := range dirs {
		m, err := New(Options{SnapshotDir: new(dir)})
		h.must(err)
		err = m.Enable("p", h.file, EnableOptions{Safe: &Safe{}})
		if err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", what, err)
		}
		m.Close()
	}
	if _, err := New(Options{Safe: &Safe{Files: []string{"x"}}}); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("files for every plugin: %v", err)
	}
}

// What goes wrong around a validator accepts nothing.
func TestAValidatorThatPanicsAcceptsNothing(t *testing.T) {
	h := quietSafe(t, Options{})
	h.put(h.file, "v1")
	h.must(h.m.SetValidator(func(Candidate) error { panic("while the reason is converted") }, nil))
	h.enable(Safe{})
	if ev := h.next(Health); ev.Health != HealthPanic || !strings.Contains(ev.Message, "while the reason") {
		t.Fatalf("event %+v", ev)
	}
	if s := h.stats(); s.Deliveries != 0 || !s.Failed {
		t.Fatalf("stats %+v", s)
	}
	if _, err := h.m.IsEnabled("p"); !errors.Is(err, ErrPanic) {
		t.Fatalf("after the panic: %v", err)
	}
}

//go:build unix

package core

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/watch"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// What the library asks of the system and leaves to the collector is the same on
// every machine, so that it is guarded here; time is measured in bench/.

// countingDisk counts what is asked of the real one.
type countingDisk struct {
	hookedDisk
	stats, lstats, opens, others int
}

func newCountingDisk() *countingDisk {
	d := &countingDisk{}
	d.hookedDisk = hookedDisk{fsys.OS{}, func(op, _ string, access func()) {
		switch op {
		case "Stat":
			d.stats++
		case "Lstat":
			d.lstats++
		case "Open":
			d.opens++
		case "MayRead", "Readlink", "Silent":
			d.others++
		}
		access()
	}}
	return d
}

// took returns and resets the counts: stat, lstat, files opened, anything else.
func (d *countingDisk) took() [4]int {
	n := [4]int{d.stats, d.lstats, d.opens, d.others}
	d.stats, d.lstats, d.opens, d.others = 0, 0, 0, 0
	return n
}

// stepped is a manager whose loop only takes the steps that the test has it take.
func stepped(t testing.TB, plugins int) (*Manager, *loop, *countingDisk, []string) {
	t.Helper()
	m, l, d := steppedEmpty(t)
	paths := pluginFiles(t, plugins, 1)
	if err := m.Enable("first", paths[0], EnableOptions{}); err != nil { // pays for the directory
		t.Fatal(err)
	}
	l.takeUp()
	d.took()
	enableAll(t, m, paths[1:])
	return m, l, d, paths
}

func steppedEmpty(t testing.TB) (*Manager, *loop, *countingDisk) {
	t.Helper()
	d := newCountingDisk()
	m := &Manager{opts: Options{Quiet: NoQuiet, disk: d}, done: make(chan struct{}), kick: make(chan struct{}, 1)}
	if err := m.opts.normalize(); err != nil {
		t.Fatal(err)
	}
	m.changed.L = &m.mu
	src, err := watch.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(src.Close)
	return m, newLoop(m, src), d
}

func (l *loop) takeUp() {
	l.commands()
	for len(l.waiting) > 0 {
		l.first()
	}
}

func TestWhatEnablingAsksOfTheSystem(t *testing.T) {
	const n = 100
	_, l, d, _ := stepped(t, 1+n)
	if got, want := d.took(), [4]int{n, 0, 0, n}; got != want {
		t.Errorf("Enable of %d plugins in a known directory: %v stat, lstat, open, other; want %v", n, got, want)
	}
	l.takeUp()
	if got, want := d.took(), [4]int{0, n, n, 0}; got != want {
		t.Errorf("the first look at %d plugins in a known directory: %v stat, lstat, open, other; want %v", n, got, want)
	}
}

func TestWhatADirectoryBesideAnotherAsksOfTheSystem(t *testing.T) {
	const n = 100
	m, l, d, _ := stepped(t, 1)
	paths := pluginFiles(t, 1+n, 1+n)
	enableAll(t, m, paths[:1])
	l.takeUp()
	for i, p := range paths[1:] {
		if err := m.Enable(fmt.Sprint(i), p, EnableOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	d.took()
	l.takeUp()
	// Beside the plugins: lstat and statfs.
	if got, want := d.took(), [4]int{0, 2 * n, n, n}; got != want {
		t.Errorf("%d plugins in as many directories: %v stat, lstat, open, other; want %v", n, got, want)
	}
}

// The loop is woken for the first plugin, and for those that came while it took
// that one up; for more of them it comes by itself.
func TestHowOftenEnablingWakesTheLoop(t *testing.T) {
	m, l, _, paths := stepped(t, 1)
	l.takeUp()
	l.latest = time.Time{} // it was long ago
	wakes := 0
	for i := range 100 {
		if err := m.Enable(fmt.Sprint(i), paths[0], EnableOptions{}); err != nil {
			t.Fatal(err)
		}
		select {
		case <-m.kick:
			wakes++
			l.commands()
		default:
		}
	}
	if wakes != 2 {
		t.Errorf("woken %d times for 100 plugins, want 2", wakes)
	}
	l.commands()
	if n := len(l.waiting); n != 100 {
		t.Errorf("%d plugins wait for their first look, want 100", n)
	}
}

func TestWhatAChangeAsksOfTheSystem(t *testing.T) {
	const n = 20
	_, l, d, paths := stepped(t, 1+n)
	l.takeUp()
	d.took()
	for _, p := range paths[1:] {
		if err := os.WriteFile(p+".new", []byte("v1"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(p+".new", p); err != nil {
			t.Fatal(err)
		}
		l.notified(fsnotify.Event{Name: p, Op: fsnotify.Create})
	}
	l.reconcile()
	l.settle()
	if got := l.m.queue.pending(); got != n {
		t.Fatalf("%d changes to tell, want %d", got, n)
	}
	if got, want := d.took(), [4]int{0, n, n, 0}; got != want {
		t.Errorf("%d renamed files: %v stat, lstat, open, other; want %v", n, got, want)
	}
}

func TestWhatPollingAnUnchangedFileAsksOfTheSystem(t *testing.T) {
	const n = 100
	_, l, d, _ := stepped(t, 1+n)
	l.takeUp()
	d.took()
	for _, f := range l.ws.folders {
		f.entries(func(e *entry) {
			in, _ := l.stat(e, l.at(e))
			if l.differs(e, &in) {
				t.Errorf("%s differs", e.path())
			}
		})
	}
	if got, want := d.took(), [4]int{1 + n, 0, 0, 0}; got != want {
		t.Errorf("a check of %d plugins: %v stat, lstat, open, other; want %v", 1+n, got, want)
	}
}

func TestWhatIsLeftToTheCollector(t *testing.T) {
	m, l, _, paths := stepped(t, 64)
	l.takeUp()
	irrelevant := fsnotify.Event{Name: paths[0] + ".o", Op: fsnotify.Create}
	for _, c := range []struct {
		what  string
		limit float64
		do    func()
	}{
		{"asking whether a plugin is enabled", 0, func() {
			if on, err := m.IsEnabled("id-0000000000042"); !on || err != nil {
				t.Error(on, err)
			}
		}},
		{"an irrelevant notification", 0, func() { l.notified(irrelevant) }},
		{"polling a directory of 64 unchanged files", 6 * 64, func() {
			for _, f := range l.ws.folders {
				l.compare(f)
			}
		}},
		// The entry, its text, and what tables and lists grow by.
		{"enabling and disabling a plugin", 32, func() {
			if err := m.Enable("another", paths[0], EnableOptions{}); err != nil {
				t.Error(err)
			}
			l.takeUp()
			if _, err := m.Disable("another"); err != nil {
				t.Error(err)
			}
			l.commands()
		}},
		{"a change that turns out to be none", 8, func() {
			l.notified(fsnotify.Event{Name: paths[1], Op: fsnotify.Create})
			l.reconcile()
			l.settle()
		}},
	} {
		if n := testing.AllocsPerRun(100, c.do); n > c.limit {
			t.Errorf("%s allocates %v times, at most %v are meant", c.what, n, c.limit)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	_, l, _, _ := stepped(b, 1000)
	l.takeUp()
	b.ReportAllocs()
	b.ResetTimer()
	for range (b.N + 999) / 1000 {
		for _, f := range l.ws.folders {
			l.compare(f)
		}
	}
}

func BenchmarkStat(b *testing.B) {
	paths := pluginFiles(b, 1000, 1)
	b.ResetTimer()
	for i := range b.N {
		if _, err := (fsys.OS{}).Stat(paths[i%1000]); err != nil {
			b.Fatal(err)
		}
	}
}

// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// What the library asks of the system and leaves to the collector is the same on
// every machine, so that it is guarded here; time is measured in bench/.

// countingDisk counts what is asked of the real one.
type countingDisk struct {
	hookedDisk
	stats, lstats, opens, others atomic.Int64
}

func newCountingDisk() *countingDisk {
	d := &countingDisk{}
	d.hookedDisk = hookedDisk{fsys.OS{}, func(op, _ string, access func()) {
		switch op {
		case "Stat":
			d.stats.Add(1)
		case "Lstat":
			d.lstats.Add(1)
		case "Open":
			d.opens.Add(1)
		case "MayRead", "Readlink", "Silent":
			d.others.Add(1)
		}
		access()
	}}
	return d
}

// took returns and resets the counts: stat, lstat, files opened, anything else.
func (d *countingDisk) took() [4]int64 {
	return [4]int64{d.stats.Swap(0), d.lstats.Swap(0), d.opens.Swap(0), d.others.Swap(0)}
}

// counted is a manager on a countingDisk, with one plugin, which has paid for the
// directory, and further files there.
func counted(t testing.TB, further int) (*Engine, *countingDisk, []string) {
	t.Helper()
	d := newCountingDisk()
	// Mounts elsewhere on the computer would have everything asked anew.
	m, err := New(Options{Quiet: NoQuiet, disk: d, newSource: func() (watch.Source, error) {
		s, err := watch.Open()
		return mountlessSource{s}, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	paths := makePluginFiles(t, 1+further, 1)
	if err := m.Enable("first", paths[0], EnableOptions{}); err != nil {
		t.Fatal(err)
	}
	atRest(t, m, 1)
	d.took()
	return m, d, paths[1:]
}

func TestWhatEnablingAsksOfTheSystem(t *testing.T) {
	const n = 100
	m, d, paths := counted(t, n)
	enableAll(t, m, paths)
	atRest(t, m, 1+n)
	if got, want := d.took(), [4]int64{n, n, n, n}; got != want {
		t.Errorf("enabling %d plugins in a known directory: %v stat, lstat, open, other; want %v", n, got, want)
	}
}

func TestWhatAChangeAsksOfTheSystem(t *testing.T) {
	const n = 20
	m, d, paths := counted(t, n)
	enableAll(t, m, paths)
	atRest(t, m, 1+n)
	if err := m.SetReloadCallback(func(string) {}, nil); err != nil {
		t.Fatal(err)
	}
	d.took()
	for i, p := range paths {
		if err := os.WriteFile(p+".new", []byte("v1"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(p+".new", p); err != nil {
			t.Fatal(err)
		}
		eventually(t, "delivered, and checked afterwards", func() bool {
			s, _ := m.Stats()
			return int(s.Deliveries) == i+1 && m.workers.idle()
		})
	}
	// Before the delivery and after it; a second check where the delivery had waited,
	// or the notification of the name's end came separately.
	got := d.took()
	for i, most := range [4]int64{4 * n, 2 * n, 3 * n, 0} {
		if got[i] > most {
			t.Errorf("%d renamed files: %v stat, lstat, open, other; want at most %v", n, got, [4]int64{4 * n, 2 * n, 3 * n, 0})
			break
		}
	}
}

func TestWhatPollingAnUnchangedFileAsksOfTheSystem(t *testing.T) {
	const n = 100
	m, d, paths := counted(t, n)
	enableAll(t, m, paths)
	atRest(t, m, 1+n)
	d.took()
	compareAll(m)
	eventually(t, "all files are compared", m.workers.idle)
	got := d.took()
	if want := [4]int64{1 + n, 0, 0, 0}; got != want {
		t.Errorf("comparing %d plugins: %v stat, lstat, open, other; want %v", 1+n, got, want)
	}
}

// compareAll compares all plugins with the disk once, as polling does.
func compareAll(m *Engine) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.intake.set.Folders(func(f *watch.Folder) { m.compareFolder(f, watch.Differs, nil) })
}

func TestWhatIsLeftToTheCollector(t *testing.T) {
	m, _, paths := counted(t, 64)
	enableAll(t, m, paths)
	atRest(t, m, 65)
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
		{"an irrelevant notification", 1, func() { m.step(func() { m.noteEvent(irrelevant, time.Now()) }) }},
	} {
		if n := testing.AllocsPerRun(100, c.do); n > c.limit {
			t.Errorf("%s allocates %v times, at most %v are meant", c.what, n, c.limit)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	m, _, paths := counted(b, 1000)
	enableAll(b, m, paths)
	atRest(b, m, 1001)
	b.ReportAllocs()
	b.ResetTimer()
	for range (b.N + 999) / 1000 {
		compareAll(m)
		eventually(b, "all files are compared", m.workers.idle)
	}
}

func BenchmarkStat(b *testing.B) {
	paths := makePluginFiles(b, 1000, 1)
	b.ResetTimer()
	for i := range b.N {
		if _, err := (fsys.OS{}).Stat(paths[i%1000]); err != nil {
			b.Fatal(err)
		}
	}
}

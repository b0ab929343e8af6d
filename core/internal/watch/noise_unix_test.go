// SPDX-License-Identifier: MIT

//go:build unix

package watch

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// noisyForest has the leaf plugins/p, whose directory is watched.
func noisyForest(t *testing.T) (f *forest, dir string, l *Leaf) {
	if CloseWrite == 0 {
		t.Skip("this system does not report that a writer has closed a file")
	}
	f = newForest(t)
	f.now = time.Unix(1_000_000_000, 0)
	dir = filepath.Join(f.root, "plugins")
	f.must(os.Mkdir(dir, 0o755))
	f.must(os.WriteFile(filepath.Join(dir, "p"), nil, 0o644))
	l = f.add(filepath.Join(dir, "p"))
	f.settle()
	f.noted()
	return f, dir, l
}

func (f *forest) write(path string, times int) {
	for range times {
		f.note(path, fsnotify.Write)
	}
	f.carryOut()
}

// restored is how many folders are to be compared because writes are notified again.
func (f *forest) restored() (n int) {
	f.set.Restored(func(*Folder) { n++ })
	return n
}

func TestWritesAreLeftOutWhereTheyAreNoise(t *testing.T) {
	f, dir, _ := noisyForest(t)
	f.write(filepath.Join(dir, "log"), noisyWrites-1)
	if f.src.spared[dir] {
		t.Fatal("a few writes are noise")
	}
	f.now = f.now.Add(time.Second)
	f.write(filepath.Join(dir, "log"), noisyWrites-1)
	if f.src.spared[dir] {
		t.Fatal("as many writes in a longer time are noise")
	}
	f.write(filepath.Join(dir, "log"), 1)
	if !f.src.spared[dir] {
		t.Fatal("many writes at once are no noise")
	}
	until := f.set.SparedUntil()
	if want := f.now.Add(sparedFor); !until.Equal(want) {
		t.Fatalf("writes are left out until %v, want %v", until, want)
	}
	f.set.EndSparing(until.Add(-1))
	f.carryOut()
	if !f.src.spared[dir] || f.restored() != 0 {
		t.Fatal("it ends too early")
	}
	f.set.EndSparing(until)
	f.carryOut()
	if f.src.spared[dir] || f.restored() != 1 || f.restored() != 0 {
		t.Fatal("writes are not asked for again, or the folder not compared once")
	}
	if !f.set.SparedUntil().IsZero() {
		t.Fatal("something is still waited for")
	}
	f.write(filepath.Join(dir, "log"), noisyWrites)
	if !f.src.spared[dir] {
		t.Fatal("the noise goes on unheeded")
	}
}

func TestWritesOfAPluginAreNoNoise(t *testing.T) {
	f, dir, _ := noisyForest(t)
	f.write(filepath.Join(dir, "p"), 10*noisyWrites)
	if f.src.spared[dir] {
		t.Error("writes are left out")
	}
	for range 10 * noisyWrites {
		f.note(filepath.Join(dir, "log"), fsnotify.Write|CloseWrite)
		f.note(filepath.Join(dir, "other"), fsnotify.Create)
	}
	if f.carryOut(); f.src.spared[dir] {
		t.Error("writes are left out because of what is reported all the same")
	}
}

func TestWritesAreNeededWhereNothingElseTellsOfWriters(t *testing.T) {
	f, dir, l := noisyForest(t)
	f.write(filepath.Join(dir, "log"), noisyWrites)
	f.set.NeedsWrites(l)
	f.set.EndSparing(f.now)
	if f.carryOut(); f.src.spared[dir] || f.restored() != 1 {
		t.Fatal("writes are still left out")
	}
	f.now = f.now.Add(time.Second)
	if f.write(filepath.Join(dir, "log"), 10*noisyWrites); f.src.spared[dir] {
		t.Fatal("writes are left out again")
	}
	// The same directory, watched anew.
	f.set.Renew()
	f.settle()
	f.now = f.now.Add(time.Second)
	if f.write(filepath.Join(dir, "log"), 10*noisyWrites); f.src.spared[dir] {
		t.Fatal("writes are left out once the directory is watched anew")
	}
}

func TestDirectoryThatIsWatchedAnewReportsWrites(t *testing.T) {
	f, dir, l := noisyForest(t)
	f.write(filepath.Join(dir, "log"), noisyWrites)
	f.set.Renew()
	f.settle()
	if f.src.spared[dir] || !f.set.SparedUntil().IsZero() || f.restored() != 0 {
		t.Error("writes are left out in the new watch")
	}
	f.now = f.now.Add(time.Second)
	f.write(filepath.Join(dir, "log"), noisyWrites)
	f.set.Remove(l)
	f.carryOut()
	if !f.set.SparedUntil().IsZero() || f.src.watched[dir] {
		t.Error("something is left of the directory")
	}
	f.mustBeEmpty()
}

func TestCloseStandsForTheWritesThatAreLeftOut(t *testing.T) {
	f, dir, _ := noisyForest(t)
	signs := func() (signs Signs) {
		f.note(filepath.Join(dir, "p"), CloseWrite)
		f.set.Noted(func(_ *Leaf, s Signs) { signs |= s })
		return signs
	}
	if got := signs(); got != Closed {
		t.Errorf("a close is noted as %b, want %b", got, Closed)
	}
	f.write(filepath.Join(dir, "log"), noisyWrites)
	if got := signs(); got != Written|Closed {
		t.Errorf("while writes are left out, a close is noted as %b, want %b", got, Written|Closed)
	}
	// The writer may have written before they were notified again.
	f.set.EndSparing(f.set.SparedUntil())
	f.carryOut()
	if got := signs(); got != Written|Closed {
		t.Errorf("once writes were left out, a close is noted as %b, want %b", got, Written|Closed)
	}
}

func TestSourceThatCannotLeaveOutWritesIsNotAskedAgain(t *testing.T) {
	f, dir, _ := noisyForest(t)
	f.src.refuse = os.ErrInvalid
	f.write(filepath.Join(dir, "log"), noisyWrites)
	f.src.refuse = nil
	f.now = f.now.Add(time.Second)
	f.write(filepath.Join(dir, "log"), 10*noisyWrites)
	if f.src.spared[dir] || f.restored() != 0 {
		t.Error("it is asked again")
	}
}

func TestManyPluginsAreComparedLessOften(t *testing.T) {
	f, dir, _ := noisyForest(t)
	const plugins = 20_000
	folder := f.leaves[0].folder
	for i := range plugins {
		l := NewLeaf(uint32(i+1), folder, string(rune('a'+i%26))+time.Duration(i).String())
		f.set.Add(&l)
	}
	if f.write(filepath.Join(dir, "log"), 10*noisyWrites); f.src.spared[dir] {
		t.Error("all plugins are compared because of a few writes")
	}
	f.write(filepath.Join(dir, "log"), plugins/noisyParts)
	if got, want := f.set.SparedUntil().Sub(f.now), (plugins+1)*sparedForEach; got != want {
		t.Errorf("writes are left out for %v, want %v", got, want)
	}
}

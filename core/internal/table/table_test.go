// SPDX-License-Identifier: MIT

package table_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/qtforge/hotreload/core/internal/table"
)

type thing struct{ name string }

func hash(x *thing) uint64 { return table.Hash(x.name) }

func find(t *table.Table[thing], name string) *thing {
	return t.Find(table.Hash(name), func(x *thing) bool { return x.name == name })
}

func TestTableFindsWhatAMapFinds(t *testing.T) {
	var tab table.Table[thing]
	model := map[string]*thing{}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		name := fmt.Sprint(random.IntN(600))
		if x := model[name]; x != nil {
			tab.Remove(x, hash)
			delete(model, name)
		} else {
			x = &thing{name}
			tab.Add(x, hash)
			model[name] = x
		}
		for range 3 {
			name := fmt.Sprint(random.IntN(600))
			if got := find(&tab, name); got != model[name] {
				t.Fatalf("%q: found %v, want %v", name, got, model[name])
			}
		}
		if tab.Len() != len(model) {
			t.Fatalf("%d things, want %d", tab.Len(), len(model))
		}
	}
	seen := map[*thing]bool{}
	tab.All(func(x *thing) { seen[x] = true })
	if len(seen) != len(model) {
		t.Fatalf("%d things are visited, want %d", len(seen), len(model))
	}
	tab.Remove(&thing{"never added"}, hash)
	if tab.Len() != len(model) {
		t.Fatal("what was never added was removed")
	}
}

// Readers need no lock while another goroutine adds and removes.
func TestTableIsReadWithoutALock(t *testing.T) {
	var tab table.Table[thing]
	kept := &thing{"kept"}
	tab.Add(kept, hash)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if find(&tab, "kept") != kept || find(&tab, "never") != nil {
					t.Error("a reader found the wrong thing")
					return
				}
			}
		})
	}
	for round := range 50 {
		var some []*thing
		for i := range 100 {
			x := &thing{fmt.Sprint(round, " ", i)}
			tab.Add(x, hash)
			some = append(some, x)
		}
		for _, x := range some {
			tab.Remove(x, hash)
		}
	}
	close(done)
	readers.Wait()
}

func BenchmarkMemory(b *testing.B) {
	const n = 100_000
	things := make([]*thing, n)
	for i := range things {
		things[i] = &thing{fmt.Sprintf("plugin-%d", i)}
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	b.Run("table", func(b *testing.B) {
		for b.Loop() {
			before := heap()
			var tab table.Table[thing]
			for _, x := range things {
				tab.Add(x, hash)
			}
			b.ReportMetric(float64(heap()-before)/n, "B/thing")
			runtime.KeepAlive(&tab)
		}
	})
	b.Run("map", func(b *testing.B) {
		for b.Loop() {
			before := heap()
			m := map[string]*thing{}
			for _, x := range things {
				m[x.name] = x
			}
			b.ReportMetric(float64(heap()-before)/n, "B/thing")
			runtime.KeepAlive(m)
		}
	})
}

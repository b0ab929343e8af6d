// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"testing"
)

// What the machine itself costs for one exchange among many plugins.
func BenchmarkExchangeAmongPlugins(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld()
			var in addPlugins
			for i := range n {
				id := fmt.Sprint("plugin", i)
				in.Plugins = append(in.Plugins, Plugin{ID: id})
			}
			if err := w.input(in); err != nil {
				b.Fatal(err)
			}
			for generation := uint64(1); b.Loop(); generation++ {
				if err := w.input(offer{Plugin: in.Plugins[int(generation)%n].ID, Generation: generation}); err != nil {
					b.Fatal(err)
				}
				w.settle()
				w.out.Reset()
			}
			if len(w.faults) > 0 {
				b.Error(w.faults)
			}
		})
	}
}

// SPDX-License-Identifier: MIT

package engine

import (
	"path/filepath"
	"runtime"
	"testing"
)

// What a plugin takes of the heap is the same on every machine, but for its
// directory's path, which is kept once: the limits are for one of 48 bytes.
// Resident memory is measured in bench/.
func TestWhatAPluginTakesOfTheHeap(t *testing.T) {
	for _, c := range []struct {
		what                 string
		directories, plugins int // in each
		limit                float64
	}{
		{"in one directory", 1, 7000, 180},
		{"ten in each directory", 300, 10, 260},
		{"one in each directory", 1700, 1, 800},
	} {
		t.Run(c.what, func(t *testing.T) {
			m, err := New(Options{Quiet: NoQuiet})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			n := c.directories * c.plugins
			paths := makePluginFiles(t, n, c.directories)
			before := live()
			enableAll(t, m, paths)
			atRest(t, m, n)
			each := float64(live()-before) / float64(n)
			limit := c.limit + float64(len(filepath.Dir(paths[0]))-48)/float64(c.plugins)
			if t.Logf("%.1f bytes each, the limit is %.1f", each, limit); each > limit {
				t.Error("that is too much")
			}
			runtime.KeepAlive(m)
			runtime.KeepAlive(paths)
		})
	}
}

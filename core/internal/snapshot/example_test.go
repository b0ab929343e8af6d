// SPDX-License-Identifier: MIT

package snapshot_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/qtforge/hotreload/core/internal/snapshot"
)

// A plugin with a companion file is copied. The copies keep their relative places.
func ExampleStore_Take() {
	dir, err := os.MkdirTemp("", "snapshot")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	files := []string{filepath.Join(dir, "plugin.so"), filepath.Join(dir, "data", "table")}
	if err := os.Mkdir(filepath.Dir(files[1]), 0o755); err != nil {
		panic(err)
	}
	for _, f := range files {
		if err := os.WriteFile(f, []byte("v1"), 0o644); err != nil {
			panic(err)
		}
	}
	members, err := snapshot.Layout(files)
	if err != nil {
		panic(err)
	}
	store, err := snapshot.Open(filepath.Join(dir, "snapshots"))
	if err != nil {
		panic(err)
	}
	defer store.Close()
	snap, err := store.Take(members, snapshot.Limits{MaxBytes: 1 << 20}, func() bool { return false })
	if err != nil {
		panic(err)
	}
	for _, f := range snap.Files {
		fmt.Println(filepath.ToSlash(f.Name), f.Size)
	}
	// Output:
	// plugin.so 2
	// data/table 2
}

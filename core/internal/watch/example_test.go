// SPDX-License-Identifier: MIT

package watch_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/qtforge/hotreload/core/internal/watch"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "watch")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		panic(err)
	}
	source, err := watch.Open()
	if err != nil {
		panic(err)
	}
	defer source.Close()
	if err := source.Add(dir, true); err != nil {
		panic(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plugin.so"), nil, 0o644); err != nil {
		panic(err)
	}
	event := <-source.Events()
	fmt.Println(filepath.Base(event.Name), event.Op)
	// Output: plugin.so CREATE
}

// SPDX-License-Identifier: MIT

package core_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/qtforge/hotreload/core"
)

func ExampleFolderOptions() {
	dir, err := os.MkdirTemp("", "plugins")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	m, err := core.New(core.Options{Dispatch: core.DispatchManual})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	err = m.SetEventCallback(func(e core.Event) { fmt.Println(e.Kind, e.ID) }, nil)
	if err == nil {
		err = m.EnableFolder("plugins", dir, core.FolderOptions{Include: []string{"*.txt"}})
	}
	if err != nil {
		fmt.Println(err)
		return
	}

	greeting := filepath.Join(dir, "greeting.txt")
	for _, name := range []string{greeting, greeting + "~"} { // an editor's backup is no plugin
		if err := os.WriteFile(name, []byte("hello"), 0o600); err != nil {
			fmt.Println(err)
		}
	}
	_, _ = m.Dispatch(1, 10*time.Second)
	if err := os.Remove(greeting); err != nil {
		fmt.Println(err)
	}
	_, _ = m.Dispatch(1, 10*time.Second)
	_, _ = m.Dispatch(1, 10*time.Second)
	// Output:
	// Discovered plugins/greeting.txt
	// FileChanged plugins/greeting.txt
	// FileRemoved plugins/greeting.txt
	// Disabled plugins/greeting.txt
}

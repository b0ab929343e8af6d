// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// pluginFiles makes n files with names of 16 characters in dirs directories.
func makePluginFiles(t testing.TB, n, dirs int) (paths []string) {
	t.Helper()
	root := t.TempDir()
	for i := range n {
		dir := filepath.Join(root, fmt.Sprintf("d%05d", i%dirs))
		if i < dirs {
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		p := filepath.Join(dir, fmt.Sprintf("plugin%07d.so", i))
		if err := os.WriteFile(p, []byte("v0"), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

func enableAll(t testing.TB, m *Engine, paths []string) {
	t.Helper()
	for i, p := range paths {
		if err := m.Enable(fmt.Sprintf("id-%013d", i), p, EnableOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// atRest waits until the loop has looked at everything.
func atRest(t testing.TB, m *Engine, plugins int) {
	t.Helper()
	eventually(t, "the plugins are at rest", func() bool {
		s, err := m.Stats()
		if err != nil {
			t.Fatal(err)
		}
		return s.Settling == 0 && int(s.Unchanged) >= plugins
	})
}

// eventually waits until ok, at most a minute.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); runtime.Gosched() {
		if ok() {
			return
		}
	}
	t.Fatal("not within a minute: " + what)
}

func BenchmarkEnable(b *testing.B) {
	m, err := New(Options{Quiet: NoQuiet})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	paths := makePluginFiles(b, b.N, 1)
	b.ReportAllocs()
	b.ResetTimer()
	enableAll(b, m, paths)
	b.StopTimer()
	atRest(b, m, b.N)
}

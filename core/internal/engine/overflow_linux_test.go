// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/qtforge/hotreload/core/internal/watch"
)

// The loop is held up in a wakeup callback while the kernel's queue runs over:
// the notifications of the plugins' changes are really lost.
func TestOverflowOfTheKernelQueueHeals(t *testing.T) {
	h := onDisk(t, Options{})
	limit, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	h.must(err)
	events, err := strconv.Atoi(strings.TrimSpace(string(limit)))
	h.must(err)

	m, err := New(Options{Dispatch: DispatchManual, Quiet: 30 * ms})
	h.must(err)
	t.Cleanup(m.Close)
	told := map[string]int{}
	overflows := 0
	h.must(m.SetEventCallback(func(e Event) {
		switch {
		case e.Kind == FileChanged:
			told[e.ID]++
		case e.Health == HealthOverflow:
			overflows++
		}
	}, nil))
	const plugins = 20
	file := func(i int) string { return filepath.Join(h.dir, "sub", fmt.Sprint("plugin-", i)) }
	for i := range plugins {
		h.put(file(i), "v0")
		h.must(m.Enable(fmt.Sprint("p", i), file(i), EnableOptions{}))
	}
	_, err = m.Dispatch(0, 0)
	h.must(err)
	m.mu.Lock() // nothing is read until the kernel's queue has overflowed

	// Alternating, or the kernel merges equal events.
	a, err := os.Create(filepath.Join(h.dir, "sub", "noise-a"))
	h.must(err)
	defer a.Close()
	b, err := os.Create(filepath.Join(h.dir, "sub", "noise-b"))
	h.must(err)
	defer b.Close()
	for range events/2 + watch.Buffer + 2000 {
		for _, f := range []*os.File{a, b} {
			_, err := f.WriteAt([]byte("x"), 0)
			h.must(err)
		}
	}
	for i := range plugins {
		h.replace(file(i), "changed unheard")
	}
	m.mu.Unlock()
	h.await("all delivered", func() bool {
		_, err := m.Dispatch(0, 10*ms)
		h.must(err)
		return len(told) == plugins && overflows > 0
	})
	// A sentinel each: nothing else was on its way.
	for i := range plugins {
		h.replace(file(i), "sentinel")
	}
	want := func(n int) bool {
		for i := range plugins {
			if told[fmt.Sprint("p", i)] < n {
				return false
			}
		}
		return true
	}
	h.await("sentinels told", func() bool { _, err := m.Dispatch(0, 10*ms); h.must(err); return want(2) })
	for id, n := range told {
		if n > 3 || (id != "p0" && n != 2) {
			t.Errorf("%s was told %d times", id, n)
		}
	}
}

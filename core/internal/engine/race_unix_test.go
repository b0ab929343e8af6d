// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Each plugin has one goroutine that disables and enables it and one that
// replaces its file meanwhile; another pauses and resumes. No change may come
// after disable has returned, or during a pause; in the end the last one came.
func TestEnableDisableAndPauseRacingWithChanges(t *testing.T) {
	const plugins, rounds = 6, 60
	h := onDisk(t, Options{Quiet: 2 * ms})
	type state struct {
		path string
		off  atomic.Bool
		last atomic.Value // content at the last delivery, or when it was enabled
	}
	var paused atomic.Bool
	states := map[string]*state{}
	for i := range plugins {
		id := fmt.Sprint("plugin-", i)
		s := &state{path: filepath.Join(h.dir, "sub", id)}
		h.put(s.path, "v0")
		s.last.Store("v0")
		states[id] = s
	}
	h.must(h.m.SetReloadCallback(func(id string) {
		s := states[id]
		if s == nil {
			return
		}
		if s.off.Load() {
			t.Errorf("%s: told after disable had returned", id)
		}
		if paused.Load() {
			t.Errorf("%s: told during a pause", id)
		}
		b, err := os.ReadFile(s.path)
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
		s.last.Store(string(b))
	}, nil))

	moment := func() { <-time.After(time.Duration(rand.IntN(4000)) * time.Microsecond) }
	var work sync.WaitGroup
	for id, s := range states {
		h.must(h.m.Enable(id, s.path, EnableOptions{}))
		work.Go(func() {
			for v := range rounds {
				h.replace(s.path, fmt.Sprint("v", v+1))
				moment()
			}
		})
		work.Go(func() {
			for range rounds / 2 {
				if was, err := h.m.Disable(id); err != nil || !was {
					t.Errorf("disable %s: %v, %v", id, was, err)
				}
				s.off.Store(true)
				moment()
				s.off.Store(false)
				if err := h.m.Enable(id, s.path, EnableOptions{}); err != nil {
					t.Errorf("enable %s: %v", id, err)
				}
				moment()
			}
		})
	}
	work.Go(func() {
		for range rounds {
			h.must(h.m.SetGlobalEnabled(false))
			paused.Store(true)
			moment()
			paused.Store(false)
			h.must(h.m.SetGlobalEnabled(true))
			moment()
		}
	})
	work.Wait()
	for id, s := range states {
		h.replace(s.path, "the last version")
		h.await(id, func() bool { return s.last.Load() == "the last version" })
	}
}

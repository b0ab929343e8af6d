// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/watch"
)

// mortalSource reports nothing, and ends when its channel is closed.
type mortalSource struct {
	muteSource
	events chan fsnotify.Event
}

func (s mortalSource) Events() <-chan fsnotify.Event { return s.events }

func TestASourceWhoseDescriptorTheHostClosedIsReplacedAndNothingIsLost(t *testing.T) {
	for what, next := range map[string]func() (watch.Source, error){
		"another one":        watch.Open,
		"none, for a moment": func() (watch.Source, error) { return nil, errors.New("no descriptor is left") },
	} {
		t.Run(what, func(t *testing.T) {
			h := onDisk(t, Options{})
			path := filepath.Join(h.dir, "p.so")
			h.put(path, "v1")
			first := mortalSource{events: make(chan fsnotify.Event)}
			opened := 0
			m, told := linkHostOf(h, Options{PollInterval: 50 * ms, newSource: func() (watch.Source, error) {
				switch opened++; opened {
				case 1:
					return first, nil
				case 2:
					return next()
				}
				return watch.Open()
			}})
			health := make(chan HealthCode, 100)
			h.must(m.SetEventCallback(func(e Event) {
				if e.Kind == Health {
					health <- e.Health
				}
			}, nil))
			h.must(m.Enable("p", path, EnableOptions{}))
			h.put(path, "version 2") // of which nobody is notified
			close(first.events)
			for _, version := range []string{"version 3", "version 4"} {
				select {
				case <-told:
				case <-time.After(bound):
					t.Fatalf("nothing was delivered before %s", version)
				}
				h.put(path, version)
			}
			select {
			case code := <-health:
				if code != HealthDescriptors {
					t.Errorf("the health event is %v", code)
				}
			case <-time.After(bound):
				t.Error("no health event")
			}
		})
	}
}

func TestASnapshotThatACallbackLoadsOutlivesClose(t *testing.T) {
	for _, inside := range []bool{true, false} {
		h := onDisk(t, Options{})
		path, snapshots := filepath.Join(h.dir, "p.so"), filepath.Join(h.dir, "snapshots")
		h.put(path, "v1")
		m, err := New(Options{Dispatch: DispatchManual, SnapshotDir: &snapshots})
		h.must(err)
		closed, text := make(chan struct{}), ""
		h.must(m.SetEventCallback(func(e Event) {
			if e.Kind != FileChanged {
				return
			}
			if inside {
				m.Close()
				close(closed)
			} else {
				go func() { m.Close(); close(closed) }()
				<-m.done // Close has begun
			}
			for end := time.Now().Add(300 * ms); time.Now().Before(end); time.Sleep(ms) {
				if _, err := os.Stat(e.Snapshot); err != nil {
					break // somebody has removed it
				}
			}
			found, _ := os.ReadFile(e.Snapshot)
			text = string(found)
		}, nil))
		h.must(m.Enable("p", path, EnableOptions{DeliverPresent: true, Safe: &Safe{}}))
		for !m.isClosing() {
			if n, err := m.Dispatch(1, bound); n == 0 {
				t.Fatalf("nothing is delivered: %v", err)
			}
		}
		if text != "v1" {
			t.Errorf("closed inside the callback: %v: the snapshot holds %q", inside, text)
		}
		<-closed
		h.await("the snapshots are removed", func() bool {
			left, err := os.ReadDir(snapshots)
			return err == nil && len(left) == 0
		})
	}
}

// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// burst is what many events at once cost one subject.
type burst struct {
	Subject      string
	Ours         bool
	Events       int
	CPUUs        []float64 // each, one figure a round
	Read         int64     // events that it read from the system in the last round, 0 if unknown
	PerRead      float64   // processor time for each of these, µs
	Told         int64     // in the last round
	Plugins      int64     // distinct ones
	Ratio        float64   // of the median to that of fsnotify
	RatioPerRead float64   // the same for each event read
}

// storm replaces 10,000 plugins at once, again and again.
func (b *bench) storm() error {
	n := b.scaled(10_000)
	kinds := []kind{fsnotifyDrop, hotreload, defaultQuiet, floor, uv, watchdog}
	paths, list, err := b.pluginFiles("storm", n, 1)
	if err != nil {
		return err
	}
	aside := filepath.Join(b.scratch, "aside")
	if err := os.Mkdir(aside, 0o755); err != nil {
		return err
	}
	b.results.Storm, err = b.bursts(kinds, list, n, n, func() (func() error, error) {
		for i := range paths {
			if err := os.WriteFile(fmt.Sprintf("%s/%d", aside, i), []byte("next version"), 0o644); err != nil {
				return nil, err
			}
		}
		return func() error {
			for i, p := range paths {
				if err := os.Rename(fmt.Sprintf("%s/%d", aside, i), p); err != nil {
					return err
				}
			}
			return nil
		}, nil
	})
	return err
}

// noise makes events for files that are no plugins in a watched directory.
func (b *bench) noise() error {
	files := b.scaled(25_000)
	kinds := []kind{fsnotifyDrop, hotreload, floor, uv, watchdog}
	_, list, err := b.pluginFiles("noise", 1000, 1)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.scratch, "noise")
	// Created, written, closed, removed: fsnotify hears three of these and, at
	// the removal, of the attributes once more.
	b.results.Noise, err = b.bursts(kinds, list, 1000, 4*files, func() (func() error, error) {
		return func() error {
			for i := range files {
				p := fmt.Sprintf("%s/object%07d.o", dir, i)
				if err := os.WriteFile(p, []byte("object"), 0o644); err != nil {
					return err
				}
				if err := os.Remove(p); err != nil {
					return err
				}
				if i%500 == 499 {
					time.Sleep(5 * time.Millisecond) // the kernel's queue has 16,384 places
				}
			}
			return nil
		}, nil
	})
	return err
}

func (b *bench) bursts(kinds []kind, list string, plugins, events int, prepare func() (func() error, error)) ([]burst, error) {
	found := make([]burst, len(kinds))
	for round := range max(b.scaled(50)/10, 2) {
		for i, k := range kinds {
			r := &found[i]
			r.Subject, r.Ours, r.Events = k.name, k.ours, events
			s, err := b.start(k, list, "count")
			if err != nil {
				return nil, err
			}
			if _, _, err := s.say("enable"); err != nil {
				return nil, err
			}
			act, err := prepare()
			if err != nil {
				return nil, err
			}
			s.settle(10 * time.Second)
			if _, _, err := s.say("report"); err != nil {
				return nil, err
			}
			_, read, err := s.say("events")
			if err != nil {
				return nil, err
			}
			before := s.cpu()
			if err := act(); err != nil {
				return nil, err
			}
			s.settle(20 * time.Second)
			r.CPUUs = append(r.CPUUs, float64(s.cpu()-before)/1e3/float64(events))
			if _, r.Read, err = s.say("events"); err != nil {
				return nil, err
			}
			r.Read -= read
			if r.Told, r.Plugins, err = s.say("report"); err != nil {
				return nil, err
			}
			s.stop()
			fmt.Printf("round %d  %-48s %6.2f us each, told %d of %d plugins %d times\n", round, k.name,
				r.CPUUs[len(r.CPUUs)-1], r.Plugins, plugins, r.Told)
		}
	}
	for i := range found {
		base := found[slices.IndexFunc(found, func(r burst) bool { return r.Subject == fsnotifyDrop.name })]
		r := &found[i]
		r.Ratio = percentile(r.CPUUs, 50) / percentile(base.CPUUs, 50)
		if r.Read > 0 && base.Read > 0 {
			r.PerRead = percentile(r.CPUUs, 50) * float64(events) / float64(r.Read)
			r.RatioPerRead = r.Ratio * float64(base.Read) / float64(r.Read)
		}
	}
	return found, nil
}

// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"fmt"
	"os"
	"time"
)

// scaling is what many plugins cost one subject.
type scaling struct {
	Subject     string
	Ours        bool
	Plugins     int
	Directories int
	EnableUs    float64 // each, on the calling thread
	CPUUs       float64 // each, the process's processor time until at rest
	DisableUs   float64 // each
	ListUs      float64 // each
	Bytes       float64 // resident, each
	Watches     int64   // of the kernel
}

func (b *bench) scale() error {
	b.results.Scale = nil
	for _, step := range []struct {
		plugins, directories int
		kinds                []kind
	}{
		{1000, 1, []kind{hotreload, inFolder, qfswNever, fsnotifyFiles, kdirwatch, glib}},
		{10_000, 1, []kind{hotreload, inFolder, qfswNever, fsnotifyFiles, kdirwatch, glib}},
		{30_000, 1, []kind{hotreload, qfswNever}}, // quadratic: 100,000 take minutes
		{100_000, 1, []kind{hotreload, inFolder, fsnotifyFiles}},
		{100_000, 10_000, []kind{hotreload, fsnotifyFiles}},
		{1_000_000, 1000, []kind{hotreload}},
	} {
		n, dirs := step.plugins, step.directories
		if b.quick && n > 10_000 {
			continue
		}
		name := fmt.Sprintf("scale-%d-%d", n, dirs)
		_, list, err := b.pluginFiles(name, n, dirs)
		if err != nil {
			return err
		}
		for _, k := range step.kinds {
			r, err := b.scaleOne(k, list, n, dirs)
			if err != nil {
				return err
			}
			b.results.Scale = append(b.results.Scale, r)
			fmt.Printf("%7d in %5d  %-45s enable %8.2f us, cpu %8.2f us, disable %8.2f us, list %6.3f us, %6.0f B, %d watches\n",
				n, dirs, k.name, r.EnableUs, r.CPUUs, r.DisableUs, r.ListUs, r.Bytes, r.Watches)
		}
		if err := os.RemoveAll(b.scratch + "/" + name); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) scaleOne(k kind, list string, n, dirs int) (scaling, error) {
	r := scaling{Subject: k.name, Ours: k.ours, Plugins: n, Directories: dirs}
	s, err := b.start(k, list, "count")
	if err != nil {
		return r, err
	}
	defer s.stop()
	s.settle(time.Second)
	each := func(ns int64) float64 { return float64(ns) / 1e3 / float64(n) }
	before, cpu := s.resident(), s.cpu()
	t, _, err := s.say("enable")
	if err != nil {
		return r, err
	}
	r.EnableUs = each(t)
	s.settle(time.Minute)
	r.CPUUs = each(int64(s.cpu() - cpu))
	r.Bytes = float64(s.resident()-before) / float64(n)
	r.Watches = s.watches()
	if t, _, err = s.say("list"); err != nil {
		return r, err
	}
	r.ListUs = each(t)
	if n > 100_000 || (k.name == qfswNever.name && n > 10_000) {
		return r, nil // its end would take longer than it is worth
	}
	if t, _, err = s.say("disable"); err != nil {
		return r, err
	}
	r.DisableUs = each(t)
	return r, nil
}

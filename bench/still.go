// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// rest is what a subject does while nothing happens.
type rest struct {
	Subject  string
	Ours     bool
	Plugins  int
	Seconds  float64
	Switches int64 // times a thread of it ran
	CPUUs    float64
	Threads  int64
	FDs      int64
	Bytes    int64 // resident, with that many plugins
}

// idle watches all subjects at once for a minute in which no file changes.
func (b *bench) idle() error {
	b.results.Idle = nil
	n := b.scaled(10_000)
	kinds := []kind{hotreload, hotreloadQt, hotreloadPy, floor, fsnotifyDrop, qfswNever, kdirwatch, glib, uv, watchdog, watchfiles}
	_, list, err := b.pluginFiles("idle", n, 1)
	if err != nil {
		return err
	}
	var subjects []*subject
	for _, k := range kinds {
		s, err := b.start(k, list, "count")
		if err == nil {
			_, _, err = s.say("enable")
		}
		if err != nil {
			return err
		}
		defer s.stop()
		subjects = append(subjects, s)
	}
	for _, s := range subjects {
		s.settle(5 * time.Second)
	}
	var before []rest
	start := time.Now()
	for _, s := range subjects {
		before = append(before, rest{Switches: s.switches(), CPUUs: float64(s.cpu()) / 1e3})
	}
	time.Sleep(time.Duration(b.scaled(60)) * time.Second)
	seconds := time.Since(start).Seconds()
	for i, s := range subjects {
		r := rest{Subject: s.name, Ours: s.ours, Plugins: n, Seconds: seconds, Switches: s.switches() - before[i].Switches,
			CPUUs: float64(s.cpu())/1e3 - before[i].CPUUs, Threads: s.threads(), FDs: s.fds(), Bytes: s.resident()}
		b.results.Idle = append(b.results.Idle, r)
		fmt.Printf("%-48s %5d switches, %8.0f us of CPU, %2d threads, %6d fds, %6.1f MB\n", r.Subject, r.Switches, r.CPUUs, r.Threads, r.FDs, float64(r.Bytes)/1e6)
	}
	return nil
}

// call is what one question costs.
type call struct {
	Name    string
	Threads int
	Ns      []float64
}

// calls compares hrm_is_hot_reload_enabled with an empty call into Go and a map
// lookup there, and the check of one plugin's file with a stat.
func (b *bench) calls() error {
	b.results.Calls = nil
	const plugins = 1000
	_, list, err := b.pluginFiles("calls", plugins, 1)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.scratch, "calls")
	for range max(b.scaled(50)/10, 2) {
		for _, program := range []string{"calls_cgo", "calls_hotreload"} {
			out, err := exec.Command(filepath.Join(b.build, "bench", program), fmt.Sprint(plugins), dir).Output()
			if err != nil {
				return fmt.Errorf("%s: %w", program, err)
			}
			for in := bufio.NewScanner(bytes.NewReader(out)); in.Scan(); {
				var name string
				var threads int
				var ns float64
				if _, err := fmt.Sscan(in.Text(), &name, &threads, &ns); err != nil {
					return fmt.Errorf("%s: %w", program, err)
				}
				b.addCall(name, threads, ns)
			}
		}
		if err := b.checks(list, plugins); err != nil {
			return err
		}
	}
	for _, c := range b.results.Calls {
		fmt.Printf("%-14s %d threads %9.1f ns\n", c.Name, c.Threads, percentile(c.Ns, 50))
	}
	return nil
}

func (b *bench) addCall(name string, threads int, ns float64) {
	for i := range b.results.Calls {
		if c := &b.results.Calls[i]; c.Name == name && c.Threads == threads {
			c.Ns = append(c.Ns, ns)
			return
		}
	}
	b.results.Calls = append(b.results.Calls, call{name, threads, []float64{ns}})
}

// checks measures what comparing a plugin's file costs, by a manager that polls
// and with nothing else to do, and a bare stat of the same files.
func (b *bench) checks(list string, plugins int) error {
	k := hotreload
	k.env = []string{"HRM_POLL_MS=10"}
	s, err := b.start(k, list, "count")
	if err != nil {
		return err
	}
	defer s.stop()
	if _, _, err := s.say("enable"); err != nil {
		return err
	}
	time.Sleep(500 * time.Millisecond) // the first looks
	const rounds = 100
	before, start := s.cpu(), time.Now()
	time.Sleep(rounds * 10 * time.Millisecond)
	// The interval begins anew when a poll has ended.
	busy := s.cpu() - before
	polls := (time.Since(start) - busy).Seconds() * 100
	b.addCall("check", 1, float64(busy)/polls/float64(plugins))

	out, err := exec.Command(filepath.Join(b.build, "bench", "stat"), list, fmt.Sprint(rounds)).Output()
	if err != nil {
		return err
	}
	var ns float64
	if _, err := fmt.Sscan(string(out), &ns); err != nil {
		return err
	}
	b.addCall("stat", 1, ns)
	return nil
}

// sizes are those of the library.
type sizes struct {
	Bytes     int64
	LoadMs    []float64
	CreateMs  []float64
	Resident  []float64 // kB, after the first manager
	Threads   int64
	Libraries []string // what it links with
}

func (b *bench) size() error {
	b.results.Size = sizes{}
	r := &b.results.Size
	lib := filepath.Join(b.build, "bench", "release", "libhotreload.so")
	info, err := os.Stat(lib)
	if err != nil {
		return err
	}
	r.Bytes = info.Size()
	for range b.scaled(50) {
		out, err := exec.Command(filepath.Join(b.build, "bench", "load"), lib).Output()
		if err != nil {
			return err
		}
		var load, create, resident float64
		if _, err := fmt.Sscan(string(out), &load, &create, &resident, &r.Threads); err != nil {
			return err
		}
		r.LoadMs, r.CreateMs = append(r.LoadMs, load/1e6), append(r.CreateMs, create/1e6)
		r.Resident = append(r.Resident, resident)
	}
	if out, err := exec.Command("ldd", lib).Output(); err == nil {
		for line := range strings.Lines(string(out)) {
			if name, _, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(name, "lib") {
				r.Libraries = append(r.Libraries, name)
			}
		}
	}
	fmt.Printf("%d bytes, load %.2f ms, first manager %.2f ms, %.0f kB resident, %d threads\n", r.Bytes,
		percentile(r.LoadMs, 50), percentile(r.CreateMs, 50), percentile(r.Resident, 50), r.Threads)
	return nil
}

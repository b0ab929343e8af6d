// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// company is what a subject costs while others work beside its plugins.
type company struct {
	Subject string
	Ours    bool
	Percent []float64 // of a core, or of the build's processor time; one figure a round
	Read    int64     // events that it read from the system in the last round, 0 if unknown
	Told    int64     // in the last round
	Work    float64   // writes a second of the last round, or the build's processor time in s
}

// logs has two log files appended, in turns, beside 100 plugins, as fast as one program can.
func (b *bench) logs() error {
	seconds := 3 * time.Second
	kinds := []kind{fsnotifyDrop, hotreload, defaultQuiet, floor, uv, watchdog}
	_, list, err := b.pluginFiles("logs", 100, 1)
	if err != nil {
		return err
	}
	var files []*os.File
	for i := range 2 {
		f, err := os.OpenFile(fmt.Sprintf("%s/logs/log%d", b.scratch, i), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		files = append(files, f)
	}
	found := make([]company, len(kinds))
	for range max(b.scaled(50)/10, 2) {
		for i, k := range kinds {
			s, err := b.startQuietly(k, list)
			if err != nil {
				return err
			}
			read, told, err := s.tally()
			if err != nil {
				return err
			}
			writes, cpu, start := 0, s.cpu(), time.Now()
			for ; time.Since(start) < seconds; writes += 100 {
				for n := range 100 {
					if _, err := files[n%2].WriteString("a line of a log\n"); err != nil {
						return err
					}
				}
			}
			r := &found[i]
			r.Subject, r.Ours = k.name, k.ours
			r.Percent = append(r.Percent, 100*float64(s.cpu()-cpu)/float64(time.Since(start)))
			r.Work = float64(writes) / time.Since(start).Seconds()
			s.settle(20 * time.Second)
			if r.Read, r.Told, err = s.tally(); err != nil {
				return err
			}
			r.Read, r.Told = r.Read-read, r.Told-told
			s.stop()
			for _, f := range files {
				if err := f.Truncate(0); err != nil {
					return err
				}
			}
			fmt.Printf("logs  %-48s %6.2f %% of a core, %.0f writes a second, %d events\n", k.name, r.Percent[len(r.Percent)-1], r.Work, r.Read)
		}
	}
	b.results.Logs = found
	return nil
}

// startQuietly starts a subject that watches what is in the list, and lets it come to rest.
func (b *bench) startQuietly(k kind, list string) (*subject, error) {
	s, err := b.start(k, list, "count")
	if err != nil {
		return nil, err
	}
	if _, _, err = s.say("enable"); err != nil {
		s.stop()
		return nil, err
	}
	s.settle(10 * time.Second)
	return s, nil
}

// tally is how many events a subject has read from the system, and how often it has told
// something since the last time.
func (s *subject) tally() (read, told int64, err error) {
	if _, read, err = s.say("events"); err != nil {
		return 0, 0, err
	}
	told, _, err = s.say("report")
	return read, told, err
}

// buildBeside builds a plugin of 2,000 sources in the watched directory, with all subjects beside
// one another.
func (b *bench) buildBeside() error {
	objects := b.scaled(2000)
	source := filepath.Join(b.scratch, "project")
	tree := filepath.Join(source, "tree")
	plugins := filepath.Join(tree, "CMakeFiles", "plugin.dir") // the object files are there, too
	if err := writeProject(source, plugins, objects); err != nil {
		return err
	}
	if err := cmake("-S", source, "-B", tree, "-DCMAKE_BUILD_TYPE=Debug"); err != nil {
		return err
	}
	target := filepath.Join(plugins, plugin)
	if err := os.WriteFile(target, []byte("v0"), 0o644); err != nil {
		return err
	}
	list := filepath.Join(b.scratch, "project.list")
	if err := os.WriteFile(list, []byte(target+"\n"), 0o644); err != nil {
		return err
	}
	kinds := []kind{fsnotifyDrop, hotreload, defaultQuiet, floor, uv, watchdog}
	var subjects []*subject
	var read, used []int64
	for _, k := range kinds {
		s, err := b.startQuietly(k, list)
		if err != nil {
			return err
		}
		defer s.stop()
		n, _, err := s.tally()
		if err != nil {
			return err
		}
		subjects, read, used = append(subjects, s), append(read, n), append(used, int64(s.cpu()))
	}
	before := childrenTime()
	if err := cmake("--build", tree, "--parallel", "2"); err != nil {
		return err
	}
	spent := childrenTime() - before
	b.results.Build, b.results.Objects = nil, objects
	for i, s := range subjects {
		s.settle(20 * time.Second)
		r := company{Subject: s.name, Ours: s.ours, Work: spent.Seconds(), Percent: []float64{100 * float64(int64(s.cpu())-used[i]) / float64(spent)}}
		n, told, err := s.tally()
		if err != nil {
			return err
		}
		r.Read, r.Told = n-read[i], told
		b.results.Build = append(b.results.Build, r)
		fmt.Printf("build %-48s %6.2f %% of the build's %.1f s, told %d times, %d events\n", r.Subject, r.Percent[0], r.Work, r.Told, r.Read)
	}
	return nil
}

// writeProject writes a CMake project that puts its plugin beside its object files.
func writeProject(source, plugins string, objects int) error {
	if err := os.MkdirAll(plugins, 0o755); err != nil {
		return err
	}
	var names strings.Builder
	for i := range objects {
		name := fmt.Sprintf("part%04d.c", i)
		text := fmt.Sprintf("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint part%d(int n) { char s[16]; snprintf(s, sizeof s, \"%%d\", n); return (int)strlen(s) + atoi(s); }\n", i)
		if err := os.WriteFile(filepath.Join(source, name), []byte(text), 0o644); err != nil {
			return err
		}
		names.WriteString(" " + name)
	}
	text := fmt.Sprintf("cmake_minimum_required(VERSION 3.16)\nproject(parts C)\nadd_library(plugin MODULE%s)\n"+
		"set_target_properties(plugin PROPERTIES PREFIX \"\" OUTPUT_NAME %q LIBRARY_OUTPUT_DIRECTORY %q)\n",
		names.String(), strings.TrimSuffix(plugin, ".so"), plugins)
	return os.WriteFile(filepath.Join(source, "CMakeLists.txt"), []byte(text), 0o644)
}

func cmake(args ...string) error {
	cmd := exec.Command("cmake", args...)
	cmd.Env = append(os.Environ(), "CMAKE_GENERATOR=Unix Makefiles")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cmake: %w: %s", err, out)
	}
	return nil
}

// childrenTime is the processor time of the children that have ended.
func childrenTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_CHILDREN, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// load measures the delivery of a rename while two compilers run.
func (b *bench) load() error {
	source := filepath.Join(b.scratch, "load.c")
	var text strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&text, "double f%d(double x) { for (int i = 0; i < 100; i++) x = x * x + %d; return x; }\n", i, i)
	}
	if err := os.WriteFile(source, []byte(text.String()), 0o644); err != nil {
		return err
	}
	stop := make(chan struct{})
	ended := make(chan error, 2)
	for i := range 2 {
		go func() {
			for {
				select {
				case <-stop:
					ended <- nil
					return
				default:
				}
				if out, err := exec.Command("cc", "-O2", "-c", source, "-o", fmt.Sprintf("%s.%d.o", source, i)).CombinedOutput(); err != nil {
					ended <- fmt.Errorf("cc: %w: %s", err, out)
					return
				}
			}
		}()
	}
	all := map[string]*latencies{}
	kinds := []kind{floorLook, hotreload, defaultQuiet, qfswTimer}
	var err error
	for done := 0; done < b.scaled(120) && err == nil; done += perRound {
		for i := range kinds {
			kinds[i].slow = 0 // as many samples of each: the slowest of them count
		}
		err = b.latencyRound(underLoad, kinds, all)
	}
	close(stop)
	for range 2 {
		if e := <-ended; err == nil {
			err = e
		}
	}
	if err != nil {
		return err
	}
	b.results.Load = nil
	for _, k := range kinds {
		x := all[k.name]
		b.results.Load = append(b.results.Load, *x)
		fmt.Printf("%-20s %-52s p50 %8.3f  p99 %8.3f ms  lost %d of %d\n", underLoad.name, k.name, percentile(x.Ms, 50), percentile(x.Ms, 99), x.Lost, x.Lost+len(x.Ms))
	}
	return nil
}

var underLoad = change{"rename under load", 0, changes[0].do}

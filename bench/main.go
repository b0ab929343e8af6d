// SPDX-License-Identifier: MIT

//go:build linux

// Command bench measures libhotreload and its peers in one run on the same
// work, interleaved, and writes docs/benchmarks.md. `make bench` runs it; one
// part alone:
//
//	go run ./bench -part storm            # keeps the other parts' results
//	go run ./bench -part report           # only writes the report anew
//
// What is compared are programs of their own (bench/peers), driven through
// pipes. This process makes the changes and reads their clocks from outside.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// bench is one run.
type bench struct {
	build   string // where programs and results go
	scratch string // on the file system that is measured
	quick   bool
	results results
}

var parts = []struct {
	name string
	run  func(*bench) error
}{
	{"ways", (*bench).ways},
	{"latency", (*bench).latency},
	{"scale", (*bench).scale},
	{"storm", (*bench).storm},
	{"noise", (*bench).noise},
	{"logs", (*bench).logs},
	{"build", (*bench).buildBeside},
	{"load", (*bench).load},
	{"exchange", (*bench).exchange},
	{"idle", (*bench).idle},
	{"calls", (*bench).calls},
	{"size", (*bench).size},
}

func main() {
	part := flag.String("part", "", "comma-separated parts to run (empty: all); \"report\" runs none")
	build := flag.String("build", "build", "the build directory of the library and of the programs")
	out := flag.String("out", "docs", "where benchmarks.md goes")
	quick := flag.Bool("quick", false, "a tenth of the work: to see that it runs")
	flag.Parse()
	if err := run(*part, *build, *out, *quick); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(only, build, out string, quick bool) error {
	build, err := filepath.Abs(build)
	if err != nil {
		return err
	}
	b := &bench{build: build, quick: quick}
	if b.scratch, err = os.MkdirTemp(filepath.Join(build, "bench"), "scratch-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.scratch)
	stored := filepath.Join(build, "bench", "results.json")
	if text, err := os.ReadFile(stored); err == nil {
		if err := json.Unmarshal(text, &b.results); err != nil {
			return fmt.Errorf("%s: %w", stored, err)
		}
	}
	known := only == "report"
	for _, p := range parts {
		if only != "" && !strings.Contains(","+only+",", ","+p.name+",") {
			continue
		}
		known = true
		start := time.Now()
		if err := p.run(b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Printf("%s: %.0f s\n", p.name, time.Since(start).Seconds())
		text, err := json.MarshalIndent(b.results, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(stored, text, 0o644); err != nil {
			return err
		}
	}
	if !known {
		return fmt.Errorf("no part is named %q", only)
	}
	return b.report(out)
}

// scaled is n, or a tenth of it in a quick run.
func (b *bench) scaled(n int) int {
	if b.quick {
		return max(n/10, 3)
	}
	return n
}

// pluginFiles makes n files of 16-character names in dirs directories and
// returns their paths and the list file for a subject.
func (b *bench) pluginFiles(name string, n, dirs int) (paths []string, list string, err error) {
	var text strings.Builder
	for i := range n {
		dir := filepath.Join(b.scratch, name)
		if dirs > 1 {
			dir = filepath.Join(dir, fmt.Sprintf("d%05d", i/(n/dirs)))
		}
		if i%max(n/dirs, 1) == 0 {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return nil, "", err
			}
		}
		p := fmt.Sprintf("%s/plugin%07d.so", dir, i)
		if err := os.WriteFile(p, []byte("v0"), 0o644); err != nil {
			return nil, "", err
		}
		paths = append(paths, p)
		text.WriteString(p + "\n")
	}
	list = filepath.Join(b.scratch, name+".list")
	return paths, list, os.WriteFile(list, []byte(text.String()), 0o644)
}

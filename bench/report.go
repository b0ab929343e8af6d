// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// report writes benchmarks.md and its plots into the folder out.
func (b *bench) report(out string) error {
	plots := filepath.Join(out, "benchmarks")
	if err := os.MkdirAll(plots, 0o755); err != nil {
		return err
	}
	var s strings.Builder
	s.WriteString(`# Benchmarks

Written by ` + "`make bench`" + `: libhotreload and its peers, in one run, on the same work, one after the other in turns.
What the numbers led to is in [performance.md](performance.md).

`)
	s.WriteString(machine() + "\n")
	for _, section := range []func(*strings.Builder) (name, svg string){
		b.reachSection, b.waysSection, b.latencySection, b.scaleSection, b.storageSection, b.stormSection, b.noiseSection, b.logsSection, b.buildSection, b.loadSection, b.idleSection, b.callsSection, b.exchangeSection, b.sizeSection,
	} {
		name, svg := section(&s)
		if svg == "" {
			continue
		}
		fmt.Fprintf(&s, "\n![%s](benchmarks/%s.svg)\n", name, name)
		if err := os.WriteFile(filepath.Join(plots, name+".svg"), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(out, "benchmarks.md"), []byte(s.String()), 0o644)
}

// machine says where and with what this was measured.
func machine() string {
	line := func(argv ...string) string {
		out, err := exec.Command(argv[0], argv[1:]...).Output()
		if err != nil {
			return "?"
		}
		first, _, _ := strings.Cut(string(out), "\n")
		return strings.TrimSpace(first)
	}
	cpu := "?"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for l := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	venv := "build/bench/venv/bin/python"
	return fmt.Sprintf("%s: %s, %d processors; %s; files on %s. %s, %s, Qt %s, KDE Frameworks %s, GLib %s, libuv %s, %s, watchdog %s, watchfiles %s, fsnotify %s.\n",
		time.Now().UTC().Format("2006-01-02"), cpu, runtime.NumCPU(), line("uname", "-sr"), line("stat", "-f", "-c", "%T", "build"),
		line("go", "version"), line("cc", "--version"), line("pkg-config", "--modversion", "Qt6Core"),
		line("sh", "-c", "dpkg-query -W -f '${Version}' libkf5coreaddons-dev"), line("pkg-config", "--modversion", "gio-2.0"),
		line("pkg-config", "--modversion", "libuv"), line(venv, "--version"),
		line(venv, "-c", "from importlib.metadata import version; print(version('watchdog'))"),
		line(venv, "-c", "from importlib.metadata import version; print(version('watchfiles'))"),
		line("go", "list", "-m", "-f", "{{.Version}}", "github.com/fsnotify/fsnotify"))
}

// goal is one line of the summary: a figure, and what it should be at most.
func goal(s *strings.Builder, what string, figure, limit float64, unit string) {
	verdict := "reached"
	if figure > limit {
		verdict = "**not reached**"
	}
	if math.IsNaN(figure) {
		verdict = "not measured"
	}
	fmt.Fprintf(s, "| %s | %s%s | ≤ %s%s | %s |\n", what, number(figure), unit, number(limit), unit, verdict)
}

// reachSection compares with the goals that the library has set itself.
func (b *bench) reachSection(s *strings.Builder) (string, string) {
	s.WriteString("## Goals\n\n| figure | measured | goal | |\n|---|---:|---:|---|\n")
	of := func(change string, k kind, p float64) float64 {
		for _, l := range b.results.Latency {
			if l.Change == change && l.Subject == k.name {
				return percentile(l.Ms, p)
			}
		}
		return math.NaN()
	}
	for _, c := range changes[:2] {
		goal(s, c.name+" → C callback, p50, times inotify in C that also asks who writes", of(c.name, hotreload, 50)/of(c.name, floorLook, 50), map[string]float64{"rename": 2, "close": 3}[c.name], "")
		goal(s, c.name+" → Qt slot, p50, times QFileSystemWatcher's first signal", of(c.name, hotreloadQt, 50)/of(c.name, qfswOnce, 50), 1.5, "")
		goal(s, c.name+" → Python callback, p50, times watchdog", of(c.name, hotreloadPy, 50)/of(c.name, watchdog, 50), 1, "")
		goal(s, c.name+" → Python callback, p50, times watchfiles", of(c.name, hotreloadPy, 50)/of(c.name, watchfiles, 50), 1, "")
		goal(s, c.name+" → C callback beyond the default quiet period, p50", of(c.name, defaultQuiet, 50)-100, 1, " ms")
	}
	goal(s, "close after a pause → C callback, p50", of(changes[2].name, hotreload, 50), 2, " ms")
	for _, r := range b.results.Scale {
		if r.Subject != hotreload.name || r.Plugins < 100_000 {
			continue
		}
		where := fmt.Sprintf("%d plugins in %d directories: ", r.Plugins, r.Directories)
		goal(s, where+"enable, each", r.EnableUs, 5, " µs")
		if r.DisableUs > 0 {
			goal(s, where+"disable, each", r.DisableUs, 5, " µs")
		}
		goal(s, where+"resident memory, each", r.Bytes, 200, " B")
		goal(s, where+"kernel watches beyond one per directory", float64(r.Watches-int64(r.Directories)), 16, "")
	}
	for _, x := range b.results.Storm {
		if x.Subject == defaultQuiet.name {
			goal(s, "storm, default quiet period: processor time, times fsnotify dropping", x.Ratio, 0.5, "")
		}
		if x.Subject == hotreload.name {
			goal(s, "storm, no quiet period: processor time, times fsnotify dropping", x.Ratio, 2, "")
			goal(s, "storm: plugins not told exactly once", math.Abs(float64(x.Told)-float64(x.Events))+math.Abs(float64(x.Plugins)-float64(x.Events)), 0, "")
		}
	}
	for _, x := range b.results.Noise {
		if x.Subject == hotreload.name {
			goal(s, "irrelevant events: processor time for each event read, times fsnotify dropping", x.RatioPerRead, 1.2, "")
		}
	}
	b.companyGoals(s)
	for _, r := range b.results.Idle {
		if r.Subject == hotreload.name {
			goal(s, fmt.Sprintf("idle for %.0f s with %d plugins: times a thread ran", r.Seconds, r.Plugins), float64(r.Switches), 0, "")
			goal(s, fmt.Sprintf("idle for %.0f s with %d plugins: processor time", r.Seconds, r.Plugins), r.CPUUs, 0, " µs")
		}
	}
	c := func(name string, threads int) float64 {
		for _, c := range b.results.Calls {
			if c.Name == name && c.Threads == threads {
				return percentile(c.Ns, 50)
			}
		}
		return math.NaN()
	}
	goal(s, "is_hot_reload_enabled, times an empty call into Go plus a map lookup", c("is_enabled", 1)/(c("empty", 1)+c("lookup", 1)), 1.5, "")
	goal(s, "the same with 8 threads, times an empty call plus a lookup with 8", c("is_enabled", 8)/(c("empty", 8)+c("lookup", 1)), 1.5, "")
	goal(s, "check of one plugin's file, times a stat", c("check", 1)/c("stat", 1), 2, "")
	z := b.results.Size
	goal(s, "release library", float64(z.Bytes)/1e6, 4, " MB")
	goal(s, "load", percentile(z.LoadMs, 50), 3, " ms")
	goal(s, "first manager", percentile(z.CreateMs, 50), 2, " ms")
	s.WriteString("\n")
	return "", ""
}

func (b *bench) waysSection(s *strings.Builder) (string, string) {
	if len(b.results.Ways) == 0 {
		return "", ""
	}
	fmt.Fprintf(s, `## Ways in which plugin files change

%d ways, each watcher in a directory of its own. A watcher passes one if its host ends with the last whole version, is
never sent to a torn or missing file, and is told as often as there was a completed change.

| watcher | passed | failed |
|---|---:|---|
`, len(ways))
	for _, x := range b.results.Ways {
		var failed []string
		for _, w := range ways {
			if why, ok := x.Failed[w.name]; ok {
				failed = append(failed, w.name+" ("+why+")")
			}
		}
		fmt.Fprintf(s, "| %s | %d of %d | %s |\n", bold(x.Subject, x.Ours), len(ways)-len(x.Failed), len(ways), strings.Join(failed, "; "))
	}
	return "", ""
}

func (b *bench) latencySection(s *strings.Builder) (string, string) {
	s.WriteString(`## Latency

From the moment at which a change is complete (just before ` + "`rename` or `close`" + ` is called) to the first notice, in ms. Each
program watches one file in a directory of its own, and is started anew for every 30 changes. *Early*: also, or only, told before the file was whole. *Lost*: not
told within 1.5 s. QFileSystemWatcher re-added at once is measured from the last write instead: it never hears of a close.
`)
	var bars []bar
	for _, c := range changes {
		fmt.Fprintf(s, "\n### %s\n\n| watcher | p50 | p90 | p99 | longest | changes | early | lost |\n|---|---:|---:|---:|---:|---:|---:|---:|\n", c.name)
		for _, l := range b.results.Latency {
			if l.Change != c.name {
				continue
			}
			fmt.Fprintf(s, "| %s | %s | %s | %s | %s | %d | %d | %d |\n", bold(l.Subject, l.Ours), number(percentile(l.Ms, 50)), number(percentile(l.Ms, 90)),
				number(percentile(l.Ms, 99)), number(percentile(l.Ms, 100)), len(l.Ms)+l.Lost, l.Early, l.Lost)
			if c.name == "rename" {
				bars = append(bars, bar{l.Subject, percentile(l.Ms, 50), percentile(l.Ms, 99), l.Ours})
			}
		}
	}
	return "latency", chart("rename → told, p50 and p99", "ms", bars)
}

func (b *bench) scaleSection(s *strings.Builder) (string, string) {
	s.WriteString(`
## Many plugins

Ids and file names of 16 characters. *enable*, *disable*: the caller's time for each; *processor*: all threads' time for
each until the program is at rest; *resident*: anonymous memory for each, the heaps of Go, C and C++ counted.

| watcher | plugins | directories | enable, µs | processor, µs | disable, µs | list, µs | resident, B | kernel watches |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
`)
	var bars []bar
	for _, r := range b.results.Scale {
		fmt.Fprintf(s, "| %s | %d | %d | %s | %s | %s | %s | %s | %d |\n", bold(r.Subject, r.Ours), r.Plugins, r.Directories,
			number(r.EnableUs), number(r.CPUUs), unmeasured(r.DisableUs), unmeasured(r.ListUs), number(r.Bytes), r.Watches)
		bars = append(bars, bar{fmt.Sprintf("%s: %d in %d", scaleName(r.Subject), r.Plugins, r.Directories), r.EnableUs, 0, r.Ours})
	}
	return "enable", chart("enable, each", "µs", bars)
}

// scaleName is a subject's name without what is the same for all.
func scaleName(subject string) string {
	name, _, _ := strings.Cut(subject, ",")
	if subject == inFolder.name {
		name += ", folder"
	}
	return name
}

func (b *bench) storageSection(*strings.Builder) (string, string) {
	var bars []bar
	for _, r := range b.results.Scale {
		if r.Plugins >= 10_000 {
			bars = append(bars, bar{fmt.Sprintf("%s: %d in %d", scaleName(r.Subject), r.Plugins, r.Directories), r.Bytes, 0, r.Ours})
		}
	}
	return "memory", chart("resident memory, each plugin", "B", bars)
}

func bursts(s *strings.Builder, results []burst) (bars []bar) {
	s.WriteString("| watcher | processor, µs each | times fsnotify | events read | processor, µs an event | times fsnotify | plugins told | notices |\n|---|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, r := range results {
		p := percentile(r.CPUUs, 50)
		fmt.Fprintf(s, "| %s | %s | %s | %d | %s | %s | %d | %d |\n", bold(r.Subject, r.Ours), number(p), number(r.Ratio), r.Read,
			unmeasured(r.PerRead), unmeasured(r.RatioPerRead), r.Plugins, r.Told)
		bars = append(bars, bar{r.Subject, p, 0, r.Ours})
	}
	return bars
}

func (b *bench) stormSection(s *strings.Builder) (string, string) {
	if len(b.results.Storm) == 0 {
		return "", ""
	}
	fmt.Fprintf(s, "\n## Storm\n\n%d plugins in one directory are replaced, one rename after the other, without pause. Processor time of all threads until the\nprogram is at rest, median of %d rounds.\n\n",
		b.results.Storm[0].Events, len(b.results.Storm[0].CPUUs))
	return "storm", chart("processor time for each replaced plugin", "µs", bursts(s, b.results.Storm))
}

func (b *bench) noiseSection(s *strings.Builder) (string, string) {
	if len(b.results.Noise) == 0 {
		return "", ""
	}
	fmt.Fprintf(s, "\n## Irrelevant events\n\nA watched directory with 1,000 plugins in which %d object files are made, written, closed and removed. Processor time for\neach of these %d steps, median of %d rounds.\n\n",
		b.results.Noise[0].Events/4, b.results.Noise[0].Events, len(b.results.Noise[0].CPUUs))
	return "noise", chart("processor time for each irrelevant step", "µs", bursts(s, b.results.Noise))
}

func (b *bench) idleSection(s *strings.Builder) (string, string) {
	if len(b.results.Idle) == 0 {
		return "", ""
	}
	fmt.Fprintf(s, "\n## Idle\n\nNothing changes for %.0f s; %d plugins in one directory.\n\n| watcher | times a thread ran | processor, µs | threads | descriptors | anonymous memory of the process, MB |\n|---|---:|---:|---:|---:|---:|\n",
		b.results.Idle[0].Seconds, b.results.Idle[0].Plugins)
	for _, r := range b.results.Idle {
		fmt.Fprintf(s, "| %s | %d | %s | %d | %d | %s |\n", bold(r.Subject, r.Ours), r.Switches, number(r.CPUUs), r.Threads, r.FDs, number(float64(r.Bytes)/1e6))
	}
	return "", ""
}

func (b *bench) callsSection(s *strings.Builder) (string, string) {
	if len(b.results.Calls) == 0 {
		return "", ""
	}
	names := map[string]string{
		"lookup": "a map lookup by string, inside Go", "empty": "an empty call from C into Go", "is_enabled": "**`hrm_is_hot_reload_enabled`**",
		"check": "**check of one plugin's file**, polling", "stat": "stat of the same file, in C, as often",
	}
	s.WriteString("\n## Calls\n\n| what | threads | ns each, median |\n|---|---:|---:|\n")
	for _, c := range b.results.Calls {
		fmt.Fprintf(s, "| %s | %d | %s |\n", names[c.Name], c.Threads, number(percentile(c.Ns, 50)))
	}
	return "", ""
}

func (b *bench) sizeSection(s *strings.Builder) (string, string) {
	z := b.results.Size
	if z.Bytes == 0 {
		return "", ""
	}
	fmt.Fprintf(s, "\n## Size\n\nThe release library has %d bytes and links with %s. Of %d processes, the median: loading %s ms, the first manager %s ms,\nafter which there are %d threads and %s kB more of resident memory.\n\n",
		z.Bytes, strings.Join(z.Libraries, ", "), len(z.LoadMs), number(percentile(z.LoadMs, 50)), number(percentile(z.CreateMs, 50)), z.Threads, number(percentile(z.Resident, 50)))
	s.WriteString("## Reproduce\n\n    make bench                         # everything, about a quarter of an hour\n    make bench BENCH='-part storm'     # one part; the others' results are kept\n\nThe machine should have nothing else to do.\n")
	return "", ""
}

func bold(s string, yes bool) string {
	if yes {
		return "**" + s + "**"
	}
	return s
}

func unmeasured(v float64) string {
	if v == 0 {
		return "–"
	}
	return number(v)
}

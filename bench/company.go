// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"fmt"
	"strings"
)

// The sections of the report about what others do beside the plugins, and about the host.

func (b *bench) companyGoals(s *strings.Builder) {
	for _, x := range b.results.Logs {
		if x.Ours {
			goal(s, "logs beside the plugins: "+shortName(x.Subject)+", share of a core", percentile(x.Percent, 50), 5, " %")
		}
	}
	for _, x := range b.results.Build {
		if x.Subject == defaultQuiet.name {
			goal(s, fmt.Sprintf("build of %d objects: share of its processor time", b.results.Objects), percentile(x.Percent, 50), 1, " %")
			goal(s, "build: notices beyond the one", float64(x.Told-1), 0, "")
		}
	}
	for _, l := range b.results.Load {
		if l.Subject == defaultQuiet.name {
			goal(s, "rename → C callback beyond the default quiet period while two compilers run, p99", percentile(l.Ms, 99)-100, 20, " ms")
		}
	}
	for _, x := range b.results.Exchange {
		goal(s, "exchange, "+x.Mode+": calls that found no version", float64(x.Refused), 0, "")
	}
}

// shortName is what stands behind "libhotreload, C, ".
func shortName(subject string) string { return subject[strings.LastIndex(subject, ", ")+2:] }

func (b *bench) logsSection(s *strings.Builder) (string, string) {
	if len(b.results.Logs) == 0 {
		return "", ""
	}
	fmt.Fprintf(s, "\n## Logs\n\nTwo log files beside 100 plugins are appended in turns, as fast as one program can, for 3 s. Processor time of all threads in\nthat time, median of %d rounds. Equal notifications that follow one another are one to the kernel, so that one log alone costs\nlittle.\n\n| watcher | share of a core, %% | writes a second | events read |\n|---|---:|---:|---:|\n",
		len(b.results.Logs[0].Percent))
	return "logs", chart("share of a core while two logs are written beside the plugins (our bar: 5 %)", "%", companyRows(s, b.results.Logs))
}

func (b *bench) buildSection(s *strings.Builder) (string, string) {
	if len(b.results.Build) == 0 {
		return "", ""
	}
	fmt.Fprintf(s, "\n## A build\n\n`cmake --build` makes a plugin of %d sources; object files and plugin lie in the watched directory. All watchers run beside\none another. Processor time of each until it is at rest, as a share of the build's.\n\n| watcher | share of the build, %% | the build, s | events read |\n|---|---:|---:|---:|\n",
		b.results.Objects)
	return "build", chart("share of the processor time of a build in the watched directory (our bar: 1 %)", "%", companyRows(s, b.results.Build))
}

func companyRows(s *strings.Builder, results []company) (bars []bar) {
	for _, r := range results {
		p := percentile(r.Percent, 50)
		fmt.Fprintf(s, "| %s | %s | %s | %d |\n", bold(r.Subject, r.Ours), number(p), number(r.Work), r.Read)
		bars = append(bars, bar{r.Subject, p, 0, r.Ours})
	}
	return bars
}

func (b *bench) loadSection(s *strings.Builder) (string, string) {
	if len(b.results.Load) == 0 {
		return "", ""
	}
	s.WriteString("\n## Latency under load\n\nAs the latency of a rename above, while two compilers run.\n\n| watcher | p50, ms | p90 | p99 | longest | changes | lost |\n|---|---:|---:|---:|---:|---:|---:|\n")
	var bars []bar
	for _, l := range b.results.Load {
		fmt.Fprintf(s, "| %s | %s | %s | %s | %s | %d | %d |\n", bold(l.Subject, l.Ours), number(percentile(l.Ms, 50)), number(percentile(l.Ms, 90)),
			number(percentile(l.Ms, 99)), number(percentile(l.Ms, 100)), len(l.Ms)+l.Lost, l.Lost)
		bars = append(bars, bar{l.Subject, percentile(l.Ms, 50), percentile(l.Ms, 99), l.Ours})
	}
	return "load", chart("rename → told while two compilers run, p50 and p99", "ms", bars)
}

func (b *bench) exchangeSection(s *strings.Builder) (string, string) {
	if len(b.results.Exchange) == 0 {
		return "", ""
	}
	s.WriteString("\n## Exchange of versions\n\nA plugin of a few lines is replaced again and again by `hrm_host_open`'s engine, while one thread calls it without pause: acquire,\ncall, release. *Longest*: the longest of these, median of the rounds; so long an exchange, or the scheduler, holds callers up.\n\n| mode | a call through a pointer, ns | acquire, call, release, ns | calls meanwhile | without a version | longest, ms |\n|---|---:|---:|---:|---:|---:|\n")
	for _, x := range b.results.Exchange {
		fmt.Fprintf(s, "| %s | %s | %s | %d | %d | %s |\n", x.Mode, number(percentile(x.DirectNs, 50)), number(percentile(x.PinnedNs, 50)), x.Calls, x.Refused, number(percentile(x.HeldMs, 50)))
	}
	return "", ""
}

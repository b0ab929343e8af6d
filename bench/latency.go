// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// latencies are one subject's times for one kind of change, in ms.
type latencies struct {
	Subject string
	Change  string
	Ours    bool
	Ms      []float64 // from the change's completion to the first notice after it
	Early   int       // changes that were also, or only, told before they were complete
	Extra   int       // notices beyond the first
	Lost    int
}

// change is a way to change a file. It returns when it was complete, and when
// the last modification before that began, by the monotonic clock.
type change struct {
	name    string
	samples int
	do      func(path string) (complete, modified int64, err error)
}

var changes = []change{
	{"rename", 300, func(path string) (int64, int64, error) {
		tmp := filepath.Join(filepath.Dir(path), "new.tmp")
		if err := os.WriteFile(tmp, []byte("next version"), 0o644); err != nil {
			return 0, 0, err
		}
		time.Sleep(2 * time.Millisecond) // what that causes is over
		t := monotonic()
		return t, t, os.Rename(tmp, path)
	}},
	{"close", 300, func(path string) (int64, int64, error) { return writeInPlace(path, 0) }},
	{"close after a pause", 90, func(path string) (int64, int64, error) { return writeInPlace(path, 30*time.Millisecond) }},
}

func writeInPlace(path string, pause time.Duration) (complete, modified int64, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	for range 2 {
		modified = monotonic()
		if _, err := f.Write([]byte("v")); err != nil {
			return 0, 0, err
		}
		time.Sleep(pause)
	}
	complete = monotonic()
	return complete, modified, f.Close()
}

func (b *bench) latency() error {
	kinds := []kind{floor, floorLook, fsnotifyTell, hotreload, hotreloadQt, hotreloadPy, qfswOnce, uv, watchdog, watchfiles,
		defaultQuiet, qfswTimer, glib, kdirwatch, qfswNever}
	b.results.Latency = nil
	for _, c := range changes {
		all := map[string]*latencies{}
		// Those that take long have turns of their own: the others' caches, and on some
		// systems their memory, would go cold while they are waited for.
		var quick, long []kind
		for _, k := range kinds {
			if k.slow > 0 || k.lost {
				long = append(long, k)
			} else {
				quick = append(quick, k)
			}
		}
		for done := 0; done < b.scaled(c.samples); done += perRound {
			for _, group := range [][]kind{quick, long} {
				if err := b.latencyRound(c, group, all); err != nil {
					return err
				}
			}
		}
		for _, k := range kinds {
			x := all[k.name]
			b.results.Latency = append(b.results.Latency, *x)
			fmt.Printf("%-20s %-52s p50 %8.3f  p99 %8.3f ms  early %d extra %d lost %d of %d\n", c.name, k.name,
				percentile(x.Ms, 50), percentile(x.Ms, 99), x.Early, x.Extra, x.Lost, x.Lost+len(x.Ms))
		}
	}
	return nil
}

// perRound is how many changes a program sees; for the next ones it is started
// anew.
const perRound = 30

// latencyRound adds to what was measured of each kind, by name.
func (b *bench) latencyRound(c change, kinds []kind, all map[string]*latencies) error {
	subjects, err := b.latencySubjects(c, kinds)
	if err != nil {
		return err
	}
	for i := range perRound {
		rand.Shuffle(len(subjects), func(i, j int) { subjects[i], subjects[j] = subjects[j], subjects[i] })
		for _, s := range subjects {
			deaf := s.times.Lost >= 5 && len(s.times.Ms) == 0 // it never hears of this; a few samples suffice
			if was := all[s.name]; was != nil && was.Lost >= 5 && len(was.Ms) == 0 {
				deaf = true
			}
			if (s.slow > 0 && i%s.slow != 0) || (s.lost && i > 0) || deaf {
				continue
			}
			if err := s.sample(c); err != nil {
				return err
			}
		}
	}
	for _, s := range subjects {
		s.stop()
		x := all[s.name]
		if x == nil {
			all[s.name] = &s.times
			continue
		}
		x.Ms = append(x.Ms, s.times.Ms...)
		x.Early += s.times.Early
		x.Extra += s.times.Extra
		x.Lost += s.times.Lost
	}
	return nil
}

// latencySubject is a subject that watches one file in a directory of its own.
type latencySubject struct {
	*subject
	path  string
	times latencies
}

func (b *bench) latencySubjects(c change, kinds []kind) (subjects []*latencySubject, err error) {
	for i, k := range kinds {
		paths, list, err := b.pluginFiles(fmt.Sprintf("latency-%s-%d", c.name, i), 1, 1)
		if err != nil {
			return nil, err
		}
		s, err := b.start(k, list, "each")
		if err == nil {
			_, _, err = s.say("enable")
		}
		if err != nil {
			return nil, err
		}
		s.settle(2 * time.Second)
		subjects = append(subjects, &latencySubject{subject: s, path: paths[0],
			times: latencies{Subject: k.name, Change: c.name, Ours: k.ours}})
	}
	return subjects, nil
}

func (s *latencySubject) sample(c change) error {
	time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
	s.drain()
	complete, modified, err := c.do(s.path)
	if err != nil {
		return err
	}
	early := false
	for timeout := time.After(1500 * time.Millisecond); ; {
		select {
		case n := <-s.told:
			if n.at < complete {
				early = true
				// Where nothing else is to come, the signal of the write is what there is.
				if s.name == qfswOnce.name && n.at >= modified {
					s.times.Early++
					s.times.Ms = append(s.times.Ms, float64(n.at-modified)/1e6)
					return nil
				}
				continue
			}
			if early {
				s.times.Early++
			}
			from := complete
			if s.name == qfswOnce.name {
				from = modified
			}
			s.times.Ms = append(s.times.Ms, float64(n.at-from)/1e6)
			return nil
		case <-timeout:
			if early {
				s.times.Early++
			}
			s.times.Lost++
			return nil
		}
	}
}

// drain waits for what an earlier change still causes.
func (s *latencySubject) drain() {
	for {
		select {
		case <-s.told:
			s.times.Extra++
		case <-time.After(time.Millisecond):
			return
		}
	}
}

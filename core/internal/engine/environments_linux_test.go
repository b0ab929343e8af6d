// SPDX-License-Identifier: MIT

package engine

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/testns"
)

// The oracle in each environment where hosts run. docs/where-it-runs.md says the same for
// people; TestThePageSaysWhatTheOracleAllows compares the two.

var (
	environmentRuns = flag.Int("environments.runs", 0, "how many sequences of the oracle in each environment")
	environmentOnly = flag.String("environments.only", "", "only those whose name contains this")
)

// environment is a kind of place where plugins' files are.
type environment struct {
	name string
	// polled: the system does not notify of every change, so that files are compared every
	// poll interval.
	polled bool
	// deaf: no notification arrives, not even of what this computer's programs write. So it is
	// too where notifications name a file otherwise than the host does.
	deaf bool
	// noLeases: the system does not say whether a process writes a file, whoever owns it.
	noLeases bool
	// coarse: the file system's times are too coarse to tell two versions of one size apart.
	coarse bool
	// long: not in short runs of all environments, because it takes time to make.
	long bool
	// refused is the error of every request for a lease, if none is granted.
	refused syscall.Errno
	// make makes a place for one sequence in a directory of its own. It says why not if
	// this machine cannot have it.
	make func(t *testing.T, dir string) (s setting, notHere string)
}

// environments are all of them. Each has a row in docs/where-it-runs.md.
var environments = []environment{
	{name: "local file system", make: plain},
	{name: "tmpfs", make: onTmpfs},
	{name: "overlay", make: onOverlay},
	{name: "bind mount of a directory", make: onBoundDirectory},
	{name: "bind mount of a file", make: onBoundFiles},
	{name: "FUSE", make: onFUSE(50*ms, false), polled: true, noLeases: true},
	{name: "FUSE that ignores case", make: onFUSE(0, true), polled: true, deaf: true, noLeases: true},
	{name: "leases denied with EACCES", make: plain, noLeases: true, refused: unix.EACCES},
	{name: "leases denied with EINVAL", make: plain, noLeases: true, refused: unix.EINVAL},
	{name: "leases denied with EAGAIN", make: plain, noLeases: true, refused: unix.EAGAIN},
	{name: "forced polling", make: plain, polled: true, deaf: true},
	{name: "casefold", make: onCasefold},
	{name: "vfat", make: onVFAT, coarse: true},
	{name: "xfs", make: onDevice("xfs", 512, "-q"), long: true},
	{name: "btrfs", make: onDevice("btrfs", 256, "-q"), long: true},
}

// The sentences of docs/where-it-runs.md about what the oracle allows.
const (
	allowsHalfWritten = "A file may be delivered half-written if its writer pauses for longer than the quiet period."
	allowsHalfMapped  = "A writer that maps the file, and neither writes nor truncates it, is not seen. What it leaves may be noticed only when the file changes again."
	allowsUnheard     = "A writer is not seen that wrote before the library watched the file's directory, until it writes again."
	allowsSizeAndTime = "A rewrite that keeps the size and restores the modification time is not noticed."
)

// allowed says what is allowed in an environment, and to whom.
func (e *environment) allowed(owner bool) (a allowances, sentences []string) {
	writersUnknown := e.noLeases || !owner
	switch {
	case writersUnknown && e.deaf:
		a.halfWritten, a.halfMapped = true, true
		sentences = append(sentences, allowsHalfWritten, allowsHalfMapped)
	case writersUnknown:
		a.unheard, a.halfMapped = true, true
		sentences = append(sentences, allowsUnheard, allowsHalfMapped)
	}
	if e.polled || e.coarse {
		a.sizeAndTime = true
		sentences = append(sentences, allowsSizeAndTime)
	}
	return a, sentences
}

// otherUser is who the host is when it does not own the files.
const otherUser = 65534

func TestEnvironments(t *testing.T) {
	if *environmentRuns == 0 {
		t.Skip("make test and make soak run this by -args -environments.runs=N")
	}
	var report environmentReport
	t.Run("each", func(t *testing.T) {
		for i := range environments {
			e := &environments[i]
			for _, user := range []string{"owner", "other user"} {
				name := e.name + ", " + user
				if !strings.Contains(name, *environmentOnly) || e.long && *environmentRuns == 1 && *environmentOnly == "" {
					continue
				}
				for n := range *environmentRuns {
					t.Run(fmt.Sprintf("%s:%d", name, n), func(t *testing.T) {
						t.Parallel()
						report.note(name, e.runApart(t, user == "owner"))
					})
				}
			}
		}
	})
	report.print()
}

// runApart runs one sequence in a mount namespace of its own: no mount of another one may
// reach its host.
func (e *environment) runApart(t *testing.T, owner bool) (notHere string) {
	seed := *oracleSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	inChild, output := testns.InMountNamespace(t, fmt.Sprintf("-oracle.seed=%d", seed))
	if !inChild {
		return testns.WhyNotHere(output)
	}
	if why := e.run(t, seed, owner); why != "" {
		fmt.Println(testns.NotHere + why)
	}
	return ""
}

// run runs one sequence, unless it says why that cannot be had here.
func (e *environment) run(t *testing.T, seed uint64, owner bool) (notHere string) {
	if !owner && !testns.HasOtherUsers() {
		return "only root can run a host as another user"
	}
	dir := reachableDir(t)
	s, notHere := e.make(t, dir)
	if notHere != "" {
		return notHere
	}
	s.allows, _ = e.allowed(owner)
	tiny := seed/6%3 == 0
	o := Options{Quiet: 10 * ms, MaxDelay: 200 * ms, PollInterval: 15 * ms, ForcePolling: e.deaf}
	switch {
	case s.allows.halfMapped:
		// Notifications decide, which reach a starved process late.
		o.Quiet, s.pauses, s.slack = 100*ms, 250, 60*ms
	case seed/3%2 == 1:
		o.Quiet = NoQuiet
	}
	program := ""
	if *oracleHost != "" {
		program = *oracleHost
	}
	s.mountElsewhere = mountElsewhere(reachableDir(t))
	s.mode, s.replay = 0o044, fmt.Sprintf("TestEnvironments -environments.runs=1 -environments.only=%q", e.name)
	s.start = func(o Options, to listener) watcher {
		cmd := child(childHost, fmt.Sprint(int(e.refused)), program)
		if !owner {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: otherUser, Gid: otherUser}}
		}
		return startHost(t, cmd, o, to)
	}
	newOracle(t, seed, o, tiny, s).run(*oracleSteps)
	return ""
}

// reachableDir is a new directory that every user may enter, by its path without links.
func reachableDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hotreload-environment-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// environmentReport says what was run and what could not be.
type environmentReport struct {
	mu      sync.Mutex
	runs    map[string]int
	notHere map[string]string
}

func (r *environmentReport) note(name, notHere string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs == nil {
		r.runs, r.notHere = map[string]int{}, map[string]string{}
	}
	if notHere == "" {
		r.runs[name]++
	} else {
		r.notHere[name] = notHere
	}
}

func (r *environmentReport) print() {
	if slices.Contains(os.Args, testns.ChildMark) {
		return
	}
	var lines []string
	for name, n := range r.runs {
		lines = append(lines, fmt.Sprintf("%s: %d × %d operations", name, n, *oracleSteps))
	}
	for name, why := range r.notHere {
		lines = append(lines, fmt.Sprintf("%s: not run here: %s", name, why))
	}
	sort.Strings(lines)
	fmt.Println("environments: " + strings.Join(lines, "\nenvironments: "))
}

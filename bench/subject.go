// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// kind is a program to measure.
type kind struct {
	name string
	argv []string // relative to the folder of the built programs
	env  []string
	ours bool
	slow int // how many times fewer samples; 0: all
	// lost: told of the first change only, by its nature; a few samples suffice.
	lost bool
}

const noQuiet = "HRM_QUIET_MS=-1"

var (
	floor         = kind{name: "inotify in C: close-write, moved-to (the floor)", argv: []string{"inotify"}}
	floorLook     = kind{name: "inotify in C, which also asks whether anybody still writes", argv: []string{"inotify"}, env: []string{"LOOK=1"}}
	fsnotifyTell  = kind{name: "fsnotify, raw", argv: []string{"fsnotify"}, env: []string{"FSNOTIFY=tell"}}
	fsnotifyDrop  = kind{name: "fsnotify, events read and dropped", argv: []string{"fsnotify"}, env: []string{"FSNOTIFY=drop"}}
	fsnotifyFiles = kind{name: "fsnotify, one watch a file", argv: []string{"fsnotify"}, env: []string{"FSNOTIFY=files"}}
	hotreload     = kind{name: "libhotreload, C, no quiet period", argv: []string{"hotreload"}, env: []string{noQuiet}, ours: true}
	hotreloadQt   = kind{name: "libhotreload, Qt slot, no quiet period", argv: []string{"hotreload_qt"}, env: []string{noQuiet}, ours: true}
	hotreloadPy   = kind{name: "libhotreload, Python, no quiet period", argv: []string{"venv/bin/python", "peers/hotreload_py.py"}, env: []string{noQuiet}, ours: true}
	inFolder      = kind{name: "libhotreload, C, found in a folder", argv: []string{"hotreload"}, env: []string{noQuiet, "HRM_FOLDER=1"}, ours: true}
	defaultQuiet  = kind{name: "libhotreload, C, default quiet period (100 ms)", argv: []string{"hotreload"}, ours: true, slow: 5}
	qfswNever     = kind{name: "QFileSystemWatcher, as QtForge 3 uses it", argv: []string{"qfsw"}, env: []string{"QFSW_READD=never"}, lost: true}
	qfswOnce      = kind{name: "QFileSystemWatcher, re-added at once, first signal", argv: []string{"qfsw"}, env: []string{"QFSW_READD=once"}}
	qfswTimer     = kind{name: "QFileSystemWatcher, re-added, 100 ms timer", argv: []string{"qfsw"}, env: []string{"QFSW_READD=100"}, slow: 5}
	kdirwatch     = kind{name: "KDirWatch", argv: []string{"kdirwatch"}, slow: 10}
	glib          = kind{name: "GFileMonitor (GLib)", argv: []string{"glib"}, slow: 10}
	uv            = kind{name: "libuv uv_fs_event", argv: []string{"uv"}}
	watchdog      = kind{name: "watchdog (Python)", argv: []string{"venv/bin/python", "peers/watchdog_peer.py"}}
	watchfiles    = kind{name: "watchfiles (Python, Rust)", argv: []string{"venv/bin/python", "peers/watchfiles_peer.py"}, slow: 3}
)

// subject is a running program.
type subject struct {
	kind
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	told   chan notice
	answer chan [3]string
}

// notice is what a subject told, and when by its own clock.
type notice struct {
	at     int64
	number int
}

func (b *bench) start(k kind, list, mode string) (*subject, error) {
	bin := filepath.Join(b.build, "bench")
	argv := append([]string(nil), k.argv...)
	for i, a := range argv {
		argv[i] = filepath.Join(bin, a)
	}
	s := &subject{kind: k, told: make(chan notice, 1<<16), answer: make(chan [3]string, 16)}
	s.cmd = exec.Command(argv[0], append(argv[1:], list, mode)...)
	s.cmd.Env = append(os.Environ(), append(k.env, "QT_QPA_PLATFORM=offscreen")...)
	s.cmd.Stderr = os.Stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.answer)
		for in := bufio.NewScanner(stdout); in.Scan(); {
			f := strings.Fields(in.Text())
			if len(f) != 3 {
				continue
			}
			if f[0] != "told" {
				s.answer <- [3]string(f)
				continue
			}
			at, _ := strconv.ParseInt(f[1], 10, 64)
			n, _ := strconv.Atoi(f[2])
			s.told <- notice{at, n}
		}
	}()
	_, _, err = s.await("start")
	return s, err
}

func (s *subject) await(what string) (a, b int64, err error) {
	select {
	case f, ok := <-s.answer:
		if !ok || f[0] != what {
			return 0, 0, fmt.Errorf("%s: answered %q instead of %q", s.name, f[0], what)
		}
		a, _ = strconv.ParseInt(f[1], 10, 64)
		b, _ = strconv.ParseInt(f[2], 10, 64)
		return a, b, nil
	case <-time.After(2 * time.Minute):
		return 0, 0, fmt.Errorf("%s: no answer to %q", s.name, what)
	}
}

// say has the subject carry out a command; the first figure is how many ns it took.
func (s *subject) say(command string) (a, b int64, err error) {
	if _, err := io.WriteString(s.stdin, command+"\n"); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", s.name, err)
	}
	if command == "report" {
		command = "counted"
	}
	return s.await(command)
}

func (s *subject) stop() {
	s.stdin.Close()
	done := make(chan struct{})
	go func() {
		for range s.answer {
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		_ = s.cmd.Process.Kill()
	}
	_ = s.cmd.Wait()
}

// cpu is the processor time that the subject has used, from the kernel's clock
// of that process.
func (s *subject) cpu() time.Duration {
	var ts unix.Timespec
	const schedClock = 2
	if err := unix.ClockGettime(int32((^s.cmd.Process.Pid)<<3|schedClock), &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// settle waits until the subject has come to rest: hardly any processor time
// over a stretch that is longer than every quiet period here.
func (s *subject) settle(limit time.Duration) {
	const stretch = 250 * time.Millisecond
	for end := time.Now().Add(limit); time.Now().Before(end); {
		before := s.cpu()
		time.Sleep(stretch)
		if s.cpu()-before < stretch/200 {
			return
		}
	}
}

// resident is the subject's anonymous resident memory in bytes: its heaps,
// Go's, C's and Python's.
func (s *subject) resident() int64 {
	return statusField(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid), "RssAnon:") * 1024
}

func (s *subject) threads() int64 {
	return statusField(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid), "Threads:")
}

// switches is how often any thread of the subject was scheduled in.
func (s *subject) switches() (n int64) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", s.cmd.Process.Pid))
	for _, t := range tasks {
		n += statusField(t, "voluntary_ctxt_switches:") + statusField(t, "nonvoluntary_ctxt_switches:")
	}
	return n
}

func (s *subject) fds() int64 {
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	return int64(len(fds))
}

// watches is how many inotify watches the subject holds.
func (s *subject) watches() (n int64) {
	infos, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", s.cmd.Process.Pid))
	for _, i := range infos {
		text, _ := os.ReadFile(i)
		n += int64(strings.Count(string(text), "inotify wd:"))
	}
	return n
}

func statusField(file, field string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n
		}
	}
	return 0
}

func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

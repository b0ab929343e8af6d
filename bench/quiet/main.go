// SPDX-License-Identifier: MIT

//go:build linux

// Command quiet measures how long the tools that write plugin files leave a
// file alone between two steps. The default quiet period is chosen from its
// table, docs/quiet-period.md:
//
//	go run ./bench/quiet [-n runs] [-load] [-size MB] > table
//
// For each tool it notes, through inotify, every change of the target and every
// time at which nobody holds it open for writing, and prints the longest pause
// between two steps of one run: while the file was closed, which is what the
// quiet period must bridge; and at all, which is what it must bridge where the
// system cannot tell whether somebody still writes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	runs := flag.Int("n", 10, "runs of each tool")
	load := flag.Bool("load", false, "keep every processor busy twice over meanwhile")
	size := flag.Int("size", 0, "how much data the plugin has, in MB")
	flag.Parse()
	template, err := os.MkdirTemp("", "quiet-")
	if err != nil {
		fail(err)
	}
	defer os.RemoveAll(template)
	if err := shell(source, template, []string{fmt.Sprint("SIZE=", *size)}); err != nil {
		fail(err)
	}
	if *load {
		for range 2 * runtime.NumCPU() {
			busy := exec.Command("sh", "-c", "while :; do :; done")
			busy.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
			runtime.LockOSThread() // the death signal is about the thread
			if err := busy.Start(); err != nil {
				fail(err)
			}
			defer busy.Process.Kill()
		}
	}
	fmt.Println("| tool | steps | longest pause while closed, median | maximum | longest pause at all, maximum |")
	fmt.Println("|---|---:|---:|---:|---:|")
	for _, t := range tools {
		if missing := t.missing(); missing != "" {
			fmt.Printf("| %s | not measured: no %s | | | |\n", t.name, missing)
			continue
		}
		results := make([]result, *runs)
		for i := range results {
			r, err := t.measure(template)
			if err != nil {
				fail(fmt.Errorf("%s: %w", t.name, err))
			}
			results[i] = r
		}
		steps := func(r result) int { return r.steps }
		closed := func(r result) time.Duration { return r.closed }
		any := func(r result) time.Duration { return r.any }
		fmt.Printf("| %s | %d | %s | %s | %s |\n", t.name, at(results, steps, 0.5),
			milliseconds(at(results, closed, 0.5)), milliseconds(at(results, closed, 1)), milliseconds(at(results, any, 1)))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "quiet:", err)
	os.Exit(1)
}

func milliseconds(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// at is the q-th quantile of a figure of the results.
func at[T int | time.Duration](rs []result, figure func(result) T, q float64) T {
	var all []T
	for _, r := range rs {
		all = append(all, figure(r))
	}
	slices.Sort(all)
	return all[int(q*float64(len(all)-1)+0.5)]
}

// tool is one way to write the plugin "$T" in the directory "$D", both set in
// the environment; "$S" is scratch space that is not observed.
type tool struct {
	name  string
	needs []string // programs
	setup string   // shell, once before each run
	run   string   // shell, observed
}

func (t tool) missing() string {
	for _, n := range t.needs {
		if _, err := exec.LookPath(n); err != nil {
			return n
		}
	}
	return ""
}

type result struct {
	steps  int           // writes, closes, renames seen
	closed time.Duration // longest pause with the file complete to all appearance
	any    time.Duration // longest pause between two steps
}

func (t tool) measure(template string) (r result, err error) {
	root, err := os.MkdirTemp("", "quiet-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(root)
	scratch := filepath.Join(root, "scratch")
	if err := os.CopyFS(scratch, os.DirFS(template)); err != nil {
		return r, err
	}
	env := []string{"D=" + filepath.Join(root, "lib"), "S=" + scratch, "T=" + filepath.Join(root, "lib", "plugin.so")}
	if err := shell(before+t.setup, scratch, env); err != nil {
		return r, fmt.Errorf("preparing: %w", err)
	}
	o, err := observe(filepath.Join(root, "lib"))
	if err != nil {
		return r, err
	}
	runErr := shell(t.run, scratch, env)
	steps, err := o.finish("plugin.so")
	if err := errors.Join(runErr, err); err != nil {
		return r, err
	}
	if len(steps) == 0 {
		return r, errors.New("the target was not touched")
	}
	r.steps = len(steps)
	for i := 1; i < len(steps); i++ {
		pause := steps[i].at.Sub(steps[i-1].at)
		r.any = max(r.any, pause)
		if steps[i-1].complete {
			r.closed = max(r.closed, pause)
		}
	}
	return r, nil
}

func shell(script, dir string, env []string) error {
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// step is a sign of activity on the target. complete: afterwards nobody holds
// the name's file open for writing, as far as notifications say.
type step struct {
	at       time.Time
	complete bool
}

type observer struct {
	fd    int
	stop  int // an eventfd
	done  chan error
	steps map[string][]step
}

const interesting = unix.IN_MODIFY | unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO

func observe(dir string) (*observer, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	if _, err := unix.InotifyAddWatch(fd, dir, interesting); err != nil {
		return nil, err
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	o := &observer{fd: fd, stop: stop, done: make(chan error, 1), steps: map[string][]step{}}
	go func() { o.done <- o.read() }()
	return o, nil
}

func (o *observer) read() error {
	buf := make([]byte, 1<<16)
	for last := false; ; {
		n, err := unix.Read(o.fd, buf)
		now := time.Now()
		switch {
		case err == unix.EAGAIN && last:
			return nil
		case err == unix.EAGAIN:
			p := []unix.PollFd{{Fd: int32(o.fd), Events: unix.POLLIN}, {Fd: int32(o.stop), Events: unix.POLLIN}}
			if _, err := unix.Poll(p, -1); err != nil && err != unix.EINTR {
				return err
			}
			last = p[1].Revents != 0
		case err != nil && err != unix.EINTR:
			return err
		}
		for at := 0; at < n; {
			e := (*unix.InotifyEvent)(unsafe.Pointer(&buf[at]))
			at += unix.SizeofInotifyEvent
			name := unix.ByteSliceToString(buf[at : at+int(e.Len)])
			at += int(e.Len)
			o.steps[name] = append(o.steps[name], step{now, e.Mask&(unix.IN_CLOSE_WRITE|unix.IN_MOVED_TO|unix.IN_DELETE|unix.IN_MOVED_FROM) != 0})
		}
	}
}

func (o *observer) finish(name string) ([]step, error) {
	_, err := unix.Write(o.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	if err == nil {
		err = <-o.done
	}
	_ = unix.Close(o.fd)
	_ = unix.Close(o.stop)
	return o.steps[name], err
}

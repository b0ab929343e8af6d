// SPDX-License-Identifier: MIT

//go:build linux

// Command fsnotify is bare fsnotify on each directory: FSNOTIFY=tell tells what
// happens to a plugin's name, FSNOTIFY=drop reads the events and drops them,
// FSNOTIFY=files watches each file and drops. Commands as in subject.h.
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

func now() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	paths := strings.Split(strings.TrimSpace(string(text)), "\n")
	w, err := fsnotify.NewBufferedWatcher(1024)
	if err != nil {
		panic(err)
	}
	var events atomic.Int64
	mode := os.Getenv("FSNOTIFY")
	go func() {
		for range w.Errors {
		}
	}()
	go func() {
		for e := range w.Events {
			events.Add(1)
			if mode == "tell" {
				tell(e, len(paths))
			}
		}
	}()
	fmt.Println("start 0 0")
	for in := bufio.NewScanner(os.Stdin); in.Scan() && in.Text() != "quit"; {
		start := now()
		switch in.Text() {
		case "enable":
			last := ""
			for _, p := range paths {
				if mode != "files" {
					p = filepath.Dir(p)
				}
				if p != last {
					if err := w.Add(p); err != nil {
						panic(err)
					}
					last = p
				}
			}
		case "disable":
			if mode == "files" {
				for _, p := range paths {
					_ = w.Remove(p)
				}
			}
		case "events":
			fmt.Println("events 0", events.Load())
			continue
		case "report":
			fmt.Println("counted 0 0")
			continue
		}
		fmt.Println(in.Text(), now()-start, 0)
	}
}

func tell(e fsnotify.Event, plugins int) {
	t := now()
	name := filepath.Base(e.Name)
	if !strings.HasPrefix(name, "plugin") || e.Op&(fsnotify.Create|fsnotify.Write) == 0 {
		return
	}
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(name, "plugin"), ".so"))
	if err == nil && n < plugins {
		fmt.Println("told", t, n)
	}
}

// SPDX-License-Identifier: MIT

package watch

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// mountWatcher reports when a file system is mounted or unmounted: a mount over
// a directory on a plugin's way puts another directory in its place and sends
// no notification about that. The kernel marks /proc/self/mountinfo as readable
// anew at each change (proc(5)).
type mountWatcher struct {
	file    *os.File
	changes chan struct{}
	lost    func()
}

// newMountWatcher returns nil where there is no /proc; mounts then go unnoticed
// until something else is. lost is called when the host has closed its descriptor.
func newMountWatcher(lost func()) *mountWatcher {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	w := &mountWatcher{file: f, changes: make(chan struct{}, 1), lost: lost}
	go w.watch()
	return w
}

func (w *mountWatcher) watch() {
	conn, err := w.file.SyscallConn()
	if err != nil {
		return
	}
	before := readMounts()
	for first := true; ; first = false {
		waited := false
		err := conn.Read(func(uintptr) bool {
			if waited {
				return true
			}
			waited = true
			return false // wait until the kernel marks it
		})
		if err != nil {
			w.lost() // does nothing if it was closed by close
			return
		}
		if first && before != "" && readMounts() == before {
			continue // Go's poller may find the file readable when it is opened
		}
		select {
		case w.changes <- struct{}{}:
		default:
		}
	}
}

// isForeign reports whether the system says that a descriptor is none of inotify's.
func isForeign(err error) bool { return errors.Is(err, unix.EBADF) || errors.Is(err, unix.EINVAL) }

// readMounts returns what is mounted, "" if that cannot be read.
func readMounts() string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	return string(text)
}

func (w *mountWatcher) channel() <-chan struct{} {
	if w == nil {
		return nil
	}
	return w.changes
}

func (w *mountWatcher) close() {
	if w != nil {
		_ = w.file.Close()
	}
}

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
	before  string // what was mounted before it was opened
	changes chan struct{}
	lost    func()
}

// newMountWatcher returns nil where there is no /proc; mounts then go unnoticed
// until something else is. lost is called when the host has closed its descriptor.
// Each change after its call is reported.
func newMountWatcher(lost func()) *mountWatcher {
	w := openMountWatcher(lost)
	if w != nil {
		go w.watch()
	}
	return w
}

func openMountWatcher(lost func()) *mountWatcher {
	before := readMounts() // first: a change after this is found in the text, or marked
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return &mountWatcher{file: f, before: before, changes: make(chan struct{}, 1), lost: lost}
}

// watch reports changes until the file is closed. It stays in one read: each new one would
// forget what the kernel has marked since the last.
func (w *mountWatcher) watch() {
	conn, err := w.file.SyscallConn()
	if err != nil {
		return
	}
	calls := 0
	_ = conn.Read(func(uintptr) bool {
		if calls++; calls > 2 || w.isChanged(calls) {
			select {
			case w.changes <- struct{}{}:
			default:
			}
		}
		return false // wait until the kernel marks it
	})
	w.lost() // does nothing if it was closed by close
}

// isChanged is for the first two calls. The first is made before anything was waited for:
// what was marked since the file was opened is forgotten. For the second, Go's poller may
// find the file readable because it was opened.
func (w *mountWatcher) isChanged(call int) bool {
	if w.before == "" {
		return call > 1 // the text cannot be read
	}
	now := readMounts()
	changed := now != w.before
	w.before = now
	return changed
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

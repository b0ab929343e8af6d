//go:build !linux

package core

import "github.com/fsnotify/fsnotify"

// closeWrite: these systems do not report that a writer has closed a file; the
// probe's timer finds it.
const closeWrite fsnotify.Op = 0

func withCloseWrite(w *fsnotify.Watcher, dir string) error { return w.Add(dir) }

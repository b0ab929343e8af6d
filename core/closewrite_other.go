//go:build !linux

package core

import "github.com/fsnotify/fsnotify"

// closeWrite: these systems do not report that a writer has closed a file; the
// probe's timer finds it.
const closeWrite fsnotify.Op = 0

// These systems report all there is.
var withFiles, withNames = (*fsnotify.Watcher).Add, (*fsnotify.Watcher).Add

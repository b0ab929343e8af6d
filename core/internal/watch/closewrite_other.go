// SPDX-License-Identifier: MIT

//go:build !linux

package watch

import "github.com/fsnotify/fsnotify"

// CloseWrite: these systems do not report that a writer has closed a file; the
// probe's timer finds it.
const CloseWrite fsnotify.Op = 0

// These systems report all there is.
var withFiles, withNames = (*fsnotify.Watcher).Add, (*fsnotify.Watcher).Add

// SPDX-License-Identifier: MIT

package main

import (
	_ "unsafe" // for go:linkname

	_ "github.com/fsnotify/fsnotify"
)

// fsnotify prints every event to stderr if FSNOTIFY_DEBUG=1 is in the
// environment, which it reads before anything of ours runs. A guest in a host's
// process prints nothing, so the switch is turned off again. On other systems
// Go's runtime has no environment to read (capi/mklib/overlay.go).
//
//go:linkname fsnotifyDebug github.com/fsnotify/fsnotify.debug
var fsnotifyDebug bool

func init() { fsnotifyDebug = false }

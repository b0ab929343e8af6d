// SPDX-License-Identifier: MIT

package main

import (
	"runtime/debug"
	"sync"
)

// Half of what Go's runtime keeps by default is room for garbage, which a host
// with many plugins would see as resident memory. The core hardly allocates once
// its plugins are enabled, so that collecting earlier costs next to nothing.
const (
	tight = 25
	loose = 100 // while thousands are enabled, which is all allocating
)

func init() { debug.SetGCPercent(tight) }

var bulks struct {
	sync.Mutex
	managers int
}

// bulk is told by a manager in which many plugins come or go. Afterwards what
// they needed meanwhile is given back.
func bulk(under bool) {
	bulks.Lock()
	defer bulks.Unlock()
	if under {
		if bulks.managers++; bulks.managers == 1 {
			debug.SetGCPercent(loose)
		}
		return
	}
	if bulks.managers--; bulks.managers == 0 {
		debug.SetGCPercent(tight)
		go debug.FreeOSMemory()
	}
}

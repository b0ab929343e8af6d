// SPDX-License-Identifier: MIT

package engine

import "runtime"

// live is the size of everything that is in use.
func live() int {
	var s runtime.MemStats
	for range 2 { // what the first finds dead may have held on to more
		runtime.GC()
	}
	runtime.ReadMemStats(&s)
	return int(s.HeapAlloc)
}

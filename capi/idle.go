//go:build idle

package main

import (
	"math"
	_ "unsafe" // for go:linkname
)

// Go's runtime collects garbage every two minutes even if none has come about,
// and its monitor thread wakes every minute to see whether it is time. A host at
// rest is left at rest: the heap's growth alone asks for a collection here.
// Since Go 1.23 the linker lets nobody reach the variable unless it is told to
// (-checklinkname=0): mklib does, and sets the build tag.
//
//go:linkname forcegcperiod runtime.forcegcperiod
var forcegcperiod int64

func init() { forcegcperiod = math.MaxInt64 / 4 } // 73 years

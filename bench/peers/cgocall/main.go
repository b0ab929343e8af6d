// SPDX-License-Identifier: MIT

// Command cgocall is a C library in Go that does nothing: what a call into Go
// costs on this machine, and what a map lookup by string costs there.
package main

import "C"

import "unsafe"

var ids = map[string]int{}

//export cgocall_fill
func cgocall_fill(id *C.char) { ids[C.GoString(id)] = len(ids) }

//export cgocall_empty
func cgocall_empty() {}

// cgocall_lookups looks one id up n times, inside Go.
//
//export cgocall_lookups
func cgocall_lookups(id *C.char, size C.int, n C.long) C.long {
	key := unsafe.String((*byte)(unsafe.Pointer(id)), int(size))
	sum := 0
	for range int(n) {
		sum += ids[key]
	}
	return C.long(sum)
}

func main() {}

// SPDX-License-Identifier: MIT

// Package boundtest gives what reads a stranger's file a limit of memory and time, and
// has hostile bytes for it. Only tests import it.
package boundtest

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// hangs is how long no reader takes for a file of a test, on a machine however busy.
const hangs = time.Minute

// Within fails the test if do allocates more than so many bytes, or hangs.
func Within(t testing.TB, bytes uint64, do func()) {
	t.Helper()
	var before, after runtime.MemStats
	hung := time.AfterFunc(hangs, func() { panic("the reader hangs") }) // with all stacks
	defer hung.Stop()
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > bytes {
		t.Fatalf("%d bytes were allocated, more than %d", n, bytes)
	}
}

// Damage returns a copy of a file with some of its bytes changed, removed or repeated.
// Special bytes are put in more often than others.
func Damage(r *rand.Rand, file []byte, special string) []byte {
	out := append([]byte(nil), file...)
	for range 1 + r.IntN(4) {
		at := r.IntN(len(out) + 1)
		end := at + r.IntN(len(out)-at+1)
		switch r.IntN(6) {
		case 0:
			out = append(out[:at:at], out[end:]...)
		case 1:
			out = append(out[:end:end], out[at:]...)
		case 2:
			out = append(out[:at:at], append([]byte{special[r.IntN(len(special))]}, out[at:]...)...)
		default:
			if at == len(out) {
				continue
			}
			if out[at] = byte(r.IntN(256)); r.IntN(3) > 0 {
				out[at] = special[r.IntN(len(special))]
			}
		}
	}
	return out
}

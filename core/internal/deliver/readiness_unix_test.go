// SPDX-License-Identifier: MIT

//go:build unix

package deliver

import (
	"testing"

	"golang.org/x/sys/unix"
)

func readable(t *testing.T, r *Readiness) bool {
	t.Helper()
	p := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(p, 0)
		if err == nil {
			return n == 1
		}
		if err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

func descriptor(t *testing.T, r *Readiness) int {
	t.Helper()
	fd, err := r.Descriptor()
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestDescriptorIsReadableWhileSomethingIsReady(t *testing.T) {
	r, err := NewReadiness()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if descriptor(t, r) < 0 || readable(t, r) {
		t.Fatal("there is no descriptor, or it is readable from the start")
	}
	for _, on := range []bool{true, true, false, false, true, false} {
		r.Set(on)
		if got := readable(t, r); got != on {
			t.Fatalf("readable: %v, want %v", got, on)
		}
	}
}

func TestDescriptorIsKeptOnlyForAHostThatAskedForIt(t *testing.T) {
	r, err := NewReadiness()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.Set(true)
	if readable(t, r) {
		t.Fatal("system calls were spent on a descriptor that nobody polls")
	}
	descriptor(t, r)
	if !readable(t, r) {
		t.Fatal("asked for while something is ready, the descriptor is not readable")
	}
}

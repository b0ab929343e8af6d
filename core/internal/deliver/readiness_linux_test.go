// SPDX-License-Identifier: MIT

package deliver

import (
	"testing"

	"golang.org/x/sys/unix"
)

// A host closes what is not its own, and opens files that get the numbers.
func TestDescriptorsOfTheHostAreLeftAlone(t *testing.T) {
	r, err := NewReadiness()
	if err != nil {
		t.Fatal(err)
	}
	was := []int{descriptor(t, r), r.w}
	var hosts [2]int
	if err := unix.Pipe(hosts[:]); err != nil {
		t.Fatal(err)
	}
	for _, fd := range was { // the same numbers, another file
		if err := unix.Dup3(hosts[1], fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
	}
	if !r.Set(true) {
		t.Error("the loss is not reported")
	}
	if r.Set(false) || r.Set(true) {
		t.Error("the loss is reported twice")
	}
	if fd := descriptor(t, r); !readable(t, r) || fd == was[0] || fd == was[1] {
		t.Errorf("the new descriptor %d, instead of %v, is not readable", fd, was)
	}
	r.Close()
	for _, fd := range was {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			t.Errorf("descriptor %d of the host was closed: %v", fd, err)
		}
		_ = unix.Close(fd)
	}
	_ = unix.Close(hosts[1])
	if n, err := unix.Read(hosts[0], make([]byte, 8)); n != 0 || err != nil {
		t.Errorf("%d bytes were written to the host's pipe: %v", n, err)
	}
	_ = unix.Close(hosts[0])
}

// SPDX-License-Identifier: MIT

package engine

import (
	"flag"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var calmFor = flag.Duration("calm.for", time.Second, "how long the file is opened again and again")

// A program that opens the file for writing again and again, with O_NONBLOCK, runs into the
// question about writers if that is ever asked meanwhile. It is asked once it pauses: at
// most when the system stops the program for a while, and then goes on with it before the
// question is over.
func TestWriterThatDoesNotWaitIsNotDisturbed(t *testing.T) {
	h := onDisk(t, Options{Quiet: NoQuiet, MaxDelay: *calmFor})
	const stops = 2
	failed, bursts, n, before := 0, 0, 0, true
	for end := time.Now().Add(*calmFor); time.Now().Before(end); n++ {
		fd, err := unix.Open(h.file, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			if failed++; before {
				bursts++
			}
			before = false
			continue
		}
		before = true
		_, err = unix.Pwrite(fd, []byte{'v', byte('0' + n%10)}, 0)
		h.must(err)
		h.must(unix.Close(fd))
	}
	t.Logf("%d of %d opens failed, at %d moments", failed, n, bursts)
	if bursts > stops {
		t.Errorf("opens failed at %d moments, want at most %d", bursts, stops)
	}
	h.replace(h.file, "v1")
	for got := ""; got != "v1"; {
		select {
		case got = <-h.told:
		case <-time.After(bound):
			t.Fatal("the last version is lost")
		}
	}
}

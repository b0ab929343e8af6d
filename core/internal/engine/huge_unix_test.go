// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// A file without content may claim to have any size. It is not read for hours to be
// compared: size and times decide.
func TestAHugeFileIsNotReadToBeCompared(t *testing.T) {
	var read atomic.Int64
	h := onDisk(t, Options{IgnoreUnchangedContent: true, Quiet: 20 * ms, disk: hookedDisk{fsys.OS{}, func(op, path string, access func()) {
		if op == "File.Read" || op == "File.ReadAt" {
			read.Add(1)
		}
		access()
	}}})
	h.must(h.m.SetReloadCallback(func(id string) { h.told <- id }, nil))
	huge := h.file + ".huge"
	h.put(huge, "")
	h.must(os.Truncate(huge, maxCompared+1))
	h.awaitStat("the other one is enabled", func(s Stats) bool { return s.Settling == 0 })
	read.Store(0)
	h.must(h.m.Enable("huge", huge, EnableOptions{}))
	change := func(what string, do func() error, delivered uint64) {
		t.Helper()
		before, _ := h.m.Stats()
		h.must(do())
		h.awaitStat(what, func(s Stats) bool {
			return s.Deliveries == before.Deliveries+delivered && s.Settling == 0 && s.Deliveries+s.Unchanged > before.Deliveries+before.Unchanged
		})
	}
	change("a rewrite is delivered", func() error { return os.Truncate(huge, maxCompared+2) }, 1)
	change("chmod is not", func() error { return os.Chmod(huge, 0o600) }, 0)
	change("a touch is", func() error { return os.Chtimes(huge, time.Time{}, time.Unix(1e9, 0)) }, 1)
	if n := read.Load(); n != 0 {
		t.Errorf("it was read %d times", n)
	}
	change("of the largest that is compared", func() error { return os.Truncate(huge, 1<<20) }, 1)
	if n := read.Load(); n == 0 {
		t.Error("a smaller one is not read either")
	}
	change("a touch is not delivered", func() error { return os.Chtimes(huge, time.Time{}, time.Unix(2e9, 0)) }, 0)
}

// The reader of an image notices between two reads that nobody wants to know any more.
func TestAnImageCheckThatIsUnderWayEnds(t *testing.T) {
	for what, end := range map[string]func(h *realHost){
		"Close":   func(h *realHost) { h.m.Close() },
		"Disable": func(h *realHost) { _, err := h.m.Disable("p"); h.must(err) },
		"another change": func(h *realHost) {
			f, err := os.OpenFile(h.file, os.O_WRONLY, 0)
			h.must(err)
			_, err = f.WriteString("v2")
			h.must(errors.Join(err, f.Close()))
		},
		"the file is another": func(h *realHost) { h.replace(h.file, "v2") },
	} {
		t.Run(what, func(t *testing.T) {
			begun, ended := make(chan struct{}), make(chan error, 1)
			var once atomic.Bool
			h := onDisk(t, Options{CheckImage: true, checkImage: func(r io.ReaderAt, size int64) error {
				if !once.CompareAndSwap(false, true) {
					return nil
				}
				close(begun)
				for b := make([]byte, 1); ; { // as a reader that a file keeps busy
					if _, err := r.ReadAt(b, 0); err != nil {
						ended <- err
						return err
					}
				}
			}})
			h.put(h.file, "v1")
			<-begun
			end(h)
			select {
			case err := <-ended:
				if !errors.Is(err, fsys.ErrStopped) {
					t.Errorf("the reader was told %v", err)
				}
			case <-time.After(bound):
				t.Errorf("it goes on %v later", bound)
			}
		})
	}
}

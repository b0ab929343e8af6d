// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
		if (op == "File.Read" || op == "File.ReadAt") && filepath.Ext(path) == ".huge" {
			read.Add(1)
		}
		access()
	}}})
	var deliveries, others atomic.Int64
	h.must(h.m.SetReloadCallback(func(id string) {
		if id == "huge" {
			deliveries.Add(1)
		} else {
			others.Add(1)
		}
	}, nil))
	huge := h.file + ".huge"
	h.put(huge, "")
	h.must(os.Truncate(huge, maxCompared+1))
	h.must(h.m.Enable("huge", huge, EnableOptions{}))
	change := func(what string, do func() error, delivered int64, mayRead bool) {
		t.Helper()
		read.Store(0)
		before := deliveries.Load()
		h.must(do())
		h.await(what, func() bool { return deliveries.Load() >= before+delivered })
		// The notification of another file comes later than those about this one.
		other := others.Load()
		h.replace(h.file, fmt.Sprintf("after %q", what))
		h.await("the other one", func() bool { return others.Load() > other })
		h.awaitStat("nothing settles", func(s Stats) bool { return s.Settling == 0 && s.Pending == 0 && h.m.workers.idle() })
		if got := deliveries.Load() - before; got != delivered {
			t.Errorf("%s: %d deliveries, want %d", what, got, delivered)
		}
		if n := read.Load(); n != 0 && !mayRead {
			t.Errorf("%s: it was read %d times", what, n)
		}
	}
	change("a rewrite is delivered", func() error { return os.Truncate(huge, maxCompared+2) }, 1, false)
	change("chmod is not", func() error { return os.Chmod(huge, 0o600) }, 0, false)
	change("a touch is", func() error { return os.Chtimes(huge, time.Time{}, time.Unix(1e9, 0)) }, 1, false)
	change("so is what can be compared", func() error { return os.Truncate(huge, 1<<20) }, 1, true)
	change("a touch of it is not", func() error { return os.Chtimes(huge, time.Time{}, time.Unix(2e9, 0)) }, 0, true)
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

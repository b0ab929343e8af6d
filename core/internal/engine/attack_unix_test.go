// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The same by chance: somebody exchanges a signed file without pause, in place and by renaming, also for a moment
// only. Whatever the moment, what the host is told to load is what was signed.
func TestOnlyWhatWasSignedIsLoaded(t *testing.T) {
	h := quietSafe(t, Options{Quiet: NoQuiet, MaxDelay: 5 * ms})
	var last, told, refused atomic.Int64
	h.must(h.m.SetEventCallback(func(ev Event) {
		switch ev.Kind {
		case FileChanged:
			if got, err := os.ReadFile(ev.Snapshot); err != nil || string(got) != signedText {
				t.Errorf("the host would have loaded %q, %v", got, err)
			}
			if err := h.m.ReportReload("p", ev.Generation, ReloadOK, ""); err != nil {
				t.Error(err)
			}
			told.Add(1)
		case Rejected:
			refused.Add(1)
		default: // that the queue overflowed, say
			return
		}
		last.Store(int64(ev.Kind))
	}, nil))
	h.put(h.file, "unsigned")
	h.put(h.file+signatureSuffix, prehashed)
	h.enable(Safe{PublicKeys: []string{keyText}})
	for burst := range 30 {
		verdict, content := Rejected, "unsigned"
		for i := range 1 + burst%7*10 {
			verdict, content = Rejected, "unsigned"
			if (burst+i)%2 == 0 {
				verdict, content = FileChanged, signedText
			}
			if i%3 == 0 {
				h.put(h.file, content)
			} else {
				h.replace(h.file, content)
			}
		}
		h.until("the verdict on the last of them", func() bool { return last.Load() == int64(verdict) })
	}
	if told.Load() < 10 || refused.Load() < 10 {
		t.Fatalf("%d were told, %d refused", told.Load(), refused.Load())
	}
}

// While a failed version waits to be offered again the file may go.
func TestRemovedWhileARetryWaits(t *testing.T) {
	h := newSafe(t, Options{}, Safe{Retries: 5, RetryDelay: time.Minute}, "v1")
	h.change("v1")
	h.report(1, ReloadFailed)
	h.next(Rollback)
	h.must(os.Remove(h.file))
	h.next(FileRemoved)
	h.replace(h.file, "v1")
	h.change("v1")
}

// A link planted where the copy is about to be made is not written through.
func TestPlantedLinkIsNotFollowed(t *testing.T) {
	var h *safeHost
	var once atomic.Bool
	victim := filepath.Join(t.TempDir(), "victim")
	h = quietSafe(t, Options{step: func(step string) {
		if step == "made" && once.CompareAndSwap(false, true) {
			made, err := filepath.Glob(filepath.Join(h.snapshots, "*", "d/d/d/d/d/d/d/d", "[0-9]*"))
			if err != nil || len(made) != 1 {
				t.Errorf("made %v, %v", made, err)
			} else if err := os.Symlink(victim, filepath.Join(made[0], "plugin.so")); err != nil {
				t.Error(err)
			}
		}
	}})
	h.put(victim, "precious")
	h.put(h.file, "v1")
	h.enable(Safe{})
	if ev := h.next(Health); ev.Health != HealthSnapshotFailed || !strings.Contains(ev.Message, "exists") {
		t.Fatalf("event %+v", ev)
	}
	h.change("v1")
	if got := h.read(victim); got != "precious" {
		t.Fatalf("the link was followed: %q", got)
	}
}

//go:build unix

package core

import (
	"os"
	"testing"
	"time"
)

// The same by chance: somebody exchanges a signed file without pause, in place and by renaming, also for a moment
// only. Whatever the moment, what the host is told to load is what was signed.
func TestOnlyWhatWasSignedIsLoaded(t *testing.T) {
	h := quietSafe(t, Options{Quiet: NoQuiet, MaxDelay: 5 * ms})
	h.put(h.file, "unsigned")
	h.put(h.file+signatureSuffix, prehashed)
	h.enable(Safe{PublicKeys: []string{keyText}})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			content := "unsigned"
			if i%2 == 0 {
				content = signedText
			}
			to := h.file
			if i%3 > 0 {
				to += ".tmp"
			}
			if err := os.WriteFile(to, []byte(content), 0o644); err != nil {
				t.Error(err)
			}
			if to != h.file {
				if err := os.Rename(to, h.file); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	for told, refused := 0, 0; told < 20 || refused < 20; {
		select {
		case ev := <-h.events:
			switch ev.Kind {
			case FileChanged:
				if got := h.read(ev.Snapshot); got != signedText {
					t.Fatalf("the host would have loaded %q", got)
				}
				h.report(ev.Generation, ReloadOK)
				told++
			case Rejected:
				refused++
			}
		case <-time.After(bound):
			t.Fatalf("told %d, refused %d", told, refused)
		}
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

// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// Stats.Superseded counts the complete versions that nobody heard of because a
// newer one came first, and nothing else.
func TestEachUndeliveredVersionThatIsReplacedCountsAsSuperseded(t *testing.T) {
	for _, safe := range []*Safe{nil, {}} {
		for _, polling := range []bool{false, true} {
			t.Run(fmt.Sprintf("safe %v, polling %v", safe != nil, polling), func(t *testing.T) {
				t.Parallel()
				h := quietSafe(t, Options{Dispatch: DispatchManual, Safe: safe, ForcePolling: polling, PollInterval: 10 * ms})
				h.must(h.m.SetEventCallback(nil, nil))
				h.must(h.m.SetReloadCallback(func(string) {}, nil))
				h.put(h.file, "v0")
				h.must(h.m.Enable("p", h.file, EnableOptions{}))
				waits := func(what string, superseded uint64) {
					t.Helper()
					h.until(what, func() bool {
						s := h.stats()
						return s.Pending == 1 && s.Settling == 0 && s.Validating == 0 && s.Superseded >= superseded
					})
					if s := h.stats(); s.Superseded != superseded {
						t.Fatalf("%s: %d versions count as superseded, want %d", what, s.Superseded, superseded)
					}
				}
				for i := range 4 {
					h.replace(h.file, fmt.Sprint("version ", i))
					waits(fmt.Sprintf("version %d waits to be delivered", i), uint64(i))
				}
				if !polling { // who polls does not hear of it
					before := h.stats().Notifications
					h.must(os.Chmod(h.file, 0o600))
					h.until("the chmod was noticed", func() bool { return h.stats().Notifications > before })
				}
				waits("the same version waits after a chmod", 3)
				if n, err := h.m.Dispatch(0, time.Second); n != 1 || err != nil {
					t.Fatalf("%d delivered, %v", n, err)
				}
				if s := h.stats(); s.Superseded != 3 || s.Deliveries != 1 {
					t.Fatalf("after the delivery: %+v", s)
				}
			})
		}
	}
}

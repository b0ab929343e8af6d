// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// A version that waits to be delivered is no way around a validator.
func TestAVersionThatWaitsIsPutToAValidatorThatIsSetMeanwhile(t *testing.T) {
	for _, former := range []Validator{nil, func(Candidate) error { return nil }} {
		h := quietSafe(t, Options{})
		if former != nil {
			h.must(h.m.SetValidator(former, nil))
		}
		h.must(h.m.SetGlobalEnabled(false))
		h.put(h.file, "v1")
		h.enable(Safe{})
		h.until("it waits", func() bool { return h.stats().Snapshots == 1 && h.stats().Pending == 1 })
		h.must(h.m.SetValidator(func(Candidate) error { return errors.New("not this one") }, nil))
		h.must(h.m.SetGlobalEnabled(true))
		if ev := h.next(Rejected); ev.Message != "not this one" {
			t.Fatalf("event %+v", ev)
		}
		h.until("its snapshot is gone", func() bool { return h.stats().Snapshots == 0 })
		h.must(h.m.SetValidator(func(Candidate) error { return nil }, nil))
		h.replace(h.file, "v2")
		h.change("v2")
	}
}

// The same, when it is on its way there.
func TestAVersionOnItsWayIsPutToAValidatorThatIsSetMeanwhile(t *testing.T) {
	var h *safeHost
	var calls atomic.Int32
	h = quietSafe(t, Options{})
	h.must(h.m.SetValidator(func(Candidate) error {
		if calls.Add(1) == 1 { // inside it the manager waits for nothing
			return h.m.SetValidator(func(Candidate) error { return errors.New("not this one") }, nil)
		}
		return nil
	}, nil))
	h.put(h.file, "v1")
	h.enable(Safe{})
	if ev := h.next(Rejected); ev.Message != "not this one" {
		t.Fatalf("event %+v", ev)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("the former validator was called %d times", n)
	}
}

func TestACompanionThatIsNoFileIsRejectedUntilItIsOne(t *testing.T) {
	for what, put := range map[string]func(path string) error{
		"directory": func(path string) error { return os.Mkdir(path, 0o755) },
		"FIFO":      func(path string) error { return unix.Mkfifo(path, 0o644) },
		"device":    func(path string) error { return os.Symlink("/dev/null", path) },
		"loop":      func(path string) error { return os.Symlink(path, path) },
	} {
		t.Run(what, func(t *testing.T) {
			h := quietSafe(t, Options{})
			data := filepath.Join(h.dir, "data")
			h.put(h.file, "v1")
			h.put(data, "d1")
			h.enable(Safe{Files: []string{"data"}})
			h.change("v1")
			h.must(os.Remove(data))
			h.must(put(data))
			h.replace(h.file, "v2")
			ev := h.next(Rejected)
			if strings.Contains(ev.Message, "is missing") && what != "loop" { // as it was for a moment
				ev = h.next(Rejected)
			}
			if !strings.Contains(ev.Message, data) {
				t.Errorf("the reason does not name the file: %q", ev.Message)
			}
			h.must(os.Remove(data))
			h.put(data, "d2")
			for ev = (Event{Kind: Rejected}); ev.Kind == Rejected; {
				ev = <-h.events
			}
			if ev.Kind != FileChanged || h.read(ev.Snapshot) != "v2" || h.read(filepath.Join(filepath.Dir(ev.Snapshot), "data")) != "d2" {
				t.Errorf("event %+v", ev)
			}
		})
	}
}

// Who may write to its directory could put it there after the modes were examined.
func TestStrictModesRejectWhileTheAllowListIsMissing(t *testing.T) {
	var list string
	var asked atomic.Bool
	h := quietSafe(t, Options{
		strict: func(path string) string {
			if path == list {
				return "its directory is everybody's"
			}
			return ""
		},
		step: func(step string) {
			if step == "stable" {
				_ = os.WriteFile(list, []byte("3bfc269594ef649228e9a74bab00f042efc91d5acc6fbee31a382e80d42388fe\n"), 0o644)
			}
		},
	})
	list = filepath.Join(h.dir, "SHA256SUMS")
	h.must(h.m.SetValidator(func(Candidate) error { asked.Store(true); return errors.New("accepted") }, nil))
	h.put(h.file, "v1")
	h.enable(Safe{StrictModes: new(true), AllowList: &list})
	if ev := h.next(Rejected); !strings.Contains(ev.Message, list) || asked.Load() {
		t.Errorf("the list was believed: %+v", ev)
	}
	h.put(list, "")
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "others could exchange the allow-list: its directory") {
		t.Errorf("event %+v", ev)
	}
}

// As every path, the manager's allow-list is resolved where it is given.
func TestAManagersAllowListDoesNotMoveWithTheWorkingDirectory(t *testing.T) {
	here, elsewhere := t.TempDir(), t.TempDir()
	t.Chdir(here)
	safe := &Safe{AllowList: new("SHA256SUMS")}
	h := quietSafe(t, Options{Safe: safe})
	if *safe.AllowList != "SHA256SUMS" {
		t.Errorf("the caller's options were changed: %q", *safe.AllowList)
	}
	const allowed = "3bfc269594ef649228e9a74bab00f042efc91d5acc6fbee31a382e80d42388fe\n"
	h.put(filepath.Join(here, "SHA256SUMS"), "# nothing\n")
	h.put(filepath.Join(elsewhere, "SHA256SUMS"), allowed)
	t.Chdir(elsewhere)
	h.put(h.file, "v1")
	h.enable(Safe{})
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "not in the allow-list") {
		t.Fatalf("event %+v", ev)
	}
	h.put(filepath.Join(here, "SHA256SUMS"), allowed)
	h.change("v1")
}

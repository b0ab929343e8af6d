// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// These tests let the file system of a folder cease to answer at each access to it in turn.

// hungFolder is a host with a folder on a file system that answers. The function enables
// one at /hung.
func hungFolder(t *testing.T, access int, o FolderOptions, test func(h *hungHost, enable func() error)) {
	synctest.Test(t, func(t *testing.T) {
		h := newHungHost(t, Options{})
		defer func() {
			h.mount.answer()
			h.m.Close()
		}()
		must(t, h.m.EnableFolder("f", "/plugins", FolderOptions{}))
		h.mount.arm(access)
		test(h, func() error { return h.m.EnableFolder("hung", "/hung", o) })
	})
}

func TestAFolderThatHangsWhileItIsEnabledHoldsUpNoOtherOne(t *testing.T) {
	for _, o := range []FolderOptions{
		{Include: []string{"**"}, DeliverPresent: true},
		{Include: []string{"**"}, ID: func(path string) string { return "hung/" + path }},
	} {
		for access, hung := 1, true; hung; access++ {
			hungFolder(t, access, o, func(h *hungHost, enable func() error) {
				returned := make(chan error, 1)
				go func() { returned <- enable() }()
				h.pass(5 * time.Second)
				hung = h.mount.isHanging()
				h.disk.replace("/plugins/new.so", "v1")
				h.pass(time.Second)
				if ids := enabledIn(t, h.m); !slices.Contains(ids, "f/new.so") {
					t.Errorf("%s hangs: found are %q", h.mount.at, ids)
				}
				if hung && access > 3 && len(returned) == 0 { // before, the caller's own goroutine asks
					t.Errorf("%s hangs, and with it EnableFolder", h.mount.at)
				}
				h.mount.answer()
				h.pass(5 * time.Second)
				if ids := enabledIn(t, h.m); !slices.Contains(ids, "hung/dir/b.so") {
					t.Errorf("%s has hung: found are %q", h.mount.at, ids)
				}
				if err := <-returned; err != nil {
					t.Errorf("%s has hung: %v", h.mount.at, err)
				}
			})
			if access > 200 {
				t.Fatal("it hangs for ever")
			}
		}
	}
}

func TestAManagerWhoseFolderHangsIsClosedInTime(t *testing.T) {
	for _, end := range []string{"close", "disable", "clear"} {
		for access, hung := 4, true; hung; access++ {
			hungFolder(t, access, FolderOptions{Include: []string{"**"}}, func(h *hungHost, enable func() error) {
				go func() { _ = enable() }()
				h.pass(5 * time.Second)
				hung = h.mount.isHanging()
				takesAtMost(t, time.Second, fmt.Sprintf("%s while %s hangs", end, h.mount.at), func() {
					switch end {
					case "close":
						h.m.Close()
					case "disable":
						_, _ = h.m.DisableFolder("hung")
					case "clear":
						_, _ = h.m.Clear()
					}
				})
			})
		}
	}
}

func enabledIn(t *testing.T, m *Engine) []string {
	t.Helper()
	ids, err := m.Plugins()
	must(t, err)
	return ids
}

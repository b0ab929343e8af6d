// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/watch"
)

// oneRoomSource reports nothing, and has no room for the watch of one directory.
type oneRoomSource struct {
	deafSource
	full string
}

func (s oneRoomSource) Add(path string, _ bool) error {
	if path == s.full {
		return unix.ENOSPC
	}
	return nil
}

// polledLink is a manager with a plugin at a link whose directory is polled. The source
// says nothing of where it leads.
func polledLink(t *testing.T) (h *realHost, m *Engine, told chan string, link, file string) {
	h = onDisk(t, Options{})
	links := filepath.Join(h.dir, "links")
	link, file = filepath.Join(links, "p.so"), filepath.Join(h.dir, "sub", "p.so")
	h.must(os.Mkdir(links, 0o755))
	h.put(file, "v0")
	h.must(os.Symlink(file, link))
	m, told = linkHostOf(h, Options{PollInterval: 20 * ms, newSource: func() (watch.Source, error) {
		return oneRoomSource{full: links}, nil
	}})
	h.must(m.Enable("p", link, EnableOptions{}))
	atRest(t, m, 1)
	h.await("the walks", m.workers.idle)
	return h, m, told, link, file
}

// Polling a link also compares the file that it leads to. So it is found out that the watch
// of that file's directory is deaf.
func TestDeafWatchIsFoundByThePollingOfANeighbour(t *testing.T) {
	h, m, told, _, file := polledLink(t)
	h.replace(file, "v1")
	h.await("the delivery", func() bool { return len(told) > 0 })
	h.await("the missing notification is noticed", func() bool {
		s, err := m.Stats()
		h.must(err)
		return s.Missed == 1
	})
}

// That the link leads elsewhere cannot be notified of where it led.
func TestNoWatchIsDistrustedForALinkThatIsPolled(t *testing.T) {
	h, m, told, link, _ := polledLink(t)
	another := filepath.Join(h.dir, "sub", "q.so")
	h.put(another, "v1")
	h.must(os.Symlink(another, link+".new"))
	h.must(os.Rename(link+".new", link))
	h.await("the delivery", func() bool { return len(told) > 0 })
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.intake.doubts); n != 0 {
		t.Errorf("%d watches are doubted", n)
	}
}

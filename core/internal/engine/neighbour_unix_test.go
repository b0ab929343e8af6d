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

// The directory of a link is polled, and with it the file that the link leads to. So it is
// found out that the watch of that file's directory is deaf.
func TestDeafWatchIsFoundByThePollingOfANeighbour(t *testing.T) {
	h := onDisk(t, Options{})
	links, file := filepath.Join(h.dir, "links"), filepath.Join(h.dir, "sub", "p.so")
	h.must(os.Mkdir(links, 0o755))
	h.put(file, "v0")
	h.must(os.Symlink(file, filepath.Join(links, "p.so")))
	m, told := linkHostOf(h, Options{PollInterval: 20 * ms, newSource: func() (watch.Source, error) {
		return oneRoomSource{full: links}, nil
	}})
	h.must(m.Enable("p", filepath.Join(links, "p.so"), EnableOptions{}))
	atRest(t, m, 1)
	h.await("the walks", m.workers.idle)
	h.replace(file, "v1")
	h.await("the delivery", func() bool { return len(told) > 0 })
	h.await("the missing notification is noticed", func() bool {
		s, err := m.Stats()
		h.must(err)
		return s.Missed == 1
	})
}

// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// onceAt is a disk on which something happens once, after the first access to a path
// with this operation.
func onceAt(op, path string, happens func()) fsys.Disk {
	var once sync.Once
	return hookedDisk{fsys.OS{}, func(o, p string, access func()) {
		access()
		if o == op && p == path {
			once.Do(happens)
		}
	}}
}

func TestFileBehindALinkIsDeliveredIfItChangesWhileTheCheckFindsOutWhereTheLinkLeads(t *testing.T) {
	h := onDisk(t, Options{})
	at := func(name string) string { return filepath.Join(h.dir, name) }
	h.put(at("plugin.so.1"), "v1")
	h.put(at("v2"), "v2")
	h.must(os.Symlink("plugin.so.1", at("plugin.so")))
	var m *Engine
	var told chan string
	disk := onceAt("File.Writer", at("plugin.so"), func() {
		notified := func() uint64 { s, err := m.Stats(); h.must(err); return s.Notifications }
		before := notified()
		h.must(os.Rename(at("v2"), at("plugin.so.1"))) // in a directory that is watched already
		h.await("the notification", func() bool { return notified() > before })
	})
	m, told = linkHost(h, disk)
	h.must(m.Enable("link", at("plugin.so"), EnableOptions{}))
	h.await("the delivery of what the link leads to", func() bool { return len(told) > 0 })
}

// linkHost starts a manager on a disk.
func linkHost(h *realHost, disk fsys.Disk) (m *Engine, told chan string) {
	h.t.Helper()
	// Mounts elsewhere on the computer would have the watches renewed in between.
	return linkHostOf(h, Options{disk: disk, newSource: func() (watch.Source, error) {
		s, err := watch.Open()
		return mountlessSource{s}, err
	}})
}

// mountlessSource does not report mounts.
type mountlessSource struct{ watch.Source }

func (mountlessSource) Mounts() <-chan struct{} { return nil }

func linkHostOf(h *realHost, o Options) (m *Engine, told chan string) {
	h.t.Helper()
	o.Quiet = 30 * ms
	m, err := New(o)
	h.must(err)
	h.t.Cleanup(m.Close)
	told = make(chan string, 100)
	h.must(m.SetReloadCallback(func(id string) { told <- id }, nil))
	return m, told
}

func TestLinkRetargetedDuringTheCheckThatFollowsItIsFollowedToItsNewTarget(t *testing.T) {
	h := onDisk(t, Options{})
	dir := h.dir
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, d := range []string{"mid", "store1", "store2"} {
		h.must(os.Mkdir(at(d), 0o755))
	}
	h.put(at("store1/p.so"), "v1")
	h.must(os.Link(at("store1/p.so"), at("store2/p.so"))) // as rsync --link-dest makes a release
	h.must(os.Symlink(at("store1/p.so"), at("mid/hop.so")))
	h.must(os.Symlink(at("store2/p.so"), at("hop.new")))
	h.must(os.Symlink(at("mid/hop.so"), at("link.so")))
	disk := onceAt("Readlink", at("mid/hop.so"), func() { h.must(os.Rename(at("hop.new"), at("mid/hop.so"))) })
	m, told := linkHost(h, disk)
	h.must(m.Enable("link", at("link.so"), EnableOptions{}))
	atRest(t, m, 1)
	h.await("the walks", m.workers.idle)
	h.replace(at("store2/p.so"), "v2")
	h.await("the delivery of what the link leads to now", func() bool { return len(told) > 0 })
}

func TestLinkRetargetedToATwinIsDeliveredAlthoughAMountWasSignalled(t *testing.T) {
	h := onDisk(t, Options{})
	at := func(name string) string { return filepath.Join(h.dir, name) }
	h.put(at("1.so"), "one")
	h.put(at("2.so"), "two")
	h.must(os.Symlink("1.so", at("link.so")))
	m, told := linkHostOf(h, Options{disk: twinDisk{}, newSource: func() (watch.Source, error) { return muteSource{}, nil }})
	h.must(m.Enable("link", at("link.so"), EnableOptions{}))
	atRest(t, m, 1)
	h.must(os.Symlink("2.so", at("new")))
	h.must(os.Rename(at("new"), at("link.so")))
	m.step(m.noteMount) // which has every watch asked for anew, so that notifications are lost
	h.await("the delivery", func() bool { return len(told) > 0 })
}

// muteSource never notifies of anything.
type muteSource struct{ watch.None }

func (muteSource) Add(string, bool) error { return nil }

// twinDisk gives every file the same times, as those have that were made at once.
type twinDisk struct{ fsys.OS }

func twin(in fsys.Info, err error) (fsys.Info, error) {
	if in.Kind == fsys.Regular {
		in.Changed, in.Fingerprint.ModTime = 1, 1
	}
	return in, err
}

func (d twinDisk) Stat(path string) (fsys.Info, error)  { return twin(d.OS.Stat(path)) }
func (d twinDisk) Lstat(path string) (fsys.Info, error) { return twin(d.OS.Lstat(path)) }
func (d twinDisk) Open(path string) (fsys.File, error) {
	f, err := d.OS.Open(path)
	return twinFile{f}, err
}

type twinFile struct{ fsys.File }

func (f twinFile) Stat() (fsys.Info, error) { return twin(f.File.Stat()) }

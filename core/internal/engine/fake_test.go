// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/watch"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// fakeDisk is a file system in memory that is its own notification source. Use
// it inside a synctest bubble: its clock is time.Now.
type fakeDisk struct {
	mu      sync.Mutex
	nodes   map[string]*fakeNode
	ino     uint64
	watched map[string]uint64 // path as given to Add → the directory that stood there then
	mounts  chan struct{}
	events  chan fsnotify.Event
	errs    chan error
	mute    bool // notifications are lost
	addErr  error
	noProbe bool            // the probe cannot tell
	closes  bool            // the system notifies of closes
	spared  map[string]bool // directories whose writes are left out
}

type fakeNode struct {
	info    fsys.Info
	link    string
	content string
	writers int
	bad     error // what the image check says
	mode000 bool
	cached  *fsys.Info // what stat says of it, if not the truth
}

func newFakeDisk() *fakeDisk {
	d := &fakeDisk{nodes: map[string]*fakeNode{}, watched: map[string]uint64{}, spared: map[string]bool{},
		events: make(chan fsnotify.Event, 10000), errs: make(chan error, 10), mounts: make(chan struct{}, 1)}
	d.put("/", fsys.Directory, "")
	return d
}

func (d *fakeDisk) put(path string, kind fsys.Kind, content string) *fakeNode {
	d.ino++
	n := &fakeNode{content: content}
	n.info = fsys.Info{Kind: kind, Fingerprint: fsys.Fingerprint{Exists: true, Dev: 1, Inode: d.ino}}
	if strings.HasPrefix(path, "/net") {
		n.info.Fingerprint.Dev = 2
	} else if isBelow(path, "/hung") {
		n.info.Fingerprint.Dev = 3
	} else if isBelow(path, "/overlay") {
		n.info.Fingerprint.Dev = 4
	}
	d.nodes[path] = n
	n.touch()
	return n
}

func (n *fakeNode) touch() {
	n.info.Fingerprint.Size = int64(len(n.content))
	n.info.Fingerprint.ModTime = time.Now().UnixNano()
	n.info.Changed = time.Now().UnixNano()
}

// notify names what is in a directory as fsnotify does: "//x" for x in "/". A
// watch is of the directory that it was made for, and ends with it.
func (d *fakeDisk) notify(path string, op fsnotify.Op) {
	dir := filepath.Dir(path)
	n := d.nodes[dir]
	if ino, ok := d.watched[dir]; d.mute || op == fsnotify.Write && d.spared[dir] || !ok || n == nil || n.info.Fingerprint.Inode != ino {
		return
	}
	d.events <- fsnotify.Event{Name: dir + "/" + filepath.Base(path), Op: op}
}

func (d *fakeDisk) mkdir(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.put(path, fsys.Directory, "")
	d.notify(path, fsnotify.Create)
}

// replace puts a new file in place, as rename(2) does.
func (d *fakeDisk) replace(path, content string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.put(path, fsys.Regular, content)
	d.notify(path, fsnotify.Create)
}

// displace puts another file in place, or none, and returns what puts the former
// one back, as a link retargeted there and back does.
func (d *fakeDisk) displace(path, content string) (putBack func()) {
	d.mu.Lock()
	former := d.nodes[path]
	d.mu.Unlock()
	if content == "" {
		d.remove(path)
	} else {
		d.replace(path, content)
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.nodes[path] = former
		d.notify(path, fsnotify.Create)
	}
}

// write changes the file in place.
func (d *fakeDisk) write(path, content string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.nodes[path]
	n.content = content
	n.touch()
	d.notify(path, fsnotify.Write)
}

// restore writes the file in place and gives it back its modification time, as
// cp -p and reproducible builds do.
func (d *fakeDisk) restore(path, content string) {
	d.mu.Lock()
	mtime := d.nodes[path].info.Fingerprint.ModTime
	d.mu.Unlock()
	d.write(path, content)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nodes[path].info.Fingerprint.ModTime = mtime
	d.notify(path, fsnotify.Chmod)
}

func (d *fakeDisk) chmod(path string) { d.setMode(path, false) }

// setMode makes the file unreadable, or its directory unsearchable, or not.
func (d *fakeDisk) setMode(path string, mode000 bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nodes[path].mode000 = mode000
	d.nodes[path].info.Changed = time.Now().UnixNano()
	d.notify(path, fsnotify.Chmod)
}

// remove: whatever is below a directory must be removed before. Like fsnotify it
// leaves it to the parent's watch to report that a watched directory has gone.
func (d *fakeDisk) remove(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.nodes, path)
	if _, ok := d.watched[path]; ok {
		d.watched[path] = 0 // of no directory any more
	}
	d.notify(path, fsnotify.Remove)
}

// recreate removes a directory with the file in it and makes both anew. The
// directory gets the inode number that has just become free, as ext4 does it.
func (d *fakeDisk) recreate(dir, file, content string) {
	d.mu.Lock()
	ino := d.nodes[dir].info.Fingerprint.Inode
	d.mu.Unlock()
	d.remove(file)
	d.remove(dir)
	d.mu.Lock()
	d.put(dir, fsys.Directory, "").info.Fingerprint.Inode = ino
	d.notify(dir, fsnotify.Create)
	d.mu.Unlock()
	d.replace(file, content)
}

// remount unmounts the file system of a directory and mounts it again: the
// watch of the directory has gone, and nothing says so but a signal that
// something was mounted.
func (d *fakeDisk) remount(dir string) {
	d.mu.Lock()
	d.watched[dir] = 0
	d.mu.Unlock()
	d.mounted()
}

// mounted signals that a file system was mounted somewhere.
func (d *fakeDisk) mounted() {
	select {
	case d.mounts <- struct{}{}:
	default:
	}
}

func (d *fakeDisk) open(path string) (closeIt func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.nodes[path]
	n.writers++
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		n.writers--
		if d.closes {
			d.notify(path, watch.CloseWrite)
		}
	}
}

func (d *fakeDisk) setImage(path string, bad error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nodes[path].bad = bad
}

func (d *fakeDisk) overflow(lost func()) {
	d.mu.Lock()
	d.mute = true
	d.mu.Unlock()
	lost()
	d.mu.Lock()
	d.mute = false
	d.mu.Unlock()
	select { // as the real source: one is as good as many, and nobody reads it where everything is polled
	case d.errs <- fsnotify.ErrEventOverflow:
	default:
	}
}

func (d *fakeDisk) node(path string) (*fakeNode, error) {
	if n := d.nodes[path]; n != nil {
		return n, nil
	}
	return nil, &fs.PathError{Op: "stat", Path: path, Err: syscall.ENOENT}
}

func (d *fakeDisk) Lstat(path string) (fsys.Info, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.node(path)
	if err != nil {
		return fsys.Info{}, err
	}
	return n.info, nil
}

func (d *fakeDisk) Stat(path string) (fsys.Info, error) {
	in, err := d.Lstat(path)
	d.mu.Lock()
	defer d.mu.Unlock()
	for dir := filepath.Dir(path); dir != "/"; dir = filepath.Dir(dir) {
		if n := d.nodes[dir]; n != nil && n.mode000 {
			return fsys.Info{}, &fs.PathError{Op: "stat", Path: path, Err: syscall.EACCES}
		}
	}
	if n := d.nodes[path]; n != nil && n.cached != nil {
		return *n.cached, nil
	}
	return in, err
}

func (d *fakeDisk) MayRead(path string) error {
	_, err := d.Lstat(path)
	return err
}

func (d *fakeDisk) List(dir string, visit func(string, fsys.Kind) bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.node(dir)
	switch {
	case err != nil:
		return err
	case n.info.Kind != fsys.Directory:
		return &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	case n.mode000:
		return &fs.PathError{Op: "open", Path: dir, Err: syscall.EACCES}
	}
	for path, n := range d.nodes {
		if filepath.Dir(path) == dir && path != dir && !visit(filepath.Base(path), n.info.Kind) {
			break
		}
	}
	return nil
}

func (d *fakeDisk) Readlink(path string) (string, error) { return "", syscall.EINVAL }
func (d *fakeDisk) Silent(dir string) string {
	if strings.HasPrefix(dir, "/net") {
		return "NFS"
	}
	return ""
}

func (d *fakeDisk) Folds(string) bool { return false }

func (d *fakeDisk) Unreliable(dir string) string {
	if isBelow(dir, "/overlay") {
		return "overlayfs"
	}
	return ""
}

// Open opens the file that stands at the path now: what stands there later is
// another one.
func (d *fakeDisk) Open(path string) (fsys.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.node(path)
	if err == nil && n.mode000 {
		err = &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}
	}
	if err != nil {
		return nil, err
	}
	return &fakeFile{disk: d, node: n}, nil
}

type fakeFile struct {
	disk *fakeDisk
	node *fakeNode
	read int64
}

func (f *fakeFile) Stat() (fsys.Info, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.node.info, nil
}

func (f *fakeFile) Writer() fsys.Writer {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	switch {
	case f.disk.noProbe:
		return fsys.WriterUnknown
	case f.node.writers > 0:
		return fsys.HasWriter
	}
	return fsys.NoWriter
}

func (f *fakeFile) ReadAt(b []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return strings.NewReader(f.node.content).ReadAt(b, at)
}

func (f *fakeFile) Read(b []byte) (n int, err error) {
	n, err = f.ReadAt(b, f.read)
	f.read += int64(n)
	return n, err
}

func (f *fakeFile) Close() error { return nil }

// fakeImage is the image check on a fakeDisk: it says what setImage has set.
func fakeImage(r io.ReaderAt, _ int64) error {
	if stoppable, ok := r.(*stoppableFile); ok {
		r = stoppable.File
	}
	f, ok := r.(*fakeFile)
	if h, hooked := r.(hookedFile); hooked {
		_, _ = h.ReadAt(make([]byte, 1), 0)
		f, ok = h.File.(*fakeFile)
	}
	if !ok {
		return fmt.Errorf("%T is not a file of the fake disk", r)
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.node.bad
}

func (d *fakeDisk) Events() <-chan fsnotify.Event { return d.events }
func (d *fakeDisk) Errors() <-chan error          { return d.errs }
func (d *fakeDisk) Mounts() <-chan struct{}       { return d.mounts }
func (d *fakeDisk) Close()                        {}
func (d *fakeDisk) Add(path string, _ bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.addErr != nil {
		return d.addErr
	}
	n, err := d.node(path)
	if err != nil {
		return err
	}
	d.watched[path] = n.info.Fingerprint.Inode
	delete(d.spared, path)
	return nil
}

func (d *fakeDisk) Spare(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spared[path] = true
	return nil
}

func (d *fakeDisk) Remove(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.watched, path)
	delete(d.spared, path)
}

// host records what a manager tells.
type host struct {
	t    *testing.T
	disk *fakeDisk
	m    *Engine
	mu   sync.Mutex
	told []string // "id=content" for changes, "-id" for removals
	ev   []Event
}

const pluginPath = "/plugins/a.so"

// inBubble runs test with simulated time, a file at plugin and a manager.
func inBubble(t *testing.T, o Options, test func(h *host)) {
	t.Helper()
	inBubbleOn(t, o, func(d *fakeDisk) fsys.Disk { return d }, test)
}

// inBubbleOn is inBubble with a disk made from the fake one.
func inBubbleOn(t *testing.T, o Options, on func(*fakeDisk) fsys.Disk, test func(h *host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHostOn(t, o, on)
		h.m.SetReloadCallback(h.reload, nil)
		h.m.SetEventCallback(h.event, nil)
		h.enable("a", pluginPath)
		defer h.m.Close()
		test(h)
	})
}

func newHost(t *testing.T, o Options) *host {
	return newHostOn(t, o, func(d *fakeDisk) fsys.Disk { return d })
}

func newHostOn(t *testing.T, o Options, on func(*fakeDisk) fsys.Disk) *host {
	h := &host{t: t, disk: newFakeDisk()}
	h.start(o, on)
	return h
}

// start makes the manager, and the plugin's file long before.
func (h *host) start(o Options, on func(*fakeDisk) fsys.Disk) {
	h.disk.mkdir("/plugins")
	h.disk.replace(pluginPath, "v0")
	time.Sleep(time.Hour) // long before
	o.disk, o.checkImage = on(h.disk), fakeImage
	if o.writers == nil {
		o.writers = func([]fsys.ID, func() bool) map[fsys.ID][]fsys.Process { return nil } // no process of the system
	}
	if o.newSource == nil {
		o.newSource = func() (watch.Source, error) { return h.disk, nil }
	}
	m, err := New(o)
	if err != nil {
		h.t.Fatal(err)
	}
	h.m = m
}

func (h *host) enable(id, path string) {
	h.t.Helper()
	if err := h.m.Enable(id, path, EnableOptions{}); err != nil {
		h.t.Fatal(err)
	}
	synctest.Wait()
}

func (h *host) content(path string) string {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	n, err := h.disk.node(path)
	if err != nil {
		return "missing"
	}
	return n.content
}

func (h *host) reload(id string) {
	c := h.content(pluginPath)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, id+"="+c)
}

func (h *host) event(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ev = append(h.ev, e)
	if e.Kind == FileRemoved {
		h.told = append(h.told, "-"+e.ID)
	}
}

// expect checks what has been told since the last call, after d; the order among
// plugins is not promised.
func (h *host) expect(d time.Duration, want ...string) {
	h.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.Sort(h.told)
	if got := strings.Join(h.told, " "); got != strings.Join(want, " ") {
		h.t.Fatalf("told %q, want %q", got, strings.Join(want, " "))
	}
	h.told = nil
}

func (h *host) healthCodes() (codes []HealthCode) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.ev {
		if e.Kind == Health {
			codes = append(codes, e.Health)
		}
	}
	return codes
}

func (h *host) stats() Stats {
	s, err := h.m.Stats()
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

var errBadImage = errors.New("truncated")

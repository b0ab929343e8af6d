// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// realFinder is a host of folders on the real file system: what it has loaded.
type realFinder struct {
	t   *testing.T
	dir string
	m   *Engine

	mu     sync.Mutex
	loaded map[string]string // by id
	paths  map[string]string
	events []Event
}

func newRealFinder(t *testing.T, o Options) *realFinder {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	if o.Quiet == 0 {
		o.Quiet = 20 * ms
	}
	m, err := New(o)
	must(t, err)
	t.Cleanup(m.Close)
	h := &realFinder{t: t, dir: dir, m: m, loaded: map[string]string{}, paths: map[string]string{}}
	must(t, m.SetEventCallback(h.event, nil))
	must(t, os.Mkdir(h.at("plugins"), 0o755))
	return h
}

func (h *realFinder) at(path string) string { return filepath.Join(h.dir, path) }

func (h *realFinder) event(e Event) {
	b, err := os.ReadFile(e.Path)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
	switch {
	case e.Kind == FileChanged && err == nil || e.Kind == Discovered && e.Generation == 0:
		h.loaded[e.ID], h.paths[e.ID] = string(b), e.Path
	case e.Kind == FileRemoved:
		delete(h.loaded, e.ID)
	}
}

func (h *realFinder) put(path, content string) {
	h.t.Helper()
	path = h.at(path)
	must(h.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(h.t, os.WriteFile(path+".tmp", []byte(content), 0o644))
	must(h.t, os.Rename(path+".tmp", path))
}

func (h *realFinder) enable(o FolderOptions) {
	h.t.Helper()
	must(h.t, h.m.EnableFolder("f", h.at("plugins"), o))
}

// has waits until the host has loaded this, and nothing else: "id=content".
func (h *realFinder) has(want ...string) {
	h.t.Helper()
	var got []string
	for end := time.Now().Add(bound); ; time.Sleep(ms) {
		got = nil
		h.mu.Lock()
		for id, content := range h.loaded {
			got = append(got, id+"="+content)
		}
		h.mu.Unlock()
		slices.Sort(got)
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("the host has %q, want %q", got, want)
		}
	}
}

func TestFilesOfEveryKindInAFolder(t *testing.T) {
	h := newRealFinder(t, Options{})
	h.put("plugins/plain.so", "1")
	h.put("elsewhere/x", "2")
	must(t, os.Symlink(h.at("elsewhere/x"), h.at("plugins/link.so")))
	must(t, os.Symlink("nothing", h.at("plugins/dangling.so")))
	must(t, os.Symlink("loop.so", h.at("plugins/loop.so")))
	must(t, os.Symlink(h.at("elsewhere"), h.at("plugins/dirlink.so")))
	must(t, os.Mkdir(h.at("plugins/dir.so"), 0o755))
	must(t, syscall.Mkfifo(h.at("plugins/fifo.so"), 0o644))
	must(t, os.Symlink("/dev/null", h.at("plugins/device.so")))
	h.put("plugins/new\nline.so", "3")
	h.put("plugins/not\xffutf8.so", "4")
	h.enable(FolderOptions{Include: []string{"*.so"}})
	h.has("f/link.so=2", "f/new%0Aline.so=3", "f/not%FFutf8.so=4", "f/plain.so=1")
	h.put("elsewhere/x", "5") // behind the link
	h.put("plugins/new\nline.so", "6")
	h.put("plugins/not\xffutf8.so", "7")
	h.has("f/link.so=5", "f/new%0Aline.so=6", "f/not%FFutf8.so=7", "f/plain.so=1")
	h.put("nothing.new", "8")
	must(t, os.Remove(h.at("plugins/dangling.so")))
	must(t, os.Symlink("../nothing.new", h.at("plugins/dangling.so")))
	must(t, os.Remove(h.at("plugins/link.so")))
	must(t, os.Remove(h.at("plugins/new\nline.so")))
	h.has("f/dangling.so=8", "f/not%FFutf8.so=7", "f/plain.so=1")
}

func TestLinksToDirectoriesAreFollowedButNotInCircles(t *testing.T) {
	h := newRealFinder(t, Options{})
	h.put("plugins/a/one.so", "1")
	h.put("elsewhere/two.so", "2")
	must(t, os.Symlink(".", h.at("plugins/self")))
	must(t, os.Symlink("..", h.at("plugins/a/up")))
	must(t, os.Symlink(h.dir, h.at("plugins/a/above")))
	must(t, os.Symlink(h.at("elsewhere"), h.at("plugins/out")))
	h.enable(FolderOptions{Include: []string{"**/*.so"}, Exclude: []string{"a/above"}})
	h.has("f/a/one.so=1", "f/out/two.so=2")
	h.put("elsewhere/two.so", "3")
	h.put("elsewhere/three.so", "4")
	h.has("f/a/one.so=1", "f/out/three.so=4", "f/out/two.so=3")
}

func TestALinkInTheRootDirectoryIsNoCircle(t *testing.T) {
	h := newRealFinder(t, Options{})
	h.put("plugins/one.so", "1")
	m, err := New(Options{disk: rootWithLink{hookedDisk{fsys.OS{}, func(_, _ string, access func()) { access() }}, h.at("plugins")}})
	must(t, err)
	t.Cleanup(m.Close)
	enabled := make(chan error, 1)
	go func() { enabled <- m.EnableFolder("f", "/", FolderOptions{Include: []string{"link/*.so"}}) }()
	select {
	case err := <-enabled:
		must(t, err)
	case <-time.After(30 * time.Second):
		t.Fatal("EnableFolder hangs")
	}
	if ids, err := m.Plugins(); err != nil || !slices.Equal(ids, []string{"f/link/one.so"}) {
		t.Errorf("enabled are %q, %v", ids, err)
	}
}

// rootWithLink is a disk whose root directory has one name, link, which leads to a
// directory.
type rootWithLink struct {
	fsys.Disk
	to string
}

func (d rootWithLink) at(path string) string {
	if rest, is := strings.CutPrefix(path, "/link"); is {
		return d.to + rest
	}
	return path
}

func (d rootWithLink) List(dir string, visit func(string, fsys.Kind) bool) error {
	if dir == "/" {
		visit("link", fsys.Link)
		return nil
	}
	return d.Disk.List(d.at(dir), visit)
}

func (d rootWithLink) Stat(path string) (fsys.Info, error)  { return d.Disk.Stat(d.at(path)) }
func (d rootWithLink) Lstat(path string) (fsys.Info, error) { return d.Disk.Lstat(d.at(path)) }

func TestADeepTreeIsSearchedDownToTheDepth(t *testing.T) {
	h := newRealFinder(t, Options{})
	path := "plugins"
	for i := range 30 {
		path = filepath.Join(path, fmt.Sprint("d", i))
	}
	h.put(path+"/deep.so", "1")
	h.enable(FolderOptions{Include: []string{"**/deep.so"}, MaxDepth: 30})
	id := "f/" + strings.TrimPrefix(path, "plugins/") + "/deep.so"
	h.has(id + "=1")
	h.put(path+"/deep.so", "2")
	h.has(id + "=2")
	if was, err := h.m.DisableFolder("f"); !was || err != nil {
		t.Fatal(was, err)
	}
	h.mu.Lock()
	clear(h.loaded)
	h.mu.Unlock()
	h.enable(FolderOptions{Include: []string{"**/*.so"}, MaxDepth: 29})
	h.has()
	eventually(t, "the host hears that the folder is too deep", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return slices.ContainsFunc(h.events, func(e Event) bool { return e.Health == HealthFolderLimit })
	})
}

func TestPathsOfAFolderAreSpelledAsTheHostHasThem(t *testing.T) {
	h := newRealFinder(t, Options{})
	h.put("plugins/fx/a.so", "1")
	wd, err := os.Getwd()
	must(t, err)
	relative, err := filepath.Rel(wd, h.at("plugins"))
	must(t, err)
	for _, spelled := range []string{relative, relative + "/", relative + "//", h.at("plugins/")} {
		must(t, h.m.EnableFolder("f", spelled, FolderOptions{Include: []string{"**/*.so"}}))
		h.has("f/fx/a.so=1")
		if got, want := h.paths["f/fx/a.so"], strings.TrimRight(spelled, "/")+"/fx/a.so"; got != want {
			t.Errorf("enabled as %q: the path is %q", spelled, got)
		}
		if was, err := h.m.DisableFolder("f"); !was || err != nil {
			t.Fatal(was, err)
		}
		h.mu.Lock()
		clear(h.loaded)
		h.mu.Unlock()
	}
}

func TestAReleaseThatIsSwappedBringsItsPlugins(t *testing.T) {
	h := newRealFinder(t, Options{})
	h.put("rel-1/plugins/same.so", "1")
	h.put("rel-1/plugins/old.so", "1")
	h.put("rel-2/plugins/same.so", "2")
	h.put("rel-2/plugins/new.so", "2")
	must(t, os.Symlink("rel-1", h.at("current")))
	must(t, h.m.EnableFolder("f", h.at("current/plugins"), FolderOptions{}))
	h.has("f/old.so=1", "f/same.so=1")
	swap := func(to string) {
		must(t, os.Symlink(to, h.at("next")))
		must(t, os.Rename(h.at("next"), h.at("current")))
	}
	swap("rel-2")
	h.has("f/new.so=2", "f/same.so=2")
	h.put("rel-2/plugins/late.so", "3")
	h.has("f/late.so=3", "f/new.so=2", "f/same.so=2")
	swap("rel-1")
	h.has("f/old.so=1", "f/same.so=1")
}

// A volume of Kubernetes: links to ..data/x, which is a link to a directory that is
// exchanged. Files in directories are links to directories.
func TestAVolumeOfKubernetesIsAFolder(t *testing.T) {
	h := newRealFinder(t, Options{})
	update := func(n int, files ...string) {
		stamp := fmt.Sprintf("..2026_%d", n)
		for _, f := range files {
			h.put(filepath.Join("plugins", stamp, f), fmt.Sprint(n))
		}
		must(t, os.Symlink(stamp, h.at("plugins/..data_tmp")))
		must(t, os.Rename(h.at("plugins/..data_tmp"), h.at("plugins/..data")))
		for _, f := range files {
			first, _, _ := strings.Cut(f, "/")
			_ = os.Symlink("..data/"+first, h.at("plugins/"+first))
		}
		must(t, os.RemoveAll(h.at(fmt.Sprintf("plugins/..2026_%d", n-1))))
	}
	update(1, "a.so", "fx/b.so")
	h.enable(FolderOptions{Include: []string{"**/*.so"}})
	h.has("f/a.so=1", "f/fx/b.so=1")
	update(2, "a.so", "fx/b.so", "fx/c.so")
	h.has("f/a.so=2", "f/fx/b.so=2", "f/fx/c.so=2")
	update(3, "a.so", "d.so")
	must(t, os.Remove(h.at("plugins/fx")))
	h.has("f/a.so=3", "f/d.so=3")
}

func TestAFolderIsRemovedAndMadeAnewAgainAndAgain(t *testing.T) {
	h := newRealFinder(t, Options{})
	h.put("plugins/fx/a.so", "0")
	h.enable(FolderOptions{Include: []string{"**/*.so"}})
	h.has("f/fx/a.so=0")
	for i := range 5 {
		must(t, os.RemoveAll(h.at("plugins")))
		if i%2 == 0 {
			h.has()
		}
		h.put("plugins/fx/a.so", fmt.Sprint("a", i))
		h.put("plugins/b.so", fmt.Sprint("b", i))
		h.has(fmt.Sprint("f/b.so=b", i), fmt.Sprint("f/fx/a.so=a", i))
	}
	must(t, os.Rename(h.at("plugins"), h.at("away")))
	h.put("plugins/c.so", "c")
	h.has("f/c.so=c")
}

func TestADirectoryRenamedInAFolderHasOtherPlugins(t *testing.T) {
	h := newRealFinder(t, Options{})
	h.put("plugins/fx/a.so", "1")
	h.enable(FolderOptions{Include: []string{"**/*.so"}})
	h.has("f/fx/a.so=1")
	must(t, os.Rename(h.at("plugins/fx"), h.at("plugins/effects")))
	h.has("f/effects/a.so=1")
	h.put("plugins/effects/a.so", "2")
	h.has("f/effects/a.so=2")
}

func TestAFolderWithSafeReloadDeliversSnapshots(t *testing.T) {
	snapshots := t.TempDir()
	must(t, os.Chmod(snapshots, 0o700))
	h := newRealFinder(t, Options{SnapshotDir: &snapshots})
	h.put("plugins/a.so", "1")
	h.enable(FolderOptions{DeliverPresent: true, Safe: &Safe{}, ID: func(path string) string {
		id, _, _ := strings.Cut(path, "-")
		return id
	}})
	h.has("a.so=1")
	h.put("plugins/b-1.so", "1")
	h.has("a.so=1", "b=1")
	must(t, h.m.ReportReload("b", 1, ReloadOK, ""))
	must(t, os.Rename(h.at("plugins/b-1.so"), h.at("plugins/b-2.so")))
	eventually(t, "the renamed plugin is delivered", func() bool {
		s, err := h.m.PluginStatus("b")
		return err == nil && s.Generation == 2
	})
	must(t, h.m.ReportReload("b", 2, ReloadFailed, "it does not work"))
	eventually(t, "the host is told what to go back to", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return slices.ContainsFunc(h.events, func(e Event) bool {
			b, err := os.ReadFile(e.Snapshot)
			return e.Kind == Rollback && e.ID == "b" && e.Generation == 1 && err == nil && string(b) == "1"
		})
	})
	must(t, os.Remove(h.at("plugins/a.so")))
	h.has("b=1")
}

func TestAFolderAsksForTheWatchesOfItsPluginsEnabledOneByOne(t *testing.T) {
	paths := makePluginFiles(t, 100, 10)
	root := filepath.Dir(filepath.Dir(paths[0]))
	count := func(enable func(m *Engine)) int {
		m, err := New(Options{Quiet: NoQuiet})
		must(t, err)
		defer m.Close()
		enable(m)
		atRest(t, m, 100)
		s, err := m.Stats()
		if must(t, err); s.Plugins != 100 {
			t.Errorf("%d plugins are enabled", s.Plugins)
		}
		return s.WatchedDirectories
	}
	byHand := count(func(m *Engine) { enableAll(t, m, paths) })
	found := count(func(m *Engine) { must(t, m.EnableFolder("f", root, FolderOptions{Include: []string{"**/*.so"}})) })
	if found != byHand {
		t.Errorf("a folder has %d directories watched, its plugins %d", found, byHand)
	}
}

// What is asked of the disk when one file of many comes: one listing, and that file.
func TestANewFileAmongManyCostsOneListing(t *testing.T) {
	m, d, paths := counted(t, 1000)
	dir := filepath.Dir(paths[0])
	must(t, m.EnableFolder("f", dir, FolderOptions{}))
	atRest(t, m, 1002)
	d.took()
	must(t, os.WriteFile(filepath.Join(dir, "new.so"), []byte("x"), 0o644))
	eventually(t, "it is delivered", func() bool {
		on, err := m.IsEnabled("f/new.so")
		if err != nil || !on {
			return false
		}
		s, err := m.PluginStatus("f/new.so")
		return err == nil && s.State == StateReady
	})
	if got := d.took(); got[0]+got[1]+got[2] > 20 {
		t.Errorf("%v stat, lstat, open, other for one new file", got)
	}
}

func TestWhatAFolderTakesOfTheHeapIsWhatItsPluginsTake(t *testing.T) {
	const n = 7000
	paths := makePluginFiles(t, n, 1)
	measure := func(enable func(m *Engine)) float64 {
		m, err := New(Options{Quiet: NoQuiet})
		must(t, err)
		t.Cleanup(m.Close) // what one gives back is not the gain of the next
		before := live()
		enable(m)
		atRest(t, m, n)
		return float64(live()-before) / n
	}
	byHand := 0.0
	for range 2 { // the first makes what remains in use
		byHand = measure(func(m *Engine) { enableAll(t, m, paths) })
	}
	found := measure(func(m *Engine) { must(t, m.EnableFolder("f", filepath.Dir(paths[0]), FolderOptions{})) })
	runtime.KeepAlive(paths)
	if t.Logf("%.1f bytes each by hand, %.1f by a folder", byHand, found); found > byHand+40 { // what one of 7000 has of the directory and the manager; its id is longer
		t.Errorf("a plugin takes %.1f bytes, %.1f if a folder finds it", byHand, found)
	}
}

func TestADirectoryThatMayNotBeListedIsAnErrorOfEnableFolder(t *testing.T) {
	disk := hookedDisk{fsys.OS{}, func(_, _ string, access func()) { access() }}
	h := newRealFinder(t, Options{disk: unlistableDisk{disk}})
	err := h.m.EnableFolder("f", h.at("plugins"), FolderOptions{})
	if e, ok := err.(*Error); !ok || e.Kind != ErrPermissionDenied || !strings.Contains(e.Error(), `folder "f"`) {
		t.Errorf("the error is %v", err)
	}
}

type unlistableDisk struct{ fsys.Disk }

func (d unlistableDisk) List(dir string, _ func(string, fsys.Kind) bool) error {
	return &os.PathError{Op: "open", Path: dir, Err: syscall.EACCES}
}

// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// score is how one watcher came through the ways in which plugin files change.
type score struct {
	Subject string
	Ours    bool
	Failed  map[string]string // way → why; the others were passed
}

// scene is one watcher's own copy of a way.
type scene struct {
	dir, path string // path is what the watcher is told to watch
	versions  int
}

// version makes a content that tells whether it is whole; size 0: a short one.
func (c *scene) version(size int) []byte {
	c.versions++
	body := fmt.Sprintf("version %d ", c.versions)
	if size > 0 {
		body = strings.Repeat(body, size/len(body)+1)[:size-9]
	}
	return fmt.Appendf(nil, "%s#%08x", body, crc32.ChecksumIEEE([]byte(body)))
}

func whole(content []byte) bool {
	i := bytes.LastIndexByte(content, '#')
	return i > 0 && string(content[i:]) == fmt.Sprintf("#%08x", crc32.ChecksumIEEE(content[:i]))
}

// must is for a step of the driver's own: it cannot fail on a sound machine.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (c *scene) at(names ...string) string {
	return filepath.Join(append([]string{c.dir}, names...)...)
}
func (c *scene) put(path string) { must(os.WriteFile(path, c.version(0), 0o644)) }
func (c *scene) run(name string, args ...string) {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		panic(fmt.Errorf("%s: %w: %s", name, err, out))
	}
}

// beside is a name in the same directory that no watcher takes for the plugin's.
func beside(path string) string { return filepath.Join(filepath.Dir(path), "_"+filepath.Base(path)) }

func (c *scene) replace(path string) {
	c.put(beside(path))
	must(os.Rename(beside(path), path))
}

func (c *scene) link(target, link string) {
	must(os.Symlink(target, beside(link)))
	must(os.Rename(beside(link), link))
}

// apart is the time between changes that are to be told one by one: longer than
// any peer takes to tell.
const apart = 1200 * time.Millisecond

// repeated carries out a step several times, far enough apart.
func repeated(n int, step func(c *scene)) func(c *scene) {
	return func(c *scene) {
		for i := range n {
			if i > 0 {
				time.Sleep(apart)
			}
			step(c)
		}
	}
}

func (c *scene) writeSlowly(flags int) {
	v := c.version(30_000)
	f, err := os.OpenFile(c.path, flags, 0o644)
	must(err)
	for i := range 3 {
		if i > 0 {
			time.Sleep(400 * time.Millisecond)
		}
		_, err := f.Write(v[i*10_000 : (i+1)*10_000])
		must(err)
	}
	must(f.Close())
}

func (c *scene) writeMapped() {
	now, err := os.ReadFile(c.path)
	must(err)
	v := c.version(max(len(now), 20))
	f, err := os.OpenFile(c.path, os.O_RDWR, 0)
	must(err)
	must(f.Truncate(int64(len(v))))
	mem, err := unix.Mmap(int(f.Fd()), 0, len(v), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(err)
	copy(mem, v[:len(v)/2])
	time.Sleep(400 * time.Millisecond)
	copy(mem, v)
	must(unix.Munmap(mem))
	must(f.Close())
}

func (c *scene) parentAgain() {
	must(os.RemoveAll(c.at("sub")))
	must(os.Mkdir(c.at("sub"), 0o755))
	c.put(c.path)
}

func (c *scene) publish(stamp string) {
	must(os.Mkdir(c.at("sub", stamp), 0o755))
	c.put(c.at("sub", stamp, plugin))
	c.link(stamp, c.at("sub", "..data"))
}

const plugin = "plugin0000000.so"

// ways are 27 ways in which plugin files change. least and most: how often that
// is to be told; what is set up before is known to the watcher.
var ways = []struct {
	name        string
	least, most int
	setUp       func(c *scene)
	change      func(c *scene)
}{
	{"atomic rename", 1, 1, nil, func(c *scene) { c.replace(c.path) }},
	{"atomic rename, five times", 5, 5, nil, repeated(5, func(c *scene) { c.replace(c.path) })},
	{"written in place", 1, 1, nil, func(c *scene) { c.put(c.path) }},
	{"written in place, five times", 5, 5, nil, repeated(5, func(c *scene) { c.put(c.path) })},
	{"64 MB in place", 1, 1, nil, func(c *scene) { must(os.WriteFile(c.path, c.version(64<<20), 0o644)) }},
	{"a writer that pauses 400 ms between chunks", 1, 1, nil, func(c *scene) { c.writeSlowly(os.O_WRONLY | os.O_TRUNC) }},
	{"a writer through a mapping", 1, 1, nil, (*scene).writeMapped},
	{"200 rapid replacements", 1, 200, nil, func(c *scene) {
		for range 200 {
			c.replace(c.path)
		}
	}},
	{"written, then stripped in place", 1, 1, nil, func(c *scene) {
		for range 3 {
			c.put(c.path)
			time.Sleep(5 * time.Millisecond)
		}
	}},
	{"deleted and re-created", 1, 1, nil, func(c *scene) {
		must(os.Remove(c.path))
		c.put(c.path)
	}},
	{"an editor's backup: renamed away, written anew", 1, 1, nil, func(c *scene) {
		must(os.Rename(c.path, beside(c.path)))
		c.put(c.path)
		must(os.Remove(beside(c.path)))
	}},
	{"moved away and back", 0, 1, nil, func(c *scene) {
		must(os.Rename(c.path, beside(c.path)))
		must(os.Rename(beside(c.path), c.path))
	}},
	{"install(1)", 1, 1, nil, func(c *scene) { c.put(c.at("new")); c.run("install", c.at("new"), c.path) }},
	{"cp", 1, 1, nil, func(c *scene) { c.put(c.at("new")); c.run("cp", c.at("new"), c.path) }},
	{"ln -f", 1, 1, nil, func(c *scene) { c.put(c.at("new")); c.run("ln", "-f", c.at("new"), c.path) }},
	{"touch", 0, 1, nil, func(c *scene) { c.run("touch", c.path) }},
	{"chmod", 0, 0, nil, func(c *scene) { must(os.Chmod(c.path, 0o755)) }},
	{"readers", 0, 0, nil, func(c *scene) {
		for range 10 {
			_, err := os.ReadFile(c.path)
			must(err)
		}
	}},
	{"other files in the directory", 0, 0, nil, func(c *scene) {
		c.put(c.at("sub", "other"))
		must(os.Rename(c.at("sub", "other"), c.at("sub", "another")))
		must(os.Remove(c.at("sub", "another")))
	}},
	{"parent removed and re-created", 1, 1, nil, (*scene).parentAgain},
	{"parent removed and re-created, twice", 2, 2, nil, repeated(2, (*scene).parentAgain)},
	{"parent swapped for another directory", 1, 1, nil, func(c *scene) {
		must(os.Mkdir(c.at("next"), 0o755))
		c.put(c.at("next", plugin))
		must(os.Rename(c.at("sub"), c.at("old")))
		must(os.Rename(c.at("next"), c.at("sub")))
	}},
	{"unpacked anew with the old time and size", 1, 1, nil, func(c *scene) {
		was, err := os.Stat(c.path)
		must(err)
		must(os.Remove(c.path))
		c.put(c.path)
		must(os.Chtimes(c.path, was.ModTime(), was.ModTime()))
	}},
	{"a linked file retargeted", 1, 1, func(c *scene) {
		c.put(c.at("v1"))
		must(os.Remove(c.path))
		must(os.Symlink(c.at("v1"), c.path))
	}, func(c *scene) { c.put(c.at("v2")); c.link(c.at("v2"), c.path) }},
	{"a link's target rewritten elsewhere", 1, 1, func(c *scene) {
		c.put(c.at("v1"))
		must(os.Remove(c.path))
		must(os.Symlink(c.at("v1"), c.path))
	}, func(c *scene) { c.put(c.at("v1")) }},
	{"Kubernetes' ..data swapped", 1, 1, func(c *scene) {
		must(os.Remove(c.path))
		c.publish("..1")
		must(os.Symlink(filepath.Join("..data", plugin), c.path))
	}, func(c *scene) { c.publish("..2"); must(os.RemoveAll(c.at("sub", "..1"))) }},
	{"a linked release directory: current -> release-2", 1, 1, func(c *scene) {
		for _, r := range []string{"release-1", "release-2"} {
			must(os.Mkdir(c.at(r), 0o755))
			c.put(c.at(r, plugin))
		}
		must(os.Symlink("release-1", c.at("current")))
		c.path = c.at("current", plugin)
	}, func(c *scene) { c.link("release-2", c.at("current")) }},
}

var polled = kind{name: "libhotreload, C, polling every 50 ms", argv: []string{"hotreload"}, env: []string{"HRM_POLL_MS=50"}, ours: true}

// ways lets every watcher, all at a time, go through every way.
func (b *bench) ways() error {
	kinds := []kind{defaultQuiet, polled, floor, fsnotifyTell, qfswNever, qfswTimer, kdirwatch, glib, uv, watchdog, watchfiles}
	found := make([]score, len(kinds))
	for i, k := range kinds {
		found[i] = score{k.name, k.ours, map[string]string{}}
	}
	for n, w := range ways {
		var work sync.WaitGroup
		errs := make([]error, len(kinds))
		for i, k := range kinds {
			work.Go(func() {
				c := &scene{dir: filepath.Join(b.scratch, fmt.Sprintf("way-%d-%d", n, i))}
				why, err := b.goThrough(k, c, n)
				if errs[i] = err; why != "" {
					found[i].Failed[w.name] = why
				}
			})
		}
		work.Wait()
		for i, err := range errs {
			if err != nil {
				return fmt.Errorf("%s: %s: %w", w.name, kinds[i].name, err)
			}
		}
	}
	for _, s := range found {
		fmt.Printf("%2d of %d  %s\n", len(ways)-len(s.Failed), len(ways), s.Subject)
	}
	b.results.Ways = found
	return nil
}

// goThrough returns why the watcher did not pass, "" if it did: it must end with
// the last version, never be sent to a torn or missing file, and be told as
// often as there was something to tell.
func (b *bench) goThrough(k kind, c *scene, n int) (why string, err error) {
	w := ways[n]
	must(os.MkdirAll(c.at("sub"), 0o755))
	c.path = c.at("sub", plugin)
	c.put(c.path)
	long := time.Now().Add(-time.Hour)
	must(os.Chtimes(c.path, long, long))
	if w.setUp != nil {
		w.setUp(c)
	}
	list := c.at("list")
	must(os.WriteFile(list, []byte(c.path+"\n"), 0o644))
	s, err := b.start(k, list, "each")
	if err != nil {
		return "", err
	}
	defer s.stop()
	if _, _, err := s.say("enable"); err != nil {
		return "", err
	}
	s.settle(1500 * time.Millisecond)
	loaded, err := os.ReadFile(c.path)
	must(err)
	told, done := 0, make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-s.told:
				told++
				content, err := os.ReadFile(c.path)
				switch {
				case why != "":
				case err != nil:
					why = "sent to a missing file"
				case !whole(content):
					why = "sent to a torn file"
				}
				loaded = content
			case <-stop:
				return
			}
		}
	}()
	w.change(c)
	time.Sleep(apart + 800*time.Millisecond) // KDirWatch and Qt's poller are that slow
	s.settle(1500 * time.Millisecond)
	close(stop)
	<-done
	last, err := os.ReadFile(c.path)
	must(err)
	switch {
	case why != "":
	case w.least > 0 && !bytes.Equal(loaded, last):
		why = "the last version was not told"
	case told < w.least:
		why = fmt.Sprintf("told %d of %d times", told, w.least)
	case told > w.most:
		why = fmt.Sprintf("told %d times instead of %d", told, w.most)
	}
	return why, nil
}

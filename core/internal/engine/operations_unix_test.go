// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The operations of the oracle on plugins' files: what tools do, and what is done to the
// host.

func (c *oracle) step() {
	if c.r.IntN(4) == 0 {
		c.folderStep()
		return
	}
	id := c.ids[c.r.IntN(len(c.ids))]
	path := c.subj[id].path
	c.cause(path)
	if _, err := os.Stat(path); err != nil { // only absent/ can be
		c.note("appear", id)
		c.appear(path)
		return
	}
	type operation struct {
		name string
		do   func()
	}
	ops := []operation{
		{"replace", func() { c.replace(path) }},
		{"rewrite", func() { c.rewrite(path, 0) }},
		{"rewrite slowly", func() { c.rewrite(path, 1+c.r.IntN(3)) }},
		{"write through a mapping", func() { c.rewriteMapped(path) }},
		{"write through nothing but a mapping", func() { c.remap(path) }},
		{"unpack", func() { c.unpack(path) }},
		{"delete and re-create", func() {
			if c.isMounted(path) { // it cannot be removed
				c.mount(c, c.end(path))
				return
			}
			c.must(os.Remove(path))
			c.pause(12)
			c.replace(path)
		}},
		{"move away and back", func() {
			if c.isMounted(path) {
				c.rewrite(path, 2)
				return
			}
			c.must(os.Rename(path, path+".away"))
			c.pause(12)
			c.must(os.Rename(path+".away", path))
		}},
		{"touch", func() { now := time.Now(); c.must(os.Chtimes(path, now, now)) }},
		{"chmod", func() { c.must(os.Chmod(path, c.mode|fs.FileMode(0o600|c.r.IntN(0o100)))) }},
		{"noise", func() {
			c.must(os.WriteFile(path+".noise", []byte("x"), 0o644))
			c.must(os.Remove(path + ".noise"))
		}},
		{"deploy", func() { c.swapLink("current", []string{"rel-1", "rel-2"}, c.subj["r"].path) }},
		{"retarget", func() { c.swapLink("links/l", []string{"hop", c.at("store/1"), c.at("store/2")}, c.subj["l"].path) }},
		{"retarget the middle", func() { c.swapLink("links/hop", []string{c.at("store/1"), "../store/2"}, c.subj["l"].path) }},
		{"remove with its directories", func() { c.must(os.RemoveAll(c.at("absent"))) }},
		{"disable and enable", func() {
			c.leave(id)
			c.must(c.w.disable(id))
			c.setOff(id, true)
			if c.r.IntN(2) == 0 {
				c.replace(path)
			}
			c.setOff(id, false)
			c.must(c.enable(id))
		}},
		{"swap parent", func() {
			c.cause(c.subj["d"].path)
			c.swapDirectory("deep/er", "d")
		}},
		{"swap grandparent", func() {
			c.cause(c.subj["d"].path)
			c.swapDirectory("deep", "er/d")
		}},
		{"pause or resume", func() {
			c.on = !c.on
			c.must(c.w.setGlobal(c.on))
		}},
		{"stall", func() {
			resume := c.w.stall()
			for range 1 + c.r.IntN(20) {
				c.cause(path)
				c.replace(path)
			}
			c.cause(path)
			c.rewrite(path, 1)
			c.mu.Lock()
			c.cont = time.Now()
			c.mu.Unlock()
			resume()
		}},
	}
	if c.truncates {
		ops = append(ops, operation{"truncate", func() { c.truncate(path) }})
	}
	if c.mountElsewhere != nil {
		ops = append(ops, operation{"mount elsewhere", func() { c.mountElsewhere(c) }})
	}
	op := ops[c.r.IntN(len(ops))]
	c.note(op.name, id)
	op.do()
}

func (c *oracle) appear(path string) {
	c.must(os.MkdirAll(filepath.Dir(path), 0o755))
	c.pause(3)
	c.moves(path)
	c.replace(path)
}

func (c *oracle) replace(path string) {
	if c.isMounted(path) {
		c.rewrite(path, 0)
		return
	}
	c.must(os.WriteFile(path+".tmp", []byte(c.version()), 0o644))
	at, err := filepath.EvalSymlinks(path) // a careful tool writes through links
	if err != nil {
		at = path
	}
	c.must(os.Rename(path+".tmp", at))
}

// rewrite writes in place, with pauses in which the file is half-written.
func (c *oracle) rewrite(path string, pauses int) {
	v := c.version()
	f, err := os.OpenFile(c.side(path), os.O_WRONLY|os.O_TRUNC|os.O_CREATE, 0o644)
	c.must(err)
	c.setTorn(path, time.Now())
	for i := range pauses {
		c.write(f, path, v[i*len(v)/(pauses+1):(i+1)*len(v)/(pauses+1)])
		if c.allows.halfWritten {
			c.cause(path)
		}
		c.pause(c.pauses)
	}
	c.write(f, path, v[pauses*len(v)/(pauses+1):])
	c.setTorn(path, time.Time{})
	c.must(f.Close())
}

// truncate makes a version shorter that has room for that.
func (c *oracle) truncate(path string) {
	now, err := os.ReadFile(path)
	c.must(err)
	if !strings.HasSuffix(string(now), pad) {
		c.rewrite(path, 0)
		return
	}
	c.must(os.Truncate(c.side(path), int64(len(now)-len(pad))))
}

// makeNoise has two logs written beside the plugins, in turns: equal notifications that
// follow one another are one to the kernel.
func (c *oracle) makeNoise() {
	var logs []*os.File
	for _, name := range []string{"plain/log-1", "plain/log-2", "rel-1/log-1", "rel-1/log-2"} {
		f, err := os.Create(c.at(name))
		c.must(err)
		logs = append(logs, f)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			for i := range 400 {
				_, _ = logs[i%len(logs)].WriteAt([]byte("line"), 0)
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * ms):
			}
		}
	}()
	c.t.Cleanup(func() {
		close(stop)
		<-stopped
		for _, f := range logs {
			f.Close()
		}
	})
}

// rewriteMapped writes as linkers do that lay out their output in memory.
func (c *oracle) rewriteMapped(path string) {
	v := c.version()
	f, err := os.OpenFile(c.side(path), os.O_RDWR|os.O_TRUNC, 0o644)
	c.must(err)
	c.setMapped(path, c.allows.halfWritten)
	c.must(f.Truncate(int64(len(v))))
	c.writeMapped(f, v)
	c.setTorn(path, time.Time{})
	c.must(f.Close())
}

// writeMapped writes through a mapping, with a pause in which the file is half-written.
func (c *oracle) writeMapped(f *os.File, v string) {
	b, err := syscall.Mmap(int(f.Fd()), 0, len(v), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	c.must(err)
	copy(b, v[:len(v)/2])
	c.pause(c.pauses * 3 / 4)
	copy(b[len(v)/2:], v[len(v)/2:])
	c.must(syscall.Munmap(b))
}

// setMapped notes that the file is half-written, unless the host cannot know.
func (c *oracle) setMapped(path string, unknown bool) {
	if unknown {
		c.cause(path) // it may be delivered half-written, and again
		return
	}
	c.setTorn(path, time.Now())
}

// sameSize makes a version as long as the present one.
func (c *oracle) sameSize(path string) string {
	now, err := os.ReadFile(path)
	c.must(err)
	c.n++
	body := strings.Repeat(fmt.Sprintf("version %d ", c.n), len(now))[:len(now)-len("#12345678")]
	return fmt.Sprintf("%s#%08x", body, crc32.ChecksumIEEE([]byte(body)))
}

// remap overwrites the file in place without a single write. The mapping outlives the
// descriptor.
func (c *oracle) remap(path string) {
	v := c.sameSize(path)
	f, err := os.OpenFile(c.side(path), os.O_RDWR, 0o644)
	c.must(err)
	c.setMapped(path, c.allows.halfMapped)
	b, err := syscall.Mmap(int(f.Fd()), 0, len(v), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	c.must(err)
	copy(b, v[:len(v)/2])
	c.pause(c.pauses * 3 / 4)
	copy(b[len(v)/2:], v[len(v)/2:])
	c.setTorn(path, time.Time{})
	c.must(f.Close())
	c.must(syscall.Munmap(b))
	if c.allows.halfMapped {
		now := time.Now() // or nobody could know of the last version
		c.must(os.Chtimes(c.side(path), now, now))
	}
}

// unpack does as tar does, with a version that has the size and modification time of the
// one before.
func (c *oracle) unpack(path string) {
	if c.allows.sizeAndTime || c.isMounted(path) {
		c.replace(path)
		return
	}
	was, err := os.Stat(path)
	c.must(err)
	v := c.sameSize(path)
	at, err := filepath.EvalSymlinks(path)
	c.must(err)
	c.must(os.Remove(at))
	f, err := os.Create(at)
	c.must(err)
	c.setTorn(path, time.Now())
	_, err = f.WriteString(v)
	c.must(err)
	c.setTorn(path, time.Time{}) // before anybody can see it closed
	c.must(f.Close())
	c.must(os.Chtimes(at, was.ModTime(), was.ModTime()))
}

func (c *oracle) swapLink(link string, targets []string, concerned string) {
	c.cause(concerned)
	c.must(os.Symlink(targets[c.r.IntN(len(targets))], c.at(link)+".tmp"))
	c.must(os.Rename(c.at(link)+".tmp", c.at(link)))
	c.moves(concerned)
}

// swapDirectory renames a directory away and puts another in its place.
func (c *oracle) swapDirectory(dir, file string) {
	away := c.at(fmt.Sprint("away-", c.n))
	c.must(os.Rename(c.at(dir), away))
	c.pause(12)
	c.must(os.MkdirAll(filepath.Dir(filepath.Join(c.at(dir), file)), 0o755))
	c.moves(filepath.Join(c.at(dir), file))
	c.replace(filepath.Join(c.at(dir), file))
	if c.r.IntN(2) == 0 {
		c.must(os.RemoveAll(away))
	}
}

// isMounted reports whether the file is a mount point, which can be written in place and
// mounted anew, but neither replaced nor removed.
func (c *oracle) isMounted(path string) bool {
	_, is := c.mounted[c.end(path)]
	return is
}

// end is where the links of a path lead.
func (c *oracle) end(path string) string {
	end, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path
	}
	return end
}

// side is the file at a path, or what is mounted there: a writer may use either.
func (c *oracle) side(path string) string {
	if source, is := c.mounted[c.end(path)]; is && c.r.IntN(2) == 0 {
		return source
	}
	return path
}

// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The oracle: random operations on real files, and afterwards three questions.
// Was every plugin's last version told? Was every version whole when it was
// told? Was nothing told without cause?

var (
	oracleSeed  = flag.Uint64("oracle.seed", 0, "replay this sequence only")
	oracleRuns  = flag.Int("oracle.runs", 6, "how many sequences")
	oracleSteps = flag.Int("oracle.steps", 120, "operations in each")
	oracleHost  = flag.String("oracle.host", "", "a program on the C library to watch in place of the core itself")
)

// watcher is what the oracle examines: the core, or a host on the C library.
type watcher interface {
	enable(id, path string) error // also if the file is missing
	disable(id string) error
	setGlobal(on bool) error
	// stall stops the watching process, if it is another one, and returns what
	// lets it go on.
	stall() (resume func())
	close()
	describe() string
}

// inProcess is the core itself.
type inProcess struct{ m *Engine }

func (w inProcess) enable(id, path string) error {
	return w.m.Enable(id, path, EnableOptions{AllowMissing: true})
}
func (w inProcess) disable(id string) error {
	if was, err := w.m.Disable(id); err != nil || !was {
		return fmt.Errorf("disable %s: %v, %v", id, was, err)
	}
	return nil
}
func (w inProcess) setGlobal(on bool) error { return w.m.SetGlobalEnabled(on) }
func (w inProcess) stall() func()           { return func() {} }
func (w inProcess) close()                  { w.m.Close() }
func (w inProcess) describe() string        { s, err := w.m.Stats(); return fmt.Sprintf("%+v %v", s, err) }

// tinyQueue makes the kernel's queue of the next manager as small as can be, if
// this process may; the limit is read when an inotify instance is made.
func tinyQueue(make func()) {
	const knob = "/proc/sys/fs/inotify/max_queued_events"
	queueLimit.Lock()
	defer queueLimit.Unlock()
	if f, err := os.OpenFile(knob, os.O_RDWR, 0); err == nil {
		defer f.Close()
		_ = syscall.Flock(int(f.Fd()), syscall.LOCK_EX) // other processes test, too
		if old, err := os.ReadFile(knob); err == nil && os.WriteFile(knob, []byte("16"), 0) == nil {
			defer os.WriteFile(knob, old, 0)
		}
	}
	make()
}

var queueLimit sync.Mutex

func TestOracle(t *testing.T) {
	seeds := []uint64{*oracleSeed}
	if *oracleSeed == 0 {
		seeds = nil
		for range *oracleRuns {
			seeds = append(seeds, rand.Uint64())
		}
	}
	for i, seed := range seeds {
		// A replayed seed meets the same conditions.
		o := Options{Quiet: 10 * ms, MaxDelay: 200 * ms, ForcePolling: seed%3 == 2, PollInterval: 15 * ms}
		if seed/3%2 == 1 {
			o.Quiet = NoQuiet
		}
		tiny := seed/6%3 == 0
		if seed/18%3 == 0 && *oracleHost == "" {
			o.Safe = &Safe{}
			if seed/54%2 == 0 {
				o.IgnoreUnchangedContent = true
			}
		}
		name := fmt.Sprintf("%d:seed=%d,quiet=%v,polling=%v,tiny-queue=%v,safe=%v", i, seed, o.Quiet, o.ForcePolling, tiny, o.Safe != nil)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newOracle(t, seed, o, tiny).run(*oracleSteps)
		})
	}
}

type oracle struct {
	t       *testing.T
	r       *rand.Rand
	dir     string
	w       watcher
	on      bool // not paused
	polling bool
	noQuiet bool
	n       int // versions made
	log     []string

	mu   sync.Mutex
	cont time.Time // when the watching process was last let go on
	subj map[string]*subject
	ids  []string
}

// subject is a plugin under test.
type subject struct {
	path   string // as registered
	causes int    // operations that may be told
	told   int
	loaded uint32    // checksum of what the host read at the last delivery
	torn   time.Time // since when the file is half-written; zero if it is whole
	off    bool      // disabled
	leaves bool      // being disabled
	bad    string    // the first violation
}

func newOracle(t *testing.T, seed uint64, o Options, tiny bool) *oracle {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := &oracle{t: t, r: rand.New(rand.NewPCG(seed, seed)), dir: dir, on: true, polling: o.ForcePolling, noQuiet: o.Quiet == NoQuiet, subj: map[string]*subject{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay with -run TestOracle -oracle.seed=%d; the last operations:\n%s", seed, strings.Join(c.log[max(0, len(c.log)-15):], "\n"))
		}
	})
	// plain/a, plain/b: two plugins in one directory, and two ids on one file
	// rel-1, rel-2, current: a deployed release
	// store, links/l: a link to a link to a file elsewhere
	// absent/for/now/m: a file with its directories is made and removed as a whole
	for _, d := range []string{"plain", "deep/er", "rel-1", "rel-2", "store", "links"} {
		c.must(os.MkdirAll(c.at(d), 0o755))
	}
	for _, f := range []string{"plain/a", "plain/b", "deep/er/d", "rel-1/r", "rel-2/r", "store/1", "store/2"} {
		c.must(os.WriteFile(c.at(f), []byte(c.version()), 0o644))
	}
	c.must(os.Symlink("rel-1", c.at("current")))
	c.must(os.Symlink("hop", c.at("links/l")))
	c.must(os.Symlink(c.at("store/1"), c.at("links/hop")))

	if o.Safe != nil {
		o.SnapshotDir = new(c.at("snapshots"))
	}
	start := func() {
		if *oracleHost != "" {
			c.w = startHost(t, *oracleHost, o, c.told)
			return
		}
		m, err := New(o)
		c.must(err)
		c.must(m.SetEventCallback(c.event, nil))
		c.w = inProcess{m}
	}
	if tiny {
		tinyQueue(start)
	} else {
		start()
	}
	t.Cleanup(c.w.close)
	for id, path := range map[string]string{"a": "plain/a", "a2": "plain/a", "b": "plain/b", "d": "deep/er/d", "r": "current/r", "l": "links/l", "m": "absent/for/now/m"} {
		s := &subject{path: c.at(path)}
		s.loaded = checksum(s.path)
		c.subj[id] = s
	}
	for id, s := range c.subj {
		c.must(c.w.enable(id, s.path))
	}
	c.ids = []string{"a", "b", "d", "r", "l", "m"}
	return c
}

func (c *oracle) at(p string) string { return filepath.Join(c.dir, p) }

func (c *oracle) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// version makes a content that tells whether it is whole.
func (c *oracle) version() string {
	c.n++
	body := strings.Repeat(fmt.Sprintf("version %d ", c.n), 1+c.r.IntN(2000))
	return fmt.Sprintf("%s#%08x", body, crc32.ChecksumIEEE([]byte(body)))
}

func whole(s string) bool {
	body, sum, ok := strings.Cut(s, "#")
	return ok && sum == fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body)))
}

// slack is what may pass between a look at the disk and the time noted for it.
const slack = 20 * ms

func (c *oracle) event(e Event) {
	if e.Kind == Rejected { // nothing here may be
		c.mu.Lock()
		defer c.mu.Unlock()
		c.subj[e.ID].bad = "rejected: " + e.Message
	}
	if e.Kind != FileChanged {
		return
	}
	if e.Snapshot != "" {
		c.snapshot(e)
		return
	}
	c.told(e.ID, e.Time, checksum(e.Path))
}

// snapshot notes a delivery with safe reload: it is whole, whatever happens to
// the file meanwhile.
func (c *oracle) snapshot(e Event) {
	b, err := os.ReadFile(e.Snapshot)
	c.told(e.ID, time.Time{}, crc32.ChecksumIEEE(b))
	if err == nil && whole(string(b)) {
		if crc32.ChecksumIEEE(b)%2 == 0 { // some hosts report, some do not
			if err := c.w.(inProcess).m.ReportReload(e.ID, e.Generation, ReloadOK, ""); err != nil && !c.leaving(e.ID) && !errors.Is(err, ErrClosed) {
				c.t.Error(err)
			}
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subj[e.ID].bad = fmt.Sprintf("generation %d, told as a snapshot, is torn: %s, %v", e.Generation, short(string(b)), err)
}

// checksum is that of the file's content; a missing file counts as empty.
func checksum(path string) uint32 {
	b, err := os.ReadFile(path)
	if err != nil {
		b = nil
	}
	return crc32.ChecksumIEEE(b)
}

// told notes one delivery: decided when, and what the host could load at it.
func (c *oracle) told(id string, when time.Time, loaded uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.subj[id]
	s.told++
	s.loaded = loaded
	if s.off && s.bad == "" {
		s.bad = "told although disabled"
	}
	// A stopped process may notice only afterwards that time has passed.
	stalled := !c.cont.IsZero() && s.torn.Before(c.cont) && when.Sub(c.cont) < 10*slack
	if !s.torn.IsZero() && when.Sub(s.torn) > slack && !stalled && s.bad == "" {
		s.bad = fmt.Sprintf("told at %v although half-written since %v", when, s.torn)
	}
}

// setTorn notes that the file is, or is no longer, half-written.
func (c *oracle) setTorn(paths string, since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subj {
		if s.path == paths {
			s.torn = since
		}
	}
}

// cause counts one operation for all plugins that it may concern.
func (c *oracle) cause(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subj {
		if s.path == path {
			s.causes++
		}
	}
}

func (c *oracle) run(steps int) {
	for range steps {
		c.step()
		if c.r.IntN(3) > 0 {
			c.pause(25)
		}
	}
	c.must(c.w.setGlobal(true))
	if m := c.subj["m"].path; checksum(m) == 0 {
		c.cause(m)
		c.appear(m)
	}
	c.check()
}

// pause lets a random moment pass: the interleaving is what is tested.
func (c *oracle) pause(most int) {
	<-time.After(time.Duration(c.r.IntN(most*1000)) * time.Microsecond)
}

func (c *oracle) step() {
	id := c.ids[c.r.IntN(len(c.ids))]
	path := c.subj[id].path
	c.cause(path)
	if _, err := os.Stat(path); err != nil { // only absent/ can be
		c.note("appear", id)
		c.appear(path)
		return
	}
	ops := []struct {
		name string
		do   func()
	}{
		{"replace", func() { c.replace(path) }},
		{"rewrite", func() { c.rewrite(path, 0) }},
		{"rewrite slowly", func() { c.rewrite(path, 1+c.r.IntN(3)) }},
		{"write through a mapping", func() { c.rewriteMapped(path) }},
		{"write through nothing but a mapping", func() { c.remap(path) }},
		{"unpack", func() { c.unpack(path) }},
		{"delete and re-create", func() {
			c.must(os.Remove(path))
			c.pause(12)
			c.replace(path)
		}},
		{"move away and back", func() {
			c.must(os.Rename(path, path+".away"))
			c.pause(12)
			c.must(os.Rename(path+".away", path))
		}},
		{"touch", func() { now := time.Now(); c.must(os.Chtimes(path, now, now)) }},
		{"chmod", func() { c.must(os.Chmod(path, fs.FileMode(0o600|c.r.IntN(0o100)))) }},
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
			c.must(c.w.enable(id, path))
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
	op := ops[c.r.IntN(len(ops))]
	c.note(op.name, id)
	op.do()
}

func (c *oracle) note(operation, id string) {
	c.log = append(c.log, fmt.Sprintf("%s %s %s", time.Now().Format("05.000000"), operation, id))
}

// leave notes that a plugin is about to be disabled.
func (c *oracle) leave(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subj[id].leaves = true
}

func (c *oracle) leaving(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.subj[id].leaves
}

// setOff notes that a plugin was disabled, or is about to be enabled again with
// what is there now.
func (c *oracle) setOff(id string, off bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.subj[id]
	s.off, s.leaves = off, off
	if !off {
		s.loaded = checksum(s.path)
	}
}

func (c *oracle) appear(path string) {
	c.must(os.MkdirAll(filepath.Dir(path), 0o755))
	c.pause(3)
	c.replace(path)
}

func (c *oracle) replace(path string) {
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
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC|os.O_CREATE, 0o644)
	c.must(err)
	c.setTorn(path, time.Now())
	for i := range pauses {
		_, err = f.WriteString(v[i*len(v)/(pauses+1) : (i+1)*len(v)/(pauses+1)])
		c.must(err)
		c.pause(40)
	}
	_, err = f.WriteString(v[pauses*len(v)/(pauses+1):])
	c.must(err)
	c.setTorn(path, time.Time{})
	c.must(f.Close())
}

// rewriteMapped writes as linkers do that lay out their output in memory.
func (c *oracle) rewriteMapped(path string) {
	v := c.version()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_TRUNC, 0o644)
	c.must(err)
	c.setTorn(path, time.Now())
	c.must(f.Truncate(int64(len(v))))
	b, err := syscall.Mmap(int(f.Fd()), 0, len(v), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	c.must(err)
	copy(b, v[:len(v)/2])
	c.pause(30)
	copy(b[len(v)/2:], v[len(v)/2:])
	c.must(syscall.Munmap(b))
	c.setTorn(path, time.Time{})
	c.must(f.Close())
}

// sameSize makes a version as long as the present one.
func (c *oracle) sameSize(path string) string {
	now, err := os.ReadFile(path)
	c.must(err)
	c.n++
	body := strings.Repeat(fmt.Sprintf("version %d ", c.n), len(now))[:len(now)-len("#12345678")]
	return fmt.Sprintf("%s#%08x", body, crc32.ChecksumIEEE([]byte(body)))
}

// remap overwrites the file in place without a single write.
func (c *oracle) remap(path string) {
	v := c.sameSize(path)
	f, err := os.OpenFile(path, os.O_RDWR, 0o644)
	c.must(err)
	c.setTorn(path, time.Now())
	b, err := syscall.Mmap(int(f.Fd()), 0, len(v), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	c.must(err)
	copy(b, v[:len(v)/2])
	c.pause(30)
	copy(b[len(v)/2:], v[len(v)/2:])
	c.setTorn(path, time.Time{})
	c.must(f.Close())
	c.must(syscall.Munmap(b))
}

// unpack does as tar does, with a version that has the size and modification
// time of the one before. Polling alone cannot tell these apart, nor can
// anything without a quiet period if they come within milliseconds.
func (c *oracle) unpack(path string) {
	if c.polling || c.noQuiet {
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
}

// swapDirectory renames a directory away and puts another in its place.
func (c *oracle) swapDirectory(dir, file string) {
	away := c.at(fmt.Sprint("away-", c.n))
	c.must(os.Rename(c.at(dir), away))
	c.pause(12)
	c.must(os.MkdirAll(filepath.Dir(filepath.Join(c.at(dir), file)), 0o755))
	c.replace(filepath.Join(c.at(dir), file))
	if c.r.IntN(2) == 0 {
		c.must(os.RemoveAll(away))
	}
}

func (c *oracle) check() {
	deadline := time.Now().Add(bound)
	for {
		wrong := c.verdict()
		if wrong == nil {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%v; %s", wrong, c.w.describe())
		}
		<-time.After(ms)
	}
}

func (c *oracle) verdict() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, s := range c.subj {
		now, err := os.ReadFile(s.path)
		switch {
		case err != nil:
			return err
		case s.bad != "":
			return errors.New(id + ": " + s.bad)
		case !whole(string(now)):
			return fmt.Errorf("%s: the oracle itself left a torn file: %s", id, short(string(now)))
		case s.loaded != crc32.ChecksumIEEE(now):
			return fmt.Errorf("%s: a change was lost: the host did not load %s", id, short(string(now)))
		case s.told > s.causes:
			return fmt.Errorf("%s: told %d times for %d operations", id, s.told, s.causes)
		}
	}
	return nil
}

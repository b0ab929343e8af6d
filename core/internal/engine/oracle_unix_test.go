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
	"os/exec"
	"path/filepath"
	"slices"
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
	enableFolder(id, dir string) error
	disableFolder(id string) error
	setGlobal(on bool) error
	// stall stops the watching process, if it is another one, and returns what
	// lets it go on.
	stall() (resume func())
	close()
	describe() string
}

// listener is who is told what a watcher delivers.
type listener interface {
	// told notes a change: when it was decided, and the checksum of what the host could load.
	told(id string, when time.Time, loaded uint32)
	// hears notes another event of a plugin that a folder has found.
	hears(kind Kind, id string, generation uint64, loaded uint32)
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
func (w inProcess) enableFolder(id, dir string) error {
	return w.m.EnableFolder(id, dir, FolderOptions{})
}
func (w inProcess) disableFolder(id string) error {
	if was, err := w.m.DisableFolder(id); err != nil || !was {
		return fmt.Errorf("disable folder %s: %v, %v", id, was, err)
	}
	return nil
}
func (w inProcess) setGlobal(on bool) error { return w.m.SetGlobalEnabled(on) }
func (w inProcess) stall() func()           { return func() {} }
func (w inProcess) close()                  { w.m.Close() }
func (w inProcess) describe() string {
	s, err := w.m.Stats()
	text := fmt.Sprintf("%+v %v\n", s, err)
	ids, _ := w.m.Plugins()
	for _, id := range ids {
		known, _ := w.m.Explain(id)
		text += known
	}
	return text
}

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
		noise := seed/162%2 == 0
		name := fmt.Sprintf("%d:seed=%d,quiet=%v,polling=%v,tiny-queue=%v,safe=%v,noise=%v", i, seed, o.Quiet, o.ForcePolling, tiny, o.Safe != nil, noise)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			newOracle(t, seed, o, tiny, setting{dir: dir, replay: "TestOracle", truncates: true, noise: noise}).run(*oracleSteps)
		})
	}
}

// setting is where a sequence runs, and what its environment allows there.
type setting struct {
	dir   string                   // where the plugins' files are
	made  string                   // where they are made at first; "": in dir
	ready func(c *oracle)          // called when they are made, before the host watches them
	seen  func(path string) string // the path by which the host knows a file; nil: the same
	// mount mounts another file at a mount point.
	mount func(c *oracle, path string)
	// mountElsewhere mounts something that concerns no plugin, and unmounts it.
	mountElsewhere func(c *oracle)
	// start starts the host; nil: the core itself, or what -oracle.host names.
	start  func(o Options, to listener) watcher
	allows allowances
	// truncates: files are made shorter by truncate(2), which only a notification of a write
	// reports.
	truncates bool
	noise     bool          // logs are written beside the plugins
	mode      fs.FileMode   // what everybody may do with a file, whatever its mode is changed to
	replay    string        // the test and its flags that run such a sequence again
	pauses    int           // of writers, in ms at most; 0: 40
	slack     time.Duration // what may pass between a check and the time noted for it; 0: 20 ms
}

// allowances say what the oracle does not count as a violation.
type allowances struct {
	// halfWritten: neither writers nor closes are known, so that a file may be delivered
	// half-written when it was not written for a quiet period.
	halfWritten bool
	// halfMapped: a writer that maps the file and writes nothing else is not seen.
	halfMapped bool
	// unheard: a write before the file's directory was watched is not heard of.
	unheard bool
	// sizeAndTime: a rewrite that keeps the size and restores the time may be missed.
	sizeAndTime bool
}

type oracle struct {
	setting
	t       *testing.T
	r       *rand.Rand
	w       watcher
	on      bool // not paused
	quiet   time.Duration
	n       int // versions made
	log     []string
	mounted map[string]string // files that are mount points, and what is mounted there

	mu   sync.Mutex
	cont time.Time // when the watching process was last let go on
	subj map[string]*subject
	ids  []string
}

func newOracle(t *testing.T, seed uint64, o Options, tiny bool, where setting) *oracle {
	if where.pauses == 0 {
		where.pauses = 40
	}
	if where.slack == 0 {
		where.slack = 20 * ms
	}
	c := &oracle{setting: where, t: t, r: rand.New(rand.NewPCG(seed, seed)), on: true, quiet: max(o.Quiet, 0), subj: map[string]*subject{}}
	if o.ForcePolling || o.Quiet == NoQuiet {
		// Polling alone cannot tell these apart, nor can anything without a quiet period
		// if they come within milliseconds.
		c.allows.sizeAndTime = true
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay with -run %s -oracle.seed=%d; the last operations:\n%s", c.replay, seed, strings.Join(c.lastOperations(), "\n"))
		}
	})
	c.makeFiles()
	if o.Safe != nil {
		o.SnapshotDir = new(c.at("snapshots"))
	}
	start := func() { c.w = c.startHost(o) }
	if tiny {
		tinyQueue(start)
	} else {
		start()
	}
	t.Cleanup(c.w.close)
	if c.noise {
		c.makeNoise()
	}
	for id, path := range map[string]string{"a": "plain/a", "a2": "plain/a", "b": "plain/b", "d": "deep/er/d", "r": "current/r", "l": "links/l", "m": "absent/for/now/m"} {
		s := &subject{path: c.at(path)}
		s.loaded = checksum(s.path)
		c.subj[id] = s
	}
	for id := range c.subj {
		c.must(c.enable(id))
	}
	c.ids = []string{"a", "b", "d", "r", "l", "m"}
	c.startFolder()
	return c
}

// makeFiles makes what is watched:
//
//	plain/a, plain/b         two plugins in one directory, and two ids on one file
//	rel-1, rel-2, current    a deployed release
//	store, links/l           a link to a link to a file elsewhere
//	absent/for/now/m         made and removed as a whole, with its directories
//	drop-1, drop-2, drop     a folder: see oraclefolder_unix_test.go
func (c *oracle) makeFiles() {
	dir := c.dir
	if c.made != "" {
		c.dir = c.made
	}
	for _, d := range []string{"plain", "deep/er", "rel-1", "rel-2", "store", "links", "drop-1", "drop-2"} {
		c.must(os.MkdirAll(c.at(d), 0o755))
	}
	for _, f := range []string{"plain/a", "plain/b", "deep/er/d", "rel-1/r", "rel-2/r", "store/1", "store/2", "drop-1/1", "drop-1/2", "drop-2/1", "drop-2/3"} {
		c.must(os.WriteFile(c.at(f), []byte(c.version()), 0o644))
	}
	c.dir = dir
	if c.ready != nil {
		c.ready(c)
	}
	c.must(os.Symlink("rel-1", c.at("current")))
	c.must(os.Symlink("drop-1", c.at("drop")))
	c.must(os.Symlink("hop", c.at("links/l")))
	c.must(os.Symlink(c.at("store/1"), c.at("links/hop")))
}

func (c *oracle) startHost(o Options) watcher {
	switch {
	case c.start != nil:
		return c.start(o, c)
	case *oracleHost != "":
		return startHost(c.t, exec.Command(*oracleHost), o, c)
	}
	m, err := New(o)
	c.must(err)
	c.must(m.SetEventCallback(c.event, nil))
	return inProcess{m}
}

// enable enables a plugin by the path that the host knows.
func (c *oracle) enable(id string) error {
	path := c.subj[id].path
	if c.seen != nil {
		path = c.seen(path)
	}
	return c.w.enable(id, path)
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
	padding := ""
	if c.truncates {
		padding = strings.Repeat(pad, c.r.IntN(4))
	}
	return fmt.Sprintf("%s#%08x%s", body, crc32.ChecksumIEEE([]byte(body)), padding)
}

// pad may stand at a version's end any number of times.
const pad = "\n"

func whole(s string) bool {
	body, sum, ok := strings.Cut(strings.TrimRight(s, pad), "#")
	return ok && sum == fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body)))
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

func (c *oracle) note(operation, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, fmt.Sprintf("%s %s %s", time.Now().Format("05.000000"), operation, id))
}

// violated notes the first violation of a plugin, with mu held.
func (c *oracle) violated(id, what string) {
	if s := c.subj[id]; s.bad == "" {
		s.bad = what
		c.log = append(c.log, violation+id+": "+what)
	}
}

const violation = "VIOLATION: "

// lastOperations are those before the first violation, or before the end.
func (c *oracle) lastOperations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := len(c.log)
	if i := slices.IndexFunc(c.log, func(line string) bool { return strings.HasPrefix(line, violation) }); i >= 0 {
		end = i + 1
	}
	return c.log[max(0, end-15):end]
}

func (c *oracle) check() {
	deadline := time.Now().Add(bound)
	for {
		wrong := c.verdict()
		if wrong == nil {
			return
		}
		if time.Now().After(deadline) || c.hasViolation() {
			c.t.Fatalf("%v; %s", wrong, c.w.describe())
		}
		<-time.After(ms)
	}
}

func (c *oracle) hasViolation() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subj {
		if s.bad != "" {
			return true
		}
	}
	return false
}

func (c *oracle) verdict() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, s := range c.subj {
		if s.bad != "" {
			return errors.New(id + ": " + s.bad)
		}
	}
	for id, s := range c.subj {
		now, err := os.ReadFile(s.path)
		switch {
		case err != nil && s.inFolder:
			if s.loaded != 0 {
				return fmt.Errorf("%s: a removal was lost", id)
			}
		case err != nil:
			return err
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

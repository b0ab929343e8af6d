//go:build unix

package core

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
)

func TestOracle(t *testing.T) {
	seeds := []uint64{*oracleSeed}
	if *oracleSeed == 0 {
		seeds = nil
		for range *oracleRuns {
			seeds = append(seeds, rand.Uint64())
		}
	}
	for i, seed := range seeds {
		o := Options{Quiet: 10 * ms, MaxDelay: 200 * ms, ForcePolling: i%3 == 2, PollInterval: 15 * ms}
		if i%2 == 1 {
			o.Quiet = NoQuiet
		}
		t.Run(fmt.Sprintf("seed=%d,quiet=%v,polling=%v", seed, o.Quiet, o.ForcePolling), func(t *testing.T) {
			t.Parallel()
			newOracle(t, seed, o).run(*oracleSteps)
		})
	}
}

type oracle struct {
	t   *testing.T
	r   *rand.Rand
	dir string
	m   *Manager
	n   int // versions made
	log []string

	mu   sync.Mutex
	subj map[string]*subject
	ids  []string
}

// subject is a plugin under test.
type subject struct {
	path   string // as registered
	causes int    // operations that may be told
	told   int
	loaded string    // what the host read at the last delivery
	torn   time.Time // since when the file is half-written; zero if it is whole
	bad    string    // the first violation
}

func newOracle(t *testing.T, seed uint64, o Options) *oracle {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := &oracle{t: t, r: rand.New(rand.NewPCG(seed, seed)), dir: dir, subj: map[string]*subject{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay with -run TestOracle -oracle.seed=%d; the last operations:\n%s", seed, strings.Join(c.log[max(0, len(c.log)-15):], "\n"))
		}
	})
	// plain/a, plain/b: two plugins in one directory, and two ids on one file
	// rel-1, rel-2, current: a deployed release
	// store, links/l: a link to a file elsewhere
	for _, d := range []string{"plain", "deep/er", "rel-1", "rel-2", "store", "links"} {
		c.must(os.MkdirAll(c.at(d), 0o755))
	}
	for _, f := range []string{"plain/a", "plain/b", "deep/er/d", "rel-1/r", "rel-2/r", "store/1", "store/2"} {
		c.must(os.WriteFile(c.at(f), []byte(c.version()), 0o644))
	}
	c.must(os.Symlink("rel-1", c.at("current")))
	c.must(os.Symlink(c.at("store/1"), c.at("links/l")))

	c.m, err = New(o)
	c.must(err)
	t.Cleanup(c.m.Close)
	c.must(c.m.SetEventCallback(c.event, nil))
	for id, path := range map[string]string{"a": "plain/a", "a2": "plain/a", "b": "plain/b", "d": "deep/er/d", "r": "current/r", "l": "links/l"} {
		s := &subject{path: c.at(path)}
		b, err := os.ReadFile(s.path)
		c.must(err)
		s.loaded = string(b)
		c.subj[id] = s
		c.must(c.m.Enable(id, s.path, EnableOptions{}))
	}
	c.ids = []string{"a", "b", "d", "r", "l"}
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
const slack = 5 * ms

func (c *oracle) event(e Event) {
	if e.Kind != FileChanged {
		return
	}
	b, err := os.ReadFile(e.Path)
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.subj[e.ID]
	s.told++
	s.loaded = string(b)
	if !s.torn.IsZero() && e.Time.Sub(s.torn) > slack && s.bad == "" {
		s.bad = fmt.Sprintf("told at %v although half-written since %v", e.Time, s.torn)
	}
	if err != nil {
		s.loaded = err.Error()
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
	c.must(c.m.SetGlobalEnabled(true))
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
	ops := []struct {
		name string
		do   func()
	}{
		{"replace", func() { c.replace(path) }},
		{"rewrite", func() { c.rewrite(path, 0) }},
		{"rewrite slowly", func() { c.rewrite(path, 1+c.r.IntN(3)) }},
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
		{"retarget", func() { c.swapLink("links/l", []string{c.at("store/1"), c.at("store/2")}, c.subj["l"].path) }},
		{"swap parent", func() {
			c.cause(c.subj["d"].path)
			c.swapDirectory("deep/er", "d")
		}},
		{"swap grandparent", func() {
			c.cause(c.subj["d"].path)
			c.swapDirectory("deep", "er/d")
		}},
		{"pause or resume", func() {
			on, err := c.m.IsGlobalEnabled()
			c.must(err)
			c.must(c.m.SetGlobalEnabled(!on))
		}},
	}
	op := ops[c.r.IntN(len(ops))]
	c.log = append(c.log, fmt.Sprintf("%s %s %s", time.Now().Format("05.000000"), op.name, id))
	op.do()
}

func (c *oracle) replace(path string) {
	c.must(os.WriteFile(path+".tmp", []byte(c.version()), 0o644))
	if at, err := os.Readlink(path); err == nil { // a careful tool writes through the link
		c.must(os.Rename(path+".tmp", at))
		return
	}
	c.must(os.Rename(path+".tmp", path))
}

// rewrite writes in place, with pauses in which the file is half-written.
func (c *oracle) rewrite(path string, pauses int) {
	v := c.version()
	c.setTorn(path, time.Now())
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC|os.O_CREATE, 0o644)
	c.must(err)
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
			s, _ := c.m.Stats()
			c.t.Fatalf("%v; stats %+v", wrong, s)
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
		case s.loaded != string(now):
			return fmt.Errorf("%s: loaded %s, on disk is %s: a change was lost", id, short(s.loaded), short(string(now)))
		case !whole(s.loaded):
			return fmt.Errorf("%s: the last version loaded is torn: %s", id, short(s.loaded))
		case s.told > s.causes:
			return fmt.Errorf("%s: told %d times for %d operations", id, s.told, s.causes)
		}
	}
	return nil
}

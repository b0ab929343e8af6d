// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"time"
)

// What the oracle notes of each plugin: what may be delivered, and what was.

// subject is a plugin under test.
type subject struct {
	path   string // as registered
	causes int    // operations that may be told
	told   int
	loaded uint32    // checksum of what the host read at the last delivery
	torn   time.Time // since when the file is half-written; zero if it is whole
	writes []span    // since then
	moved  time.Time // when the path last began to lead elsewhere, or to be watched
	off    bool      // disabled
	leaves bool      // being disabled
	bad    string    // the first violation

	inFolder bool // a folder finds it
	found    bool // the host has heard that, and not yet that it was disabled
}

// span is when something was done.
type span struct{ begin, end time.Time }

func (c *oracle) event(e Event) {
	if e.Kind == Rejected { // nothing here may be
		c.mu.Lock()
		defer c.mu.Unlock()
		c.violated(e.ID, "rejected: "+e.Message)
	}
	if e.FolderID != "" && e.Kind != FileChanged {
		c.hears(e.Kind, e.ID, e.Generation, checksum(e.Path))
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
	c.violated(e.ID, fmt.Sprintf("generation %d, told as a snapshot, is torn: %s, %v", e.Generation, short(string(b)), err))
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
	if s.inFolder && !s.found {
		c.violated(id, "told although no folder has found it")
	}
	if s.off {
		c.violated(id, "told although disabled")
	}
	// A stopped process may notice only afterwards that time has passed.
	stalled := !c.cont.IsZero() && s.torn.Before(c.cont) && when.Sub(c.cont) < 10*c.slack
	if !s.torn.IsZero() && when.Sub(s.torn) > c.slack && !stalled && !c.mayBeTorn(s, when) {
		c.violated(id, fmt.Sprintf("told at %s although half-written since %s", when.Format("05.000000"), s.torn.Format("05.000000")))
	}
}

// watchedWithin is how long it takes, at most, until a directory that a path leads to is watched.
const watchedWithin = 500 * ms

// moves notes that a path leads elsewhere, or is watched from now on.
func (c *oracle) moves(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subj {
		if s.path == path {
			s.moved = time.Now()
		}
	}
}

// mayBeTorn reports whether a file that is half-written may be delivered at this moment.
func (c *oracle) mayBeTorn(s *subject, when time.Time) bool {
	if c.allows.unheard && s.torn.Sub(s.moved) < watchedWithin {
		return true
	}
	if !c.allows.halfWritten {
		return false
	}
	for _, w := range s.writes {
		if w.begin.After(when.Add(c.slack-c.quiet)) && w.end.Before(when.Add(-c.slack)) {
			return false // it was not quiet
		}
	}
	return true
}

// setTorn notes that the file is, or is no longer, half-written.
func (c *oracle) setTorn(paths string, since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subj {
		if s.path == paths {
			s.torn, s.writes = since, nil
		}
	}
}

// write notes a write into a half-written file.
func (c *oracle) write(f *os.File, path, part string) {
	begin := time.Now()
	_, err := f.WriteString(part)
	c.must(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subj {
		if s.path == path {
			s.writes = append(s.writes, span{begin, time.Now()})
		}
	}
}

// causeAt counts one operation for all plugins whose path leads to a file.
func (c *oracle) causeAt(end string) {
	for _, s := range c.subj {
		if c.end(s.path) == end {
			c.cause(s.path)
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

// leave notes that a plugin is about to be disabled.
func (c *oracle) leave(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subj[id].leaves = true
}

func (c *oracle) leaving(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.subj[id].leaves || c.subj[id].inFolder // it goes with its file
}

// setOff notes that a plugin was disabled, or is about to be enabled again with
// what is there now.
func (c *oracle) setOff(id string, off bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.subj[id]
	s.off, s.leaves, s.moved = off, off, time.Now()
	if !off {
		s.loaded = checksum(s.path)
	}
}

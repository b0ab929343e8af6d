// SPDX-License-Identifier: MIT

package engine

import (
	"container/heap"
	"errors"
	"io/fs"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/settle"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// check is one check of a plugin's file. It is filled in, given to a worker, and
// comes back with the answer.
type check struct {
	work      *work
	epoch     uint32
	files     pluginFiles
	follow    bool           // links at the file's own name
	remounted bool           // its file system may have been mounted anew since the baseline
	askRoot   bool           // whether the process has another root
	machine   settle.Machine // a copy, by which the worker knows whether stat is enough
	baseline  settle.Version
	hash      *fsys.Hash // of the baseline

	// The answer.
	begun, opened time.Time // opened is zero if stat was enough
	root          fsys.ID   // of the process; what is known of it until askRoot is answered
	places        []watch.Place
	mounts        []mountPoint // of the file, then of the companion files
	info          fsys.Info
	err           error
	writer        fsys.Writer
	after         fsys.Info
	image         error      // why it is not a complete image
	sum           *fsys.Hash // with IgnoreUnchangedContent
	content       *fsys.Hash // of all files, if the machine wants it
}

// mostTogether is how many files of one directory are checked one after another by one
// worker, which answers once.
const mostTogether = 16

// startChecks has the files checked that are due.
func (m *Engine) startChecks(now time.Time) {
	var due []*check
	for m.intake.isDue(now) {
		if c := m.takeDue(m.intake.due[0]); c != nil {
			due = append(due, c)
		}
	}
	for len(due) > 0 {
		n := m.countTogether(due)
		checks := due[:n:n]
		due = due[n:]
		m.workers.do(m.whereabouts(checks[0].work.p), func(at func(string)) {
			for _, c := range checks {
				m.check(c, at)
			}
			m.step(func() {
				for _, c := range checks {
					m.checked(c)
				}
			})
		})
	}
}

// countTogether is how many of the next checks one worker makes: of files in one directory
// that are not read, as long as there is enough for each worker.
func (m *Engine) countTogether(due []*check) int {
	most := min(mostTogether, len(due)/maxWorkers)
	n := 0
	for ; n < most; n++ {
		c := due[n]
		if c.work.p.Folder() != due[0].work.p.Folder() || c.work.p.safe != nil || c.files.contents || c.files.remote || !c.files.areTogether() {
			break
		}
	}
	return max(n, 1)
}

// takeDue returns the check of a file that is due; nil if a folder on its path is being walked
// to: then it is checked afterwards.
func (m *Engine) takeDue(w *work) *check {
	heap.Remove(&m.intake.due, w.heapIndex-1)
	switch {
	case w.checking: // the answer schedules the next one
		return nil
	case !m.intake.set.IsWalked(&w.p.Leaf):
		w.parked = true
		return nil
	}
	w.checking = true
	baseline, h := w.p.hostKnows()
	c := &check{work: w, epoch: w.epoch, files: m.filesOf(w.p), machine: w.machine, baseline: baseline, hash: h,
		follow: w.signs&(watch.Replaced|watch.Differs) != 0 || w.machine.FirstCheck(), remounted: w.remounted}
	c.askRoot, c.root = c.follow && (!w.machine.FirstCheck() || m.intake.root == (fsys.ID{})), m.intake.root
	w.signs = 0
	return c
}

// check checks the file. It runs on a worker.
func (m *Engine) check(c *check, at func(string)) {
	c.begun = time.Now()
	var end fsys.Info
	if c.follow {
		if c.askRoot {
			c.root = m.rootOf(c.files.path, c.root, at)
		}
		where := c.files.nameAt
		c.places, end = watch.Follow(m.opts.disk, c.files.dir, c.files.name, func(path string) {
			if where != "" {
				path, where = where, "" // the first is the name itself
			}
			at(path)
		})
	}
	if end.Kind == fsys.Regular && len(c.places) == 0 && !c.files.remote && len(c.files.companions) == 0 {
		c.info = end // what stat would say
	} else if c.info, c.err = m.statFiles(&c.files, at); c.err != nil {
		return
	}
	c.mounts = m.mountPoints(&c.files, &c.info, at)
	first := c.machine
	if first.Observe(c.observation(), c.begun) != settle.Probe {
		return
	}
	c.opened = time.Now()
	at(c.files.fileAt)
	f, in, err := m.opts.openFile(c.files.path)
	if errors.Is(err, fs.ErrPermission) {
		c.err = err
	}
	if err != nil {
		return // it went: the answer's after differs from info
	}
	defer f.Close()
	if m.isOutdated(c) {
		return // whoever has just opened the file may do so again: see writer_linux.go
	}
	c.writer, c.after = f.Writer(), in
	if c.writer == fsys.WriterUnknown && !c.files.remote {
		m.hearFile(c.work.p, c.files.fileAt)
	}
	for i, path := range c.files.companions {
		at(c.files.companionAt(i))
		if w := m.writerAt(path); w == fsys.HasWriter || w == fsys.WriterUnknown && c.writer == fsys.NoWriter {
			c.writer = w
		}
	}
	wanted := first.WantsContent(c.begun)
	if c.files.contents && (wanted || c.writer != fsys.HasWriter) {
		m.readContents(c, f, in.Fingerprint.Size, !first.AtBaseline(), at)
	}
	if wanted {
		c.content = m.contentOf(c, f, in.Fingerprint.Size, at)
	}
	if wanted || c.files.contents || c.files.remote || len(c.files.companions) > 0 {
		c.after, _ = m.statFiles(&c.files, at)
	}
}

func (c *check) observation() settle.Observation {
	o := settle.Observation{Kind: settle.Other, Version: versionOf(&c.info), Baseline: c.baseline, Empty: c.info.Fingerprint.Size == 0,
		Uncompared: c.files.contents && c.info.Fingerprint.Size > maxCompared, IdentityDrift: c.files.remote || c.remounted, ForeignClock: c.files.remote,
		CoarseTimes: c.info.Changed != 0 && c.info.Changed%int64(time.Second) == 0}
	switch c.info.Kind {
	case fsys.Missing:
		o.Kind = settle.Missing
	case fsys.Regular:
		o.Kind = settle.RegularFile
	}
	return o
}

// SPDX-License-Identifier: MIT

package engine

import (
	"container/heap"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"slices"
	"syscall"
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

// pluginFiles is what a worker must know of a plugin to check its files. It never
// changes while the plugin is enabled.
type pluginFiles struct {
	path       string
	dir, name  string
	companions []string
	remote     bool // on a file system that answers stat from a cache
	contents   bool // options ask for reading the file

	// Where these are, through no links as far as is known: which file system is
	// asked. "" and nil if nobody wants to know.
	nameAt, fileAt string
	companionsAt   []string
}

func (m *Engine) filesOf(p *plugin) pluginFiles {
	f := pluginFiles{path: p.Path(), dir: p.Folder().Dir(), name: p.Name(), remote: m.intake.set.IsRemote(&p.Leaf)}
	f.nameAt, f.fileAt = m.intake.set.Whereabouts(&p.Leaf)
	if p.safe != nil {
		f.companions = p.safe.companionPaths // the content is examined in a snapshot
		for _, l := range p.safe.companions {
			_, at := m.intake.set.Whereabouts(l)
			f.companionsAt = append(f.companionsAt, at)
		}
	} else {
		f.contents = m.opts.CheckImage || m.opts.IgnoreUnchangedContent
	}
	return f
}

// companionAt is where a companion file is.
func (f *pluginFiles) companionAt(i int) string {
	if i < len(f.companionsAt) {
		return f.companionsAt[i]
	}
	return f.companions[i]
}

// startCheck has a file checked, unless a folder on its path is being walked to: then
// it is checked afterwards.
func (m *Engine) startCheck(w *work) {
	heap.Remove(&m.intake.due, w.heapIndex-1)
	switch {
	case w.checking: // the answer schedules the next one
	case !m.intake.set.IsWalked(&w.p.Leaf):
		w.parked = true
	default:
		w.checking = true
		baseline, h := w.p.hostKnows()
		c := &check{work: w, epoch: w.epoch, files: m.filesOf(w.p), machine: w.machine, baseline: baseline, hash: h,
			follow: w.signs&(watch.Replaced|watch.Differs) != 0 || w.machine.FirstCheck(), remounted: w.remounted}
		c.askRoot, c.root = c.follow && (!w.machine.FirstCheck() || m.intake.root == (fsys.ID{})), m.intake.root
		w.signs = 0
		m.workers.do(m.whereabouts(w.p), func(at func(string)) {
			m.check(c, at)
			m.step(func() { m.checked(c) })
		})
	}
}

// whereabouts is a path that lies on the file system of a plugin's file, as far as
// is known.
func (m *Engine) whereabouts(p *plugin) string {
	_, file := m.intake.set.Whereabouts(&p.Leaf)
	return file
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

// readContents reads the file's content, as far as options ask for it.
func (m *Engine) readContents(c *check, f fsys.File, size int64, isNew bool, at func(string)) {
	stopped := func() bool {
		at(c.files.fileAt)
		return m.isOutdated(c)
	}
	if m.opts.CheckImage && isNew {
		if c.image = m.opts.checkImage(&stoppableFile{f, stopped}, size); c.image != nil {
			return
		}
	}
	if m.opts.IgnoreUnchangedContent && size <= maxCompared {
		if _, sum, err := fsys.HashOf(io.LimitReader(f, size+1), stopped); err == nil {
			c.sum = &sum
		}
	}
}

// contentOf is the hash of all files of a plugin, f being its own; nil if one is too large
// or cannot be read, or the check is outdated.
func (m *Engine) contentOf(c *check, f fsys.File, size int64, at func(string)) *fsys.Hash {
	stopped := func() bool {
		at(c.files.fileAt)
		return m.isOutdated(c)
	}
	if c.sum != nil && len(c.files.companions) == 0 {
		return c.sum
	}
	if size > maxCompared {
		return nil
	}
	_, own, err := fsys.HashOf(io.NewSectionReader(f, 0, size+1), stopped)
	if err != nil {
		return nil
	}
	all := own[:]
	for i, path := range c.files.companions {
		at(c.files.companionAt(i))
		h, err := m.opts.hashAt(path, stopped)
		if err != nil {
			return nil
		}
		all = append(all, h[:]...)
	}
	h := fsys.Hash(sha256.Sum256(all))
	return &h
}

// maxCompared is how large a file may be to be read for IgnoreUnchangedContent. A sparse
// file (truncate -s 15T) would keep a worker for hours.
const maxCompared = DefaultMaxSize

// stoppableFile is read until it is stopped.
type stoppableFile struct {
	fsys.File
	stopped func() bool
}

func (f *stoppableFile) ReadAt(b []byte, at int64) (int, error) {
	if f.stopped() {
		return 0, fsys.ErrStopped
	}
	return f.File.ReadAt(b, at)
}

// isOutdated reports whether the answer to a check would be dropped.
func (m *Engine) isOutdated(c *check) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed || c.epoch != c.work.epoch || m.intake.settling[c.work.p] != c.work
}

func (m *Engine) isClosing() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// statFiles is the fingerprint of all that a version of a plugin consists of. On a
// network file system stat may answer from a cache for up to a minute, but opening
// asks the server (nfs(5), close-to-open), whose clock says nothing here.
func (m *Engine) statFiles(f *pluginFiles, at func(string)) (fsys.Info, error) {
	at(f.fileAt)
	in, err := m.opts.disk.Stat(f.path)
	if err != nil {
		return fsys.Info{}, err
	}
	if in.Kind == fsys.Regular && f.remote {
		if file, fresh, err := m.opts.openFile(f.path); err == nil {
			in = fresh
			_ = file.Close()
		}
		in.Remote = true
	}
	if in.Kind == fsys.Regular {
		for i, path := range f.companions {
			at(f.companionAt(i))
			in.Fold(m.statFile(path))
		}
	}
	return in, nil
}

func (m *Engine) statFile(path string) fsys.Info {
	in, err := m.opts.disk.Stat(path)
	if err != nil {
		return fsys.Info{}
	}
	return in
}

// writerAt says whether a process holds the file at a path open for writing.
func (m *Engine) writerAt(path string) fsys.Writer {
	f, _, err := m.opts.openFile(path)
	if err != nil {
		return fsys.WriterUnknown
	}
	defer f.Close()
	return f.Writer()
}

// hasWriter reports whether a process is known to hold one of the files open for
// writing.
func (m *Engine) hasWriter(f *pluginFiles, at func(string)) bool {
	at(f.fileAt)
	if m.writerAt(f.path) == fsys.HasWriter {
		return true
	}
	for i, path := range f.companions {
		at(f.companionAt(i))
		if m.writerAt(path) == fsys.HasWriter {
			return true
		}
	}
	return false
}

// checked takes the answer to a check over.
func (m *Engine) checked(c *check) {
	w, p := c.work, c.work.p
	if m.intake.settling[p] != w {
		return // disabled
	}
	w.checking = false
	m.noteRoot(c.root)
	if c.follow && m.intake.set.Through(&p.Leaf, c.places) {
		// What the links lead to is watched only from now on. It is another file, whatever
		// a mount may have done to the numbers of the former one.
		w.epoch++
		w.signs |= watch.Differs
		w.remounted, w.explained = false, true
	} else if c.epoch == w.epoch && m.noteMountPoints(p, c.mounts) {
		w.epoch++ // they are watched only from now on
		w.explained = true
	}
	if p.rare != nil && p.rare.history != nil {
		p.rare.history.checked = c.begun.UnixNano()
	}
	if baseline, _ := p.hostKnows(); c.epoch != w.epoch || baseline != c.baseline {
		m.schedule(w) // something has happened since the check began
		return
	}
	var d settle.Decision
	m.countWriting(w, func() { d = m.decide(c) })
	switch s := &w.machine; {
	case s.Settling():
		m.schedule(w)
	case (d == settle.Deliver || d == settle.Unchanged && w.examined.Kind == fsys.Regular) && p.safe == nil && !s.HasRejected():
		m.end(w) // the host knows, or is about to, what was examined
	default:
		m.rest(w)
	}
}

// decide acts on what the machine makes of a check.
func (m *Engine) decide(c *check) settle.Decision {
	w, p, state := c.work, c.work.p, &c.work.machine
	w.examined = c.info
	m.linkedTo(p, &c.info)
	if c.err != nil && !isMissing(c.err) {
		return m.cannotRead(c)
	}
	first := state.FirstCheck()
	d := state.Observe(c.observation(), c.begun)
	probed := d == settle.Probe
	if probed {
		r := settle.ProbeResult{Writer: c.writer, After: versionOf(&c.after), Incomplete: c.image != nil,
			Identical: c.sum != nil && c.hash != nil && *c.sum == *c.hash && c.baseline.Exists(), Content: c.content}
		if first && r.Writer == fsys.HasWriter && c.baseline.Is(versionOf(&c.info)) {
			p.distrust() // the host may have loaded a half-written version
		}
		d = state.Probed(r, time.Now())
	}
	m.noteHeld(c, d, probed)
	if probed || d != settle.Wait {
		m.canRead(w)
	}
	m.doubt(c, d)
	switch d {
	case settle.Reject:
		m.rejectImage(p, c.image)
	case settle.Deliver:
		if p.safe != nil {
			m.validate(w, c)
		} else {
			m.enqueueChange(&pendingChange{p: p, info: c.info, hash: c.sum, first: state.FirstNotified(), complete: c.opened, decided: c.decided()})
		}
	case settle.Removed:
		m.deliverRemoval(p, c.info.Kind)
		m.intake.set.WalkAgain(p.Folder()) // its directory may have been removed below a mount
	case settle.Unchanged:
		h := c.sum
		if probed && p.safe != nil {
			h = c.hash
		}
		// Identical content, the baseline's hash, or another change time.
		another := probed && (h != nil || c.baseline != versionOf(&c.info))
		if another || !first {
			m.nothingToDeliver(p, another, &c.info, h)
		}
		m.stats.Unchanged++
	}
	m.noteDecision(c, d, first, probed)
	return d
}

// noteDecision notes what a check has led to.
func (m *Engine) noteDecision(c *check, d settle.Decision, first, probed bool) {
	p := c.work.p
	switch d {
	case settle.Wait:
		m.note(p, LogDebug, DecisionWaiting, waitReason(c, probed))
	case settle.Reject:
		m.note(p, 0, DecisionRejected, message("not a complete image: %v", c.image))
	case settle.StillRejected:
		m.note(p, LogDebug, DecisionRejected, "it is the version that was rejected")
	case settle.Removed:
		m.note(p, LogInfo, DecisionRemoved, "the file is gone")
	case settle.Unchanged:
		if !first { // a plugin of which nothing happens has no history
			m.note(p, LogDebug, DecisionUnchanged, "it is the version that the host knows")
		}
	case settle.Deliver:
		if p.safe != nil {
			m.note(p, LogInfo, DecisionComplete, "a new version is complete; it is copied and validated")
		} else {
			m.note(p, LogInfo, DecisionComplete, "a new version is complete")
		}
	}
}

func waitReason(c *check, probed bool) string {
	switch {
	case c.info.Kind == fsys.Missing:
		return "the file is missing; another one may be on its way"
	case c.work.machine.Writing():
		return "it is held open for writing"
	case probed:
		return "it changed, or was closed by its writer, during the check"
	}
	return "it has not been quiet for the quiet period"
}

// isMissing reports whether the error says that there is no file. Any other says
// that nobody can know at the moment.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}

// cannotRead notes that a plugin's file cannot be read: not by its host either, so
// that there is nothing to deliver yet.
func (m *Engine) cannotRead(c *check) settle.Decision {
	m.note(c.work.p, 0, DecisionUnreadable, message("%v", c.err))
	m.fileUnreadable(c.work.p, c.err)
	return c.work.machine.Unreadable(m.opts.PollInterval, c.begun)
}

// canRead ends what cannotRead began.
func (m *Engine) canRead(w *work) {
	if w.machine.Readable() {
		m.fileReadable(w.p)
	}
}

// compareFolder finds out without notifications what of a folder's plugins has
// changed, and notes signs for them. walk, if it is not nil, finds out first whether the
// folder is another one. It runs on the worker.
func (m *Engine) compareFolder(f *watch.Folder, signs watch.Signs, walk func(at func(string))) {
	type compared struct {
		p     *plugin
		files pluginFiles
		info  fsys.Info
	}
	var all []compared
	var latest *plugin
	turnover := m.intake.set.Turnover()
	f.Leaves(func(l *watch.Leaf) {
		p := m.plugins.of(l)
		if p == nil || p == latest || l != &p.Leaf && p.Folder() == f { // one comparison is for all files of a plugin
			return
		}
		latest = p
		if w := m.intake.settling[p]; w != nil && w.machine.Settling() {
			return
		}
		if files := m.filesOf(p); files.areTogether() {
			all = append(all, compared{p: p, files: files})
		} else {
			m.compareApart(p, signs)
		}
	})
	if len(all) == 0 && walk == nil {
		return
	}
	m.workers.do(m.intake.set.WhereaboutsOf(f), func(at func(string)) {
		if walk != nil {
			walk(at)
		}
		for i := range all {
			all[i].info, _ = m.statFiles(&all[i].files, at) // out of reach differs from any version
		}
		m.step(func() {
			for i := range all {
				m.compared(all[i].p, &all[i].info, signs, turnover)
			}
		})
	})
}

// areTogether reports whether all files are in the folder, as far as is known. If not,
// they may be on another file system than the others there, and hang alone.
func (f *pluginFiles) areTogether() bool {
	dir, _ := fsys.SplitPath(f.nameAt)
	isHere := func(path string) bool {
		d, _ := fsys.SplitPath(path)
		return d == dir
	}
	return isHere(f.fileAt) && !slices.ContainsFunc(f.companionsAt, func(path string) bool { return !isHere(path) })
}

// compareApart is compareFolder for one plugin. There is one comparison of it at a
// time, and one that is asked for meanwhile follows.
func (m *Engine) compareApart(p *plugin, signs watch.Signs) {
	if again, underWay := m.intake.apart[p]; underWay {
		m.intake.apart[p] = again | signs
		return
	}
	m.intake.apart[p] = 0
	files, turnover := m.filesOf(p), m.intake.set.Turnover()
	m.workers.do(files.fileAt, func(at func(string)) {
		in, _ := m.statFiles(&files, at)
		m.step(func() {
			again := m.intake.apart[p]
			delete(m.intake.apart, p)
			m.compared(p, &in, signs, turnover)
			if again != 0 && !p.disabled() {
				m.compareApart(p, again)
			}
		})
	})
}

// compared notes signs for a plugin if a comparison has found another file. turnover was
// the set's when the comparison began.
func (m *Engine) compared(p *plugin, in *fsys.Info, signs watch.Signs, turnover uint64) {
	if p.disabled() {
		return
	}
	if m.intake.set.Turnover() != turnover || !m.isOverdue(p, p.hostWillKnow(), in) {
		signs &^= watch.Overdue
	}
	m.noteStaleMount(p, in)
	if m.differs(p, in) || m.isMountedAnew(p, in) {
		m.intake.set.Touch(&p.Leaf, signs)
	}
}

// differs reports whether a file has changed since the last check of it.
func (m *Engine) differs(p *plugin, in *fsys.Info) bool {
	contents := m.opts.IgnoreUnchangedContent
	if w := m.intake.settling[p]; w != nil {
		was := &w.examined
		return !sameVersion(was, in) || ((contents || w.machine.HasRejected()) && in.Changed != was.Changed)
	}
	was, is := p.hostWillKnow(), versionOf(in)
	same := was.Is(is) || in.Remote && was.IsApartFromIdentity(is)
	return !same || (contents && in.Changed != was.Changed)
}

// sameVersion reports whether two checks of a plugin's files have found one version. A
// remote file system may give a file another inode number meanwhile.
func sameVersion(a, b *fsys.Info) bool {
	v, w := versionOf(a), versionOf(b)
	return v.Is(w) || a.Remote && b.Remote && v.IsApartFromIdentity(w)
}

// compareAttributes is for a plugin with safe reload of which nothing was reported
// but that attributes changed, while a version of it is validated or waits for the
// host. If it is still that version, nothing is to be done.
func (m *Engine) compareAttributes(p *plugin) {
	files := m.filesOf(p)
	m.workers.do(m.whereabouts(p), func(at func(string)) {
		in, err := m.statFiles(&files, at)
		m.step(func() {
			if version := m.versionInHand(p); !p.disabled() && (err != nil || !sameVersion(&in, &version)) {
				m.notify(p, watch.Attributes, time.Now())
			}
		})
	})
}

// checkSoon is checkAgain for a file of which a check has found, by itself, that is
// stands where was stood: the notification about that is on its way, and may say that it is
// being written.
func (m *Engine) checkSoon(p *plugin, was, is *fsys.Info) {
	var signs watch.Signs
	if m.isOverdue(p, versionOf(was), is) {
		signs = watch.Overdue
	}
	if p.quiet != noQuiet {
		m.checkAgain(p, signs)
		return
	}
	time.AfterFunc(notificationsWithin, m.timerStep(func() { m.checkAgain(p, signs) }))
}

// notificationsWithin is how long a notification may be on its way.
const notificationsWithin = 10 * time.Millisecond

// checkAgain has a plugin's file checked, unless it is about to be.
func (m *Engine) checkAgain(p *plugin, signs watch.Signs) {
	if w := m.intake.settling[p]; !p.disabled() && (w == nil || !w.machine.Settling()) {
		m.notify(p, signs, time.Now())
	}
}

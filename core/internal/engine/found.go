// SPDX-License-Identifier: MIT

package engine

import (
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/qtforge/hotreload/core/internal/deliver"
	"github.com/qtforge/hotreload/core/internal/folder"
	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/settle"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// foundFile is a file that a folder has found, on its way to become a plugin.
type foundFile struct {
	dir     *listedDir
	name    string
	id      string // "": the host says that it is no plugin
	present bool   // it was there when the folder was enabled

	in    fsys.Info // with present
	hash  *fsys.Hash
	safe  *safeState
	gone  bool
	why   string  // it cannot be enabled
	takes *plugin // whose id it takes over: a rename
}

// naming is a call of a folder's function under way.
type naming struct {
	run
	folder *folderState
}

func (m *Engine) isNaming() bool { return m.asked != nil && m.asked.thread == deliver.ThreadID() }

// identify gives files their ids, and goes on with prepare.
func (m *Engine) identify(d *listedDir, found []*foundFile) {
	f := d.of
	if f.options.ID == nil {
		for _, c := range found {
			c.id = folder.ID(f.id, d.inside(c.name), f.options.ShortIDs)
		}
		m.prepare(d, found)
		return
	}
	m.spawn(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		m.namings.Lock() // calls do not overlap
		defer m.namings.Unlock()
		for _, c := range found {
			if !m.askForID(f, c) {
				return
			}
		}
		m.step(func() { m.prepare(d, found) })
	})
}

// askForID calls a folder's function. It reports whether the folder is still enabled.
func (m *Engine) askForID(f *folderState, c *foundFile) bool {
	m.mu.Lock()
	if f.ended || m.closed || m.failed != "" {
		m.mu.Unlock()
		return false
	}
	slot := f.naming.Hold()
	m.asked = &naming{run: run{thread: deliver.ThreadID()}, folder: f}
	m.mu.Unlock()
	m.guard("a folder's id function", func() { c.id = slot.Fn(c.dir.inside(c.name)) })
	slot.Done() // inside the callback still: the release function may close the manager
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = nil
	m.afterChange()
	return true
}

// prepare finds out what must be known of files before they are enabled, and goes on with
// admit. A file that is new needs nothing: it is delivered when it is complete.
func (m *Engine) prepare(d *listedDir, found []*foundFile) {
	f := d.of
	found = slices.DeleteFunc(found, func(c *foundFile) bool { return c.id == "" })
	asks := m.opts.Safe != nil || f.options.Safe != nil || slices.ContainsFunc(found, func(c *foundFile) bool { return c.present && !f.options.DeliverPresent })
	if d.ended || !asks {
		m.admitAll(d, found)
		return
	}
	m.workers.add(task{where: m.intake.set.WhereaboutsOf(d.folder), do: func(at func(string)) {
		for _, c := range found {
			if m.isClosing() {
				return
			}
			m.examine(f, c, at)
		}
		m.step(func() { m.admitAll(d, found) })
	}, stuck: f.isStuck})
}

// examine asks the disk about a file. It runs on a worker.
func (m *Engine) examine(f *folderState, c *foundFile, at func(string)) {
	path := c.dir.folder.Text() + c.name
	at(path)
	in, err := m.opts.disk.Stat(path)
	if c.gone = err != nil && isMissing(err) || err == nil && in.Kind != fsys.Regular; c.gone {
		return
	}
	if c.safe, err = m.makeSafe(c.id, path, f.options.Safe); err != nil {
		c.why = err.Error()
		return
	}
	if !c.present || f.options.DeliverPresent {
		return
	}
	if c.in = in; c.safe != nil {
		files := pluginFiles{path: path, companions: c.safe.companionPaths}
		c.in, _ = m.statFiles(&files, at)
		c.safe.loadable = m.statLoadable(c.safe, &files, false, at)
	}
	if m.opts.IgnoreUnchangedContent && c.in.Kind == fsys.Regular {
		c.hash = m.hashOf(path, c.safe, &c.in)
	}
}

// admitAll enables files, and ends the listing that has found them.
func (m *Engine) admitAll(d *listedDir, found []*foundFile) {
	var skipped []*foundFile
	for _, c := range found {
		if m.admit(c); c.why != "" {
			skipped = append(skipped, c)
		}
	}
	m.finish(d, skipped)
}

// admit enables a file as a plugin, unless something has come in between. why is set if it
// cannot be one.
func (m *Engine) admit(c *foundFile) {
	d, f := c.dir, c.dir.of
	if d.ended || c.gone || c.why != "" || f.foundAt(d, c.name) != nil {
		return
	}
	if err := checkID(c.id); err != nil {
		c.why = "its id cannot be used: " + err.Error()
		return
	}
	former := m.plugins.lookup(c.id)
	switch {
	case former != nil && former != c.takes:
		if c.why = "plugin " + quoted(c.id, maxForeign) + " is enabled already, by its path " + quoted(former.registeredPath(), maxForeign); former.found == f && f.waiting[c.id] == nil {
			f.waiting[c.id] = c
		}
		return
	case former == nil && f.plugins >= f.options.MaxFiles:
		m.noteFull(f)
		return
	}
	as := f.as + len(d.folder.Text()) - len(f.text) + len(c.name)
	if former != nil {
		c.inherit(former)
		m.forget(former)
	}
	p := m.plugins.add(c.id, d.folder.Text()+c.name, as, f.options.Quiet)
	p.found, p.safe = f, c.safe
	m.noteQuiet(p)
	f.plugins++
	if marker := f.options.PauseMarker; marker != "" {
		m.mark(p, f.text+marker)
	}
	deliver := !c.present || f.options.DeliverPresent || !c.in.Fingerprint.Exists
	switch {
	case former != nil:
		p.succeed(former)
		deliver = true
	case !deliver:
		p.setBaseline(versionOf(&c.in), c.hash)
		m.enqueueEvent(Event{Kind: Discovered, ID: p.id, Path: p.registeredPath(), FolderID: f.id})
	}
	m.watch(p, deliver)
	signs := d.folder.Appeared(c.name)
	if deliver && (d.lost || d.afterLoss) {
		signs |= watch.Written | watch.Lost // that it was written may be among them
	}
	if signs&(watch.Written|watch.Closed) != 0 {
		m.notify(p, signs, time.Now()) // it may be open for writing still
	}
}

// succeed has a plugin go on where its former self ended, whose file was renamed.
func (p *plugin) succeed(former *plugin) {
	p.generation = former.generation
	if former.isAnnounced() {
		p.distrust() // its path is news
	}
	if former.pausedItself() {
		p.state().paused = true
	}
}

// inherit takes over what a plugin has from versions that were delivered under its former
// path.
func (c *foundFile) inherit(former *plugin) {
	if was := former.safe; was != nil && c.safe != nil {
		for _, v := range was.delivered {
			v.stopWatchdog()
		}
		c.safe.delivered, was.delivered = was.delivered, nil
		c.safe.failures = was.failures
	}
}

// isAnnounced reports whether the host has heard of a plugin.
func (p *plugin) isAnnounced() bool {
	return p.found == nil || p.generation > 0 || p.baseline != settle.Version{}
}

// discovery is the event that comes just before the first change of a plugin that a folder
// has found; nil before others.
func (m *Engine) discovery(p *plugin, at time.Time) *Event {
	if p.isAnnounced() {
		return nil
	}
	ev := Event{Kind: Discovered, Time: at, FirstSeen: at, ID: p.id, Path: p.registeredPath(), FolderID: p.found.id, Generation: 1}
	m.logEvent(&ev)
	return &ev
}

// isSucceeded reports whether a file of the same folder waits for the id of a plugin whose
// own file is gone: that was renamed.
func (p *plugin) isSucceeded() bool { return p.found != nil && p.found.waiting[p.id] != nil }

// vanished goes on with a plugin of a folder whose file is gone.
func (m *Engine) vanished(p *plugin) {
	f := p.found
	switch c := f.waiting[p.id]; {
	case c != nil:
		m.takeOver(p, c)
	case p.rare != nil && (p.rare.pending != nil || p.rare.removalDelivered): // the host hears of it first
	default:
		m.dropGone(p)
	}
}

// takeOver has a file become the plugin whose former file is gone.
func (m *Engine) takeOver(p *plugin, c *foundFile) {
	delete(p.found.waiting, p.id)
	next := &foundFile{dir: c.dir, name: c.name, id: p.id, takes: p}
	f := p.found
	m.workers.add(task{where: m.intake.set.WhereaboutsOf(c.dir.folder), do: func(at func(string)) {
		m.examine(f, next, at)
		m.step(func() {
			if p.disabled() {
				return
			}
			if m.admit(next); !p.disabled() {
				m.checkAgain(p, 0) // that file is gone, too
			}
		})
	}})
}

// dropGone disables a plugin whose file is gone. Another file may be there already.
func (m *Engine) dropGone(p *plugin) {
	d := p.found.dirOf(p.Folder())
	m.drop(p)
	if d != nil {
		m.list(d)
	}
}

// removed ends a plugin of a folder when the host has heard that its file is gone.
func (m *Engine) removed(p *plugin) {
	if p.found != nil && !m.closed && !p.disabled() && p.rare != nil && p.rare.removalDelivered {
		m.dropGone(p)
		m.turn()
	}
}

// dismiss remembers that the host has disabled a plugin of a folder: its file is not found
// again while it is there.
func (m *Engine) dismiss(p *plugin) {
	if p.found == nil {
		return
	}
	if d := p.found.dirOf(p.Folder()); d != nil {
		if d.dismissed == nil {
			d.dismissed = map[string]bool{}
		}
		d.dismissed[p.Name()] = true
	}
}

// freed notes that a plugin was disabled: a file may have waited for its id, or for room.
func (m *Engine) freed(p *plugin) {
	if f := p.found; f != nil {
		f.plugins--
		if f.full && !f.ended {
			f.full = false
			for _, d := range f.dirs {
				m.list(d)
			}
		}
	}
	for _, f := range m.folders {
		if f.skipped == 0 {
			continue
		}
		for _, d := range f.dirs {
			if len(d.skipped) > 0 {
				m.list(d)
			}
		}
	}
}

const separator = string(filepath.Separator)

func fromSlash(path string) string { return filepath.FromSlash(path) }

func sortedKeys[V any](of map[string]V) []string { return slices.Sorted(maps.Keys(of)) }

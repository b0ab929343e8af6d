// SPDX-License-Identifier: MIT

package engine

import (
	"slices"
	"strings"
	"time"

	"github.com/qtforge/hotreload/core/internal/folder"
	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// listedDir is a directory of a folder: the folder itself, or one below it. It is listed
// when it has been watched, when a name appears or goes that concerns it, and whenever
// everything is compared with the disk. One listing is under way at a time, until the
// files in it are enabled, and one more waits.
type listedDir struct {
	of     *folderState
	path   string // in the folder, with "/"; "" is the folder itself
	folder *watch.Folder

	below     []string    // directories in it, sorted
	listed    bool        // at least once
	busy      bool        // a listing is under way
	again     bool        // one more is to follow
	lost      bool        // notifications may have been lost since the latest listing began
	afterLoss bool        // the same, before it began
	timer     *time.Timer // for the next one
	due       time.Time   // when that is; zero: it does not run
	dismissed map[string]bool
	skipped   map[string]time.Time // files that could not be enabled, and since when
	told      int                  // of these, when the host heard of them
	unread    bool                 // the host knows that it cannot be listed
	ended     bool
	finished  time.Time // the latest listing
	took      time.Duration
}

const (
	// listingGap is the time between two listings of a directory, at least.
	listingGap = 10 * time.Millisecond
	// listingShare is how many times longer the pause after a listing is than the listing.
	listingShare = 20
	// skippedAgain is when files that could not be enabled are tried again.
	skippedAgain = 10 * time.Second
)

// listing is what a worker has found in a directory.
type listing struct {
	files, dirs []string // names, sorted; of files not more than mostListed, and one
	cut         bool     // there are more files
	marker      bool     // the pause marker is there
	deep        string   // a directory that is too deep; "" if there is none
	err         error
	took        time.Duration
}

// inside is the path in the folder of a name in the directory.
func (d *listedDir) inside(name string) string {
	if d.path == "" {
		return name
	}
	return d.path + "/" + name
}

// addDir begins to watch a directory of a folder.
func (m *Engine) addDir(f *folderState, path string) {
	text, as := f.text, f.as
	if path != "" {
		end := fromSlash(path) + separator
		text, as = text+end, as+len(end)
	}
	dir, _ := fsys.SplitPath(text + "x")
	d := &listedDir{of: f, path: path, folder: m.plugins.folder(text, len(dir), as)}
	f.dirs[path] = d
	f.unlisted++
	m.countTurnover()
	m.intake.set.Listen(d.folder, d)
	if d.folder.IsWalked() && d.folder.WasWatched() {
		m.list(d) // plugins are in it already
	}
}

// removeDir ends what addDir began. The plugins that were found in it remain until their
// own files are gone.
func (m *Engine) removeDir(d *listedDir) {
	d.ended = true
	d.stopTimer()
	delete(d.of.dirs, d.path)
	d.of.skipped -= len(d.skipped)
	if !d.listed {
		d.of.unlisted--
	}
	m.countTurnover()
	m.intake.set.Unlisten(d.folder, d)
	m.plugins.releaseFolder(d.folder)
	m.deafen()
}

// nameOf is the name in the directory by which the way to one below it goes on; "" if that
// is not below it.
func (d *listedDir) nameOf(below *listedDir) string {
	rest, is := strings.CutPrefix(below.path, d.inside("")) // ends with "/", or is ""
	if !is {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// Concerns implements watch.Listener. A file that is a plugin already settles by itself.
func (d *listedDir) Concerns(name string) bool {
	f, path := d.of, d.inside(name)
	switch {
	case d.path == "" && name == f.options.PauseMarker:
		return true
	case f.rules.IsPlugin(path):
		return f.foundAt(d, name) == nil
	}
	return f.rules.MayHold(path)
}

// foundAt is the plugin that a folder has found at a name.
func (f *folderState) foundAt(d *listedDir, name string) (found *plugin) {
	d.folder.Find(name, func(l *watch.Leaf) {
		if p := f.m.plugins.of(l); p != nil && p.found == f && l == &p.Leaf && p.Folder() == d.folder {
			found = p
		}
	})
	return found
}

// list has a directory listed, now or soon.
func (m *Engine) list(d *listedDir) {
	switch {
	case d.ended:
		return
	case d.busy:
		d.again = true
		return
	}
	if wait := max(listingGap, listingShare*d.took) - time.Since(d.finished); wait > 0 && !d.finished.IsZero() {
		m.listIn(d, wait)
		return
	}
	d.busy = true
	d.afterLoss, d.lost = d.lost, false
	d.stopTimer()
	f := d.of
	where, most := m.intake.set.WhereaboutsOf(d.folder), d.mostListed()
	m.workers.add(task{where: where, do: func(at func(string)) {
		l := m.listDirectory(d, where, most, at)
		m.step(func() { m.listed(d, l) })
	}, stuck: f.isStuck})
}

// listIn has a directory listed after some time, at the latest.
func (m *Engine) listIn(d *listedDir, wait time.Duration) {
	due := time.Now().Add(wait)
	if d.ended || !d.due.IsZero() && !due.Before(d.due) {
		return
	}
	d.stopTimer()
	d.due = due
	d.timer = time.AfterFunc(wait, m.timerStep(func() {
		if d.due.Equal(due) {
			d.due = time.Time{}
			m.list(d)
		}
	}))
}

func (d *listedDir) stopTimer() {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer, d.due = nil, time.Time{}
}

// isStuck notes that a file system does not answer.
func (f *folderState) isStuck() {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.stuck = true
	f.m.changed.Broadcast()
}

// listFolder has a directory listed for all folders that find plugins in it.
func (m *Engine) listFolder(w *watch.Folder) {
	for _, l := range slices.Clone(w.Listeners()) {
		m.list(l.(*listedDir))
	}
}

// mostListed is how many files of a directory must be listed to find those that may be
// plugins. How many files the host's function accepts is not known before.
func (d *listedDir) mostListed() int {
	if d.of.options.ID != nil {
		return maxMaxFiles
	}
	return d.of.options.MaxFiles + len(d.dismissed) + len(d.skipped)
}

// listDirectory lists a directory. It runs on a worker.
func (m *Engine) listDirectory(d *listedDir, where string, most int, at func(string)) (l listing) {
	f, dir := d.of, d.folder.Dir()
	begun := time.Now()
	at(where)
	l.err = m.opts.disk.List(dir, func(name string, kind fsys.Kind) bool {
		if m.isClosing() {
			return false
		}
		path := d.inside(name)
		if d.path == "" && name == f.options.PauseMarker {
			l.marker = true
			return true
		}
		isPlugin, mayHold := f.rules.IsPlugin(path), f.rules.MayHold(path)
		if !isPlugin && !mayHold {
			return true
		}
		linked := kind == fsys.Link
		if linked || kind == fsys.Other {
			at(fsys.JoinPath(where, name))
			in, err := m.opts.disk.Stat(fsys.JoinPath(dir, name))
			if err != nil || linked && in.Kind == fsys.Directory && m.isLoop(d, in.ID(), at) {
				return true
			}
			kind = in.Kind
		}
		switch {
		case kind == fsys.Regular && isPlugin && len(l.files) > most:
			l.cut = true
		case kind == fsys.Regular && isPlugin:
			l.files = append(l.files, strings.Clone(name))
		case kind == fsys.Directory && mayHold && folder.Depth(path) > f.options.MaxDepth:
			l.deep = path
		case kind == fsys.Directory && mayHold && len(l.dirs) <= f.options.MaxFiles:
			l.dirs = append(l.dirs, strings.Clone(name))
		}
		return true
	})
	slices.Sort(l.files)
	slices.Sort(l.dirs)
	l.took = time.Since(begun)
	return l
}

// isLoop reports whether a link leads to a directory on the way to it.
func (m *Engine) isLoop(d *listedDir, to fsys.ID, at func(string)) bool {
	for path := d.folder.Dir(); ; {
		at(path)
		if in, err := m.opts.disk.Stat(path); err == nil && in.ID() == to {
			return true
		}
		parent, _ := fsys.SplitPath(path)
		if len(path) < len(d.of.text) || parent == path {
			return false
		}
		path = parent
	}
}

// listed takes over what is in a directory. New files are enabled when their ids are known.
func (m *Engine) listed(d *listedDir, l listing) {
	d.took = l.took
	if d.ended {
		return
	}
	f := d.of
	m.noteReadable(d, l.err)
	if d.path == "" {
		if l.err == nil || isMissing(l.err) {
			m.pauseFolder(f, func() { f.marked = l.marker })
		}
		m.noteMissing(f, l.err)
	}
	if l.err != nil && !isMissing(l.err) {
		m.listIn(d, m.opts.PollInterval)
		m.finish(d, nil)
		return
	}
	m.compareBelow(d, l.dirs)
	m.noteDeep(f, l.deep)
	if l.cut {
		m.noteFull(f)
	}
	isThere := func(name string) bool {
		_, is := slices.BinarySearch(l.files, name)
		return is || l.cut
	}
	for name := range d.dismissed {
		if !isThere(name) {
			delete(d.dismissed, name) // a file that comes back is another one
		}
	}
	for id, w := range f.waiting {
		if w.dir == d && !isThere(w.name) {
			delete(f.waiting, id)
		}
	}
	var found []*foundFile
	for _, name := range l.files {
		if !d.dismissed[name] && f.foundAt(d, name) == nil {
			found = append(found, &foundFile{dir: d, name: name, present: !f.known})
		}
	}
	if len(found) == 0 {
		m.finish(d, nil)
		return
	}
	m.identify(d, found)
}

// compareBelow follows the directories in a directory.
func (m *Engine) compareBelow(d *listedDir, found []string) {
	f := d.of
	appeared, gone := folder.Compare(d.below, found)
	if len(gone) > 0 {
		for _, below := range f.dirs {
			if _, is := slices.BinarySearch(gone, d.nameOf(below)); is {
				m.removeDir(below)
			}
		}
	}
	d.below = found
	for i, name := range appeared {
		if len(f.dirs) > f.options.MaxFiles {
			m.noteFull(f)
			d.below = without(found, appeared[i:])
			return
		}
		m.addDir(f, d.inside(name))
	}
}

// without is a sorted list without some of its elements, which are sorted.
func without(list, some []string) []string {
	rest, _ := folder.Compare(some, list)
	return rest
}

// finish ends a listing. skipped are the files that could not be enabled.
func (m *Engine) finish(d *listedDir, skipped []*foundFile) {
	d.busy, d.finished = false, time.Now()
	if d.ended {
		return
	}
	f := d.of
	m.noteSkipped(d, skipped)
	if !d.listed {
		d.listed = true
		f.unlisted--
	}
	if f.unlisted == 0 && !f.known {
		f.known = true
		m.changed.Broadcast()
	}
	if d.again {
		d.again = false
		m.list(d)
	} else {
		d.folder.ForgetAppeared()
	}
}

// SPDX-License-Identifier: MIT

package engine

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// This file is about pause markers: files that a build makes before it begins to write
// plugins and removes when it has ended. While one is there, the changes of its plugins
// wait, as those of a paused plugin do.

// marker is a pause marker, of one plugin or several.
type marker struct {
	path    string
	leaf    watch.Leaf // it is watched as a plugin's file is
	plugins map[*plugin]struct{}

	holds    bool        // it is there, or the disk has not said yet that it is not
	since    time.Time   // of holds
	present  bool        // the disk has said that it is there, or that it does not say
	trouble  string      // why the disk does not say; "" if it does
	checking bool        // a check is under way
	again    bool        // another one is to follow
	overdue  *time.Timer // while it holds; nil with NeverMarked
}

// noPlugin is the ID of leaves that are no plugin's.
const noPlugin = ^uint32(0)

// markerPath is where a plugin's pause marker is: beside the plugin, unless the name is an
// absolute path.
func markerPath(id, plugin, name string) (string, error) {
	if name == "" {
		return "", fail(ErrInvalidArgument, "plugin %q: the name of the pause marker is empty; name a file, for example .building", id)
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(plugin), path)
	}
	path = filepath.Clean(path)
	if path == filepath.Clean(plugin) {
		return "", fail(ErrInvalidArgument, "plugin %q: the pause marker %q is the plugin's own file; name another one", id, name)
	}
	if strings.HasPrefix(filepath.Clean(plugin), fsys.JoinPath(path, "")) {
		return "", fail(ErrInvalidArgument, "plugin %q: the pause marker %q is a directory on the plugin's path, which is always there; name a file, for example .building", id, name)
	}
	return path, checkNames(id, path)
}

// mark gives a plugin its pause marker. Until the disk says that it is not there, it holds.
func (m *Engine) mark(p *plugin, path string) {
	k := m.markers[path]
	if k == nil {
		path = strings.Clone(path)
		dir, name := fsys.SplitPath(path)
		k = &marker{path: path, plugins: map[*plugin]struct{}{}, holds: true, since: time.Now()}
		k.leaf = watch.NewLeaf(noPlugin, m.plugins.folder(path[:len(path)-len(name)], len(dir), len(path)-len(name)), name)
		if m.markers == nil {
			m.markers, m.markersByLeaf = map[string]*marker{}, map[*watch.Leaf]*marker{}
		}
		m.markers[path], m.markersByLeaf[&k.leaf] = k, k
		m.intake.set.Add(&k.leaf)
		m.awaitOverdue(k)
		m.checkMarker(k)
	}
	k.plugins[p] = struct{}{}
	p.state().marker = k
}

// unmark ends what mark began.
func (m *Engine) unmark(p *plugin) {
	if p.rare == nil || p.rare.marker == nil {
		return
	}
	k := p.rare.marker
	p.rare.marker = nil
	p.tidy()
	if delete(k.plugins, p); len(k.plugins) > 0 {
		return
	}
	k.stop()
	delete(m.markers, k.path)
	delete(m.markersByLeaf, &k.leaf)
	m.intake.set.Remove(&k.leaf)
	m.plugins.releaseFolder(k.leaf.Folder())
}

// marked is the pause marker that holds a plugin's changes back; nil if none does.
func (p *plugin) marked() *marker {
	if p.rare != nil && p.rare.marker != nil && p.rare.marker.holds {
		return p.rare.marker
	}
	return nil
}

// noticeMarker takes a notification about a leaf that is no plugin's. Until the disk says
// that the marker is not there, it holds: what is written behind it must not be delivered
// before it is noticed.
func (m *Engine) noticeMarker(l *watch.Leaf) {
	if k := m.markersByLeaf[l]; k != nil {
		m.hold(k, true)
		m.checkMarker(k)
	}
}

// compareMarker compares a leaf that is no plugin's with the disk.
func (m *Engine) compareMarker(l *watch.Leaf) {
	if k := m.markersByLeaf[l]; k != nil {
		m.checkMarker(k)
	}
}

// checkMarker asks the disk whether a pause marker is there.
func (m *Engine) checkMarker(k *marker) {
	if k.checking {
		k.again = true
		return
	}
	k.checking = true
	_, where := m.intake.set.Whereabouts(&k.leaf)
	m.workers.do(where, func(at func(string)) {
		at(where)
		_, err := m.opts.disk.Stat(k.path)
		m.step(func() { m.markerChecked(k, err) })
	})
}

func (m *Engine) markerChecked(k *marker, err error) {
	again := k.again
	k.checking, k.again = false, false
	switch {
	case m.markers[k.path] != k:
		return // nobody needs it any more
	case again:
		m.checkMarker(k)
		return
	case !k.leaf.Folder().WasWatched():
		return // one that comes now goes unnoticed; it is checked again when it is watched
	}
	k.trouble = ""
	if err != nil && !isMissing(err) {
		k.trouble = message("%v", err)
	}
	was := k.present
	k.present = err == nil || k.trouble != ""
	m.hold(k, k.present)
	if k.present != was {
		m.noteMarker(k)
	}
}

// noteMarker notes, of each plugin whose change waits, that its pause marker came or went.
func (m *Engine) noteMarker(k *marker) {
	text := message("no longer held back: the pause marker is gone: %s", k.path)
	if k.present {
		text = k.heldText()
	}
	m.log(LogInfo, "", text, time.Now())
	for p := range k.plugins {
		if p.rare.pending != nil {
			m.note(p, 0, DecisionPaused, text)
		}
	}
}

// hold notes whether a pause marker holds. The changes that wait find their new place in
// the gate, in the order in which they were found complete.
func (m *Engine) hold(k *marker, holds bool) {
	if k.holds == holds {
		return
	}
	var waiting []*pendingChange
	for p := range k.plugins {
		if c := m.withdraw(p); c != nil {
			waiting = append(waiting, c)
		}
	}
	k.holds = holds
	if holds {
		k.since = time.Now()
		m.awaitOverdue(k)
	} else {
		k.stop()
	}
	slices.SortFunc(waiting, func(a, b *pendingChange) int {
		return cmp.Or(a.complete.Compare(b.complete), byOrder(a.p, b.p))
	})
	for _, c := range waiting {
		m.requeue(c)
	}
	m.afterChange()
}

// awaitOverdue has a pause marker reported that is there for long: its build may have died.
func (m *Engine) awaitOverdue(k *marker) {
	after := m.opts.MarkerAfter
	if after == NeverMarked {
		return
	}
	if k.overdue != nil {
		k.overdue.Reset(after)
		return
	}
	k.overdue = time.AfterFunc(after, m.timerStep(func() {
		if m.markers[k.path] != k || !k.holds || time.Since(k.since) < after {
			return
		}
		m.healthLocked(HealthPauseMarker, "", k.path, fmt.Sprintf("%s for %v; the changes of %s wait; if no build is running, remove it",
			k.text(), duration(time.Since(k.since)), plural(len(k.plugins), "plugin")))
	}))
}

// stop ends what awaitOverdue began.
func (k *marker) stop() {
	if k.overdue != nil {
		k.overdue.Stop()
	}
}

// text says, for people, that a marker holds.
func (k *marker) text() string {
	switch {
	case k.trouble != "":
		return "it is not known whether the pause marker is there (" + k.trouble + ")"
	case !k.present:
		return "it is not known yet whether the pause marker is there"
	}
	return "the pause marker is there"
}

func (k *marker) heldText() string { return message("held back: %s: %s", k.text(), k.path) }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

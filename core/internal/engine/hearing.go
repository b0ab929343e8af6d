// SPDX-License-Identifier: MIT

package engine

import (
	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// This file is about what is heard in polled directories: when a program of this computer
// writes and closes a file there. Without it the quiet period alone would say whether a
// file is complete that the system reports no writers of.

// hearing is what a source listens to. It ends with that source, and begins anew with the
// checks of the next one. It is behind Engine.mu.
type hearing struct {
	dirs  map[string]bool    // on file systems that send no notifications
	files map[*plugin]string // in directories that this process may not read
}

// hearer is the engine's source, if that can hear; nil otherwise.
func (m *Engine) hearer() watch.Hearer {
	h, _ := m.intake.src.Source.(watch.Hearer)
	return h
}

// heard is where a source sends what it hears.
func heard(src watch.Source) <-chan fsnotify.Event {
	if h, ok := src.(watch.Hearer); ok {
		return h.Heard()
	}
	return nil
}

// walkTo walks to a folder, and listens there if its file system sends no notifications.
// It runs on a worker.
func (m *Engine) walkTo(dir string, at func(string)) watch.Walk {
	w := watch.WalkTo(m.opts.disk, dir, at)
	if w.Dir == "" || w.Silent == "" {
		return w
	}
	m.mu.Lock()
	h := m.hearer()
	if h != nil {
		m.intake.src.hearing.addDir(w.Dir)
	}
	m.mu.Unlock()
	if h != nil {
		at(w.Dir)
		h.Hear(w.Dir)
	}
	return w
}

func (h *hearing) addDir(dir string) {
	if h.dirs == nil {
		h.dirs = map[string]bool{}
	}
	h.dirs[dir] = true
}

// deafen ends what walkTo began where nobody needs the directory any more.
func (m *Engine) deafen() {
	for dir := range m.intake.src.hearing.dirs {
		if !m.intake.set.IsSilent(dir) {
			delete(m.intake.src.hearing.dirs, dir)
			m.hearer().Deafen(dir)
		}
	}
}

// hearFile listens to a file if this process may not read its directory. It runs on a
// worker.
func (m *Engine) hearFile(p *plugin, path string) {
	if dir, _ := fsys.SplitPath(path); m.opts.mayRead(dir) {
		return
	}
	m.mu.Lock()
	h := m.hearer()
	m.mu.Unlock()
	if h == nil {
		return
	}
	h.Hear(path)
	m.step(func() {
		if m.hearer() != h {
			return // another source has taken its place
		}
		e := &m.intake.src.hearing
		if was, known := e.files[p]; known && was != path {
			h.Deafen(was)
		}
		if p.disabled() {
			h.Deafen(path)
			return
		}
		if e.files == nil {
			e.files = map[*plugin]string{}
		}
		e.files[p] = path
	})
}

// hearsFile reports whether a plugin's file is listened to, and not its directory.
func (m *Engine) hearsFile(p *plugin) bool {
	_, hears := m.intake.src.hearing.files[p]
	return hears
}

// deafenFile ends what hearFile began.
func (m *Engine) deafenFile(p *plugin) {
	if path, known := m.intake.src.hearing.files[p]; known {
		delete(m.intake.src.hearing.files, p)
		m.hearer().Deafen(path)
	}
}

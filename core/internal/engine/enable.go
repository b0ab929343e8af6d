// SPDX-License-Identifier: MIT

package engine

import (
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/qtforge/hotreload/core/internal/fsys"
	snapshots "github.com/qtforge/hotreload/core/internal/snapshot"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// Enable begins to watch the file at path under the name id. The version that
// is there now counts as known. It keeps neither string, only copies: they may be
// views of memory that is C's.
func (m *Engine) Enable(id, path string, o EnableOptions) error {
	if err := checkID(id); err != nil {
		return err
	}
	if err := checkQuiet(o.Quiet); err != nil {
		return err
	}
	if m.plugins.lookup(id) != nil && !m.unusable.Load() {
		return alreadyEnabled(id) // before the disk is asked
	}
	abs, in, err := m.inspectPath(id, path, o.AllowMissing)
	if err != nil {
		return err
	}
	if o.Quiet == 0 {
		o.Quiet = m.opts.Quiet
	}
	marker := ""
	if o.PauseMarker != nil {
		if marker, err = markerPath(id, abs, *o.PauseMarker); err != nil {
			return err
		}
	}
	s, err := m.makeSafe(id, abs, o.Safe)
	if err != nil {
		return err
	}
	if s != nil {
		files := pluginFiles{path: abs, companions: s.companionPaths}
		in, _ = m.statFiles(&files, func(string) {})
		s.loadable = m.statLoadable(s, &files, false, func(string) {})
	}
	present := o.DeliverPresent && in.Kind == fsys.Regular
	var h *fsys.Hash
	if m.opts.IgnoreUnchangedContent && in.Kind == fsys.Regular && !present {
		h = m.hashOf(abs, s, &in)
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return err
	}
	if m.plugins.lookup(id) != nil {
		return alreadyEnabled(id)
	}
	p := m.plugins.add(id, abs, len(path), o.Quiet)
	p.safe = s
	m.noteQuiet(p)
	if o.Paused {
		p.state().paused = true
	}
	if !present {
		p.setBaseline(versionOf(&in), h)
	}
	m.enqueueEvent(Event{Kind: Enabled, ID: p.id, Path: p.registeredPath()})
	if marker != "" {
		m.mark(p, marker)
	}
	m.watch(p, present)
	m.turn()
	m.awaitWatch(p)
	return nil
}

// awaitWatch waits until the plugin's directory is watched: from then on no change
// goes unnoticed. It does not wait for a file system that hangs.
func (m *Engine) awaitWatch(p *plugin) {
	f := p.Folder()
	for !f.WasWatched() && !m.intake.hanging[f] && !p.disabled() && !m.closed && m.failed == "" {
		m.changed.Wait()
	}
}

// watch begins to watch a plugin's files. The first check compares with what Enable
// saw: a change since then, or a file that was being written, is delivered.
func (m *Engine) watch(p *plugin, present bool) {
	m.countTurnover()
	m.intake.set.Add(&p.Leaf)
	if p.safe != nil {
		for _, path := range p.safe.companionPaths {
			dir, name := fsys.SplitPath(path)
			l := watch.NewLeaf(p.ID, m.plugins.folder(path[:len(path)-len(name)], len(dir), len(path)-len(name)), name)
			p.safe.companions = append(p.safe.companions, &l)
			m.intake.set.Add(&l)
		}
	}
	w := m.begin(p)
	w.machine.Enable(present, time.Now())
	m.schedule(w)
}

// unwatch ends what watch began.
func (m *Engine) unwatch(p *plugin) {
	m.countTurnover()
	m.intake.set.Remove(&p.Leaf)
	if p.safe != nil {
		for _, l := range p.safe.companions {
			m.intake.set.Remove(l)
			m.plugins.releaseFolder(l.Folder())
		}
		p.safe.companions = nil
	}
	m.unmark(p)
	m.linkedTo(p, &fsys.Info{})
	delete(m.intake.doubts, p)
	m.deafenFile(p)
	m.deafen()
	if w := m.intake.settling[p]; w != nil {
		if w.candidate != nil {
			m.supersede(w)
		}
		m.end(w)
	}
}

func alreadyEnabled(id string) error {
	return fail(ErrAlreadyExists, "plugin %q is enabled already; disable it first", id)
}

func checkID(id string) error {
	switch {
	case id == "":
		return fail(ErrInvalidArgument, "the plugin id is empty")
	case len(id) > maxIDLen:
		return fail(ErrInvalidArgument, "the plugin id %s has %d bytes; at most %d are allowed", abbreviate(id), len(id), maxIDLen)
	case !utf8.ValidString(id):
		return fail(ErrInvalidArgument, "the plugin id %q is not UTF-8", id)
	}
	for _, c := range id {
		if c < ' ' || c == 0x7f {
			return fail(ErrInvalidArgument, "the plugin id %q contains a control character", id)
		}
	}
	return nil
}

// inspectPath checks a path as the contract asks and returns what is there.
func (m *Engine) inspectPath(id, path string, allowMissing bool) (abs string, in fsys.Info, err error) {
	if path == "" {
		return "", in, fail(ErrInvalidPath, "plugin %q: the path is empty", id)
	}
	if strings.IndexByte(path, 0) >= 0 {
		return "", in, fail(ErrInvalidPath, "plugin %q: the path %q contains a NUL byte", id, path)
	}
	abs = path
	if !filepath.IsAbs(path) {
		wd, err := fsys.WorkingDirectory()
		if err != nil {
			return "", in, &Error{Kind: ErrIO, Msg: "cannot resolve the relative path " + abbreviate(path) + ": the working directory is out of reach", Err: err}
		}
		abs = fsys.JoinPath(wd, path)
	}
	in, err = m.opts.disk.Stat(abs)
	if err == nil {
		switch in.Kind {
		case fsys.Regular:
			err = m.opts.disk.MayRead(abs)
		case fsys.Directory:
			err = fail(ErrInvalidPath, "plugin %q: %q is a directory; name the plugin's file", id, path)
			return "", in, err
		default:
			err = fail(ErrInvalidPath, "plugin %q: %q is not a regular file (a device, FIFO or socket)", id, path)
			return "", in, err
		}
	}
	if err != nil {
		e := pathError(id, path, err)
		if allowMissing && e.Kind == ErrFileNotFound {
			if _, name := fsys.SplitPath(abs); name == "" || name == "." || name == ".." {
				return "", in, fail(ErrInvalidPath, "plugin %q: %q names a directory; name the plugin's file", id, path)
			}
			_, rest := fsys.SplitRoot(abs)
			for name, rest := fsys.NextName(rest); name != ""; name, rest = fsys.NextName(rest) {
				if len(name) > maxNameLen {
					return "", in, fail(ErrInvalidPath, "plugin %q: %s, in its path, is longer than any file's name (%d bytes; at most %d are allowed)", id, abbreviate(name), len(name), maxNameLen)
				}
			}
			return abs, fsys.Info{}, nil
		}
		return "", in, e
	}
	return abs, in, nil
}

// hashOf is the hash of the version that Enable saw; nil if it changed meanwhile.
func (m *Engine) hashOf(abs string, s *safeState, seen *fsys.Info) *fsys.Hash {
	var h fsys.Hash
	var err error
	files := pluginFiles{path: abs}
	if s != nil {
		h, err = snapshots.SumOf(s.files, snapshots.Limits{MaxBytes: s.o.maxSize}, m.isClosing)
		files.companions = s.companionPaths
	} else {
		h, err = m.opts.hashAt(abs, m.isClosing)
	}
	if err != nil {
		return nil
	}
	if in, err := m.statFiles(&files, func(string) {}); err != nil || in.Fingerprint != seen.Fingerprint {
		return nil
	}
	return &h
}

// Disable ends the watching of id and drops what is pending for it. It reports
// whether id was enabled. When it returns, no change of id is being delivered,
// except to the caller if it is itself inside that callback.
func (m *Engine) Disable(id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return false, err
	}
	p := m.plugins.lookup(id)
	if p == nil {
		return false, nil
	}
	m.dismiss(p)
	m.drop(p)
	m.afterChange()
	m.turn()
	m.awaitLocked(func() bool { return !m.busyWith(func(x *plugin) bool { return x == p }) })
	return true, nil
}

// Clear disables every plugin, and every folder, and returns how many plugins there were.
func (m *Engine) Clear() (int, error) {
	n, folders, err := m.clear()
	m.release(folders)
	return n, err
}

func (m *Engine) clear() (n int, folders []*folderState, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return 0, nil, err
	}
	n = m.plugins.byID.Len()
	for _, f := range m.folders {
		folders = append(folders, f)
		m.endFolder(f)
	}
	for _, p := range m.plugins.inOrder() {
		m.drop(p)
	}
	m.afterChange()
	m.turn()
	m.awaitLocked(func() bool { return !m.busyWith((*plugin).disabled) && m.asked == nil })
	return n, folders, nil
}

// drop disables p.
func (m *Engine) drop(p *plugin) {
	path, announced := p.registeredPath(), p.isAnnounced()
	m.forget(p)
	if announced {
		m.enqueueEvent(Event{Kind: Disabled, ID: p.id, Path: path, FolderID: p.folderID()})
	}
	m.freed(p)
}

// forget ends everything about p.
func (m *Engine) forget(p *plugin) {
	m.unwatch(p)
	if c := m.withdraw(p); c != nil {
		m.discardLocked(c.snap)
	}
	if s := p.safe; s != nil {
		if m.running != nil && m.running.p == p {
			m.running.ends = func() { m.dropSafe(s) } // the callback may be loading its snapshot
		} else {
			m.dropSafe(s)
		}
	}
	m.forgetIncomplete(p)
	m.forgetUnreadable(p)
	m.forgetFailing(p)
	m.forgetHistory(p)
	m.forgetHeld(p)
	m.plugins.remove(p)
}

// maxNameLen is more than file systems allow: 255 characters. A name's length has
// 15 bits in an entry.
const maxNameLen = 1024

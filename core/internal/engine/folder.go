// SPDX-License-Identifier: MIT

package engine

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/qtforge/hotreload/core/internal/deliver"
	"github.com/qtforge/hotreload/core/internal/folder"
	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// A folder finds plugins: each file in it that its rules name is a plugin while it is
// there. Which files, under which ids, says package folder; listing.go asks the disk, and
// found.go is what becomes of the files that were found.

// Defaults and limits of folders.
const (
	DefaultMaxDepth = 16
	DefaultMaxFiles = 100_000
	maxMaxDepth     = 100
	maxMaxFiles     = 1_000_000
)

// FolderOptions configure a folder. The zero value means all defaults.
type FolderOptions struct {
	Include, Exclude []string // patterns; no Include: every file in the folder itself
	MaxDepth         int      // directories below the folder; 0 = DefaultMaxDepth
	MaxFiles         int      // plugins, and directories; 0 = DefaultMaxFiles
	AllowMissing     bool     // a directory that does not exist yet is not an error
	DeliverPresent   bool     // the files that are there are delivered, too
	Paused           bool     // as SetFolderPaused
	ShortIDs         bool     // as folder.ID has them
	AllNames         bool     // temporary, backup, lock and hidden files may be plugins
	PauseMarker      string   // while a file of this name is in the folder, it is paused; "": none

	// ID, if set, gives a file its id by its path in the folder; "": the file is no plugin.
	// It runs on a goroutine of its own, one call at a time. Release runs once, after the
	// last call, also if EnableFolder fails.
	ID      func(path string) string
	Release func()

	Quiet time.Duration // of each plugin, as EnableOptions has it
	Safe  *Safe
}

// folderState is an enabled folder. All of it is behind Engine.mu, but for what never
// changes: the fields of the first group.
type folderState struct {
	m       *Engine
	id      string
	text    string // absolute: what stands before the path of a file in the folder
	as      int    // how much of text, from its end, the host gave
	options FolderOptions
	rules   *folder.Rules
	naming  *deliver.Slot[func(string) string]

	dirs     map[string]*listedDir // by their path in the folder; "": the folder itself
	unlisted int                   // of these, those not listed yet
	known    bool                  // all were: what comes now is new
	stuck    bool                  // a file system did not answer before that
	plugins  int
	waiting  map[string]*foundFile // whose id another plugin of the folder has, by id
	skipped  int                   // files in all dirs
	held     bool                  // the host paused it
	marked   bool                  // its marker is there
	full     bool                  // the host knows that it has too many files
	deep     bool                  // the host knows that it is too deep
	missing  time.Time             // since when the directory is; zero: it is not
	lost     bool                  // the host knows that
	ended    bool
}

func (f *folderState) paused() bool { return f.held || f.marked }

// EnableFolder begins to find plugins in a directory. It keeps neither string.
func (m *Engine) EnableFolder(id, directory string, o FolderOptions) error {
	slot := deliver.NewSlot(&m.callbacks, o.ID, o.Release)
	f, err := m.newFolder(id, directory, o)
	if err == nil {
		f.naming = slot
		err = m.beginFolder(f)
	}
	if err != nil {
		slot.Done()
	}
	return err
}

// newFolder checks what the host gave.
func (m *Engine) newFolder(id, directory string, o FolderOptions) (*folderState, error) {
	if err := checkFolderID(id); err != nil {
		return nil, err
	}
	if err := checkQuiet(o.Quiet); err != nil {
		return nil, err
	}
	if err := o.normalize(id); err != nil {
		return nil, err
	}
	rules, err := folder.NewRules(o.Include, o.Exclude, o.AllNames)
	if err != nil {
		return nil, fail(ErrInvalidArgument, "folder %q: %v", id, err)
	}
	o.Include, o.Exclude, o.PauseMarker = nil, nil, strings.Clone(o.PauseMarker)
	if o.Quiet == 0 {
		o.Quiet = m.opts.Quiet
	}
	f := &folderState{m: m, id: strings.Clone(id), options: o, rules: rules, held: o.Paused,
		dirs: map[string]*listedDir{}, waiting: map[string]*foundFile{}}
	return f, m.inspectFolder(f, directory)
}

func (o *FolderOptions) normalize(id string) error {
	for _, n := range []struct {
		name      string
		value     *int
		def, most int
	}{{"max_depth", &o.MaxDepth, DefaultMaxDepth, maxMaxDepth}, {"max_files", &o.MaxFiles, DefaultMaxFiles, maxMaxFiles}} {
		if *n.value == 0 {
			*n.value = n.def
		}
		if *n.value < 0 || *n.value > n.most {
			return fail(ErrInvalidArgument, "folder %q: %s of %d is out of range: 0 (default) or 1 to %d", id, n.name, *n.value, n.most)
		}
	}
	if name := o.PauseMarker; name == "." || name == ".." || strings.ContainsAny(name, "/\x00") || strings.ContainsRune(name, filepath.Separator) {
		return fail(ErrInvalidArgument, "folder %q: the pause marker %q is no name of a file in the folder", id, o.PauseMarker)
	}
	if err := checkNames(id, o.PauseMarker); err != nil {
		return aboutFolder(err)
	}
	if s := o.Safe; s != nil {
		if s.Signature != nil || s.Manifest != nil || s.PluginName != nil {
			return fail(ErrInvalidArgument, "folder %q: signature, manifest and plugin_name are for one plugin, not for a folder; leave them out", id)
		}
		if err := s.check(); err != nil {
			return err
		}
	}
	return nil
}

func checkFolderID(id string) error { return aboutFolder(checkID(id)) }

// aboutFolder has an error about a plugin speak of a folder.
func aboutFolder(err error) error {
	if e, ok := err.(*Error); ok {
		e.Msg = strings.Replace(e.Msg, "plugin ", "folder ", 1)
	}
	return err
}

// inspectFolder finds out where a folder is, and whether it may be listed.
func (m *Engine) inspectFolder(f *folderState, directory string) error {
	switch {
	case directory == "":
		return fail(ErrInvalidPath, "folder %q: the path is empty", f.id)
	case strings.IndexByte(directory, 0) >= 0:
		return fail(ErrInvalidPath, "folder %q: the path %q contains a NUL byte", f.id, directory)
	}
	for end := len(directory) - 1; end > 0 && directory[end] == filepath.Separator && directory[end-1] != ':'; end-- {
		directory = directory[:end]
	}
	abs, err := resolve(directory)
	if err != nil {
		return err
	}
	if err := checkNames(f.id, abs); err != nil {
		return aboutFolder(err)
	}
	f.text = strings.Clone(fsys.JoinPath(abs, ""))
	f.as = len(f.text) - (len(abs) - len(directory))
	in, err := m.opts.disk.Stat(abs)
	switch {
	case err == nil && in.Kind != fsys.Directory:
		return fail(ErrInvalidPath, "folder %q: %q is not a directory; name the directory in which the plugins are", f.id, directory)
	case err == nil:
		err = m.opts.disk.List(abs, func(string, fsys.Kind) bool { return false })
	}
	if err == nil || f.options.AllowMissing && isMissing(err) {
		return nil
	}
	return aboutFolder(pathError(f.id, directory, err))
}

// beginFolder takes a folder over, and waits until the files in it are known. It does not
// wait for a file system that hangs.
func (m *Engine) beginFolder(f *folderState) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return err
	}
	if m.folders[f.id] != nil {
		return fail(ErrAlreadyExists, "folder %q is enabled already; disable it first", f.id)
	}
	if m.folders == nil {
		m.folders = map[string]*folderState{}
	}
	m.folders[f.id] = f
	m.addDir(f, "")
	m.turn()
	if m.isNaming() {
		return nil // the function that gives ids would wait for itself
	}
	for !f.known && !f.stuck && !f.hangs() && !f.ended && !m.closed && m.failed == "" {
		m.changed.Wait()
	}
	return nil
}

// hangs reports whether a walk to one of the folder's directories does not come back.
func (f *folderState) hangs() bool {
	for w := range f.m.intake.hanging {
		for _, l := range w.Listeners() {
			if d, ok := l.(*listedDir); ok && d.of == f {
				return true
			}
		}
	}
	return false
}

// DisableFolder ends the search for plugins in a folder, and disables those that it has
// found. It reports whether the folder was enabled. Otherwise as Disable.
func (m *Engine) DisableFolder(id string) (bool, error) {
	m.mu.Lock()
	if err := m.usable(); err != nil {
		m.mu.Unlock()
		return false, err
	}
	f := m.folders[id]
	if f == nil {
		m.mu.Unlock()
		return false, nil
	}
	m.endFolder(f)
	m.afterChange()
	m.turn()
	m.awaitLocked(func() bool {
		return !m.busyWith(func(p *plugin) bool { return p.found == f }) && (m.asked == nil || m.asked.folder != f)
	})
	m.mu.Unlock()
	m.release([]*folderState{f})
	return true, nil
}

// endFolder ends everything about a folder but for its function, which release gives back.
func (m *Engine) endFolder(f *folderState) {
	delete(m.folders, f.id)
	f.ended = true
	for _, d := range f.dirs {
		m.removeDir(d)
	}
	for _, p := range m.foundBy(f) {
		m.drop(p)
	}
}

// closeFolders ends the folders of a manager that is closed, and returns them.
func (m *Engine) closeFolders() (all []*folderState) {
	for _, f := range m.folders {
		f.ended = true
		for _, d := range f.dirs {
			d.stopTimer()
		}
		all = append(all, f)
	}
	m.folders = nil
	return all
}

// release gives back the functions of folders that have ended, without the lock.
func (m *Engine) release(folders []*folderState) {
	for _, f := range folders {
		f.naming.Done()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range folders {
		m.awaitLocked(f.naming.Released)
	}
}

// Folders returns the ids of the enabled folders, sorted.
func (m *Engine) Folders() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(); err != nil {
		return nil, err
	}
	return sortedKeys(m.folders), nil
}

// SetFolderPaused pauses (true) or resumes (false) the delivery of changes of a folder's
// plugins, as SetPluginPaused does of one plugin.
func (m *Engine) SetFolderPaused(id string, on bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.enabledFolder(id)
	if err != nil {
		return err
	}
	m.pauseFolder(f, func() { f.held = on })
	m.turn()
	m.awaitLocked(func() bool {
		return !f.paused() || m.running == nil || !m.running.change || m.running.p == nil || m.running.p.found != f
	})
	return nil
}

// IsFolderPaused reports whether a folder is paused, by the host or by its marker.
func (m *Engine) IsFolderPaused(id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.enabledFolder(id)
	return err == nil && f.paused(), err
}

func (m *Engine) enabledFolder(id string) (*folderState, error) {
	if err := m.usable(); err != nil {
		return nil, err
	}
	f := m.folders[id]
	if f == nil {
		return nil, fail(ErrInvalidArgument, "folder %q is not enabled", id)
	}
	return f, nil
}

// pauseFolder changes whether a folder is paused. Changes that wait find their new places
// in the gate.
func (m *Engine) pauseFolder(f *folderState, set func()) {
	before := f.paused()
	set()
	if f.paused() == before {
		return
	}
	for _, p := range m.foundBy(f) {
		m.putAnew(p, func() {})
	}
	text := "folder " + quoted(f.id, maxForeign) + ": resumed"
	if f.paused() {
		text = "folder " + quoted(f.id, maxForeign) + ": paused"
	}
	m.log(LogInfo, "", text, time.Now())
	m.afterChange()
}

// foundBy returns the plugins that a folder has found, in the order of enabling.
func (m *Engine) foundBy(f *folderState) (all []*plugin) {
	for _, p := range m.plugins.inOrder() {
		if p.found == f {
			all = append(all, p)
		}
	}
	return all
}

// dirOf is the directory of a folder that a plugin was found in; nil if it has gone.
func (f *folderState) dirOf(w *watch.Folder) *listedDir {
	for _, l := range w.Listeners() {
		if d, ok := l.(*listedDir); ok && d.of == f {
			return d
		}
	}
	return nil
}

// report says something about a folder.
func (f *folderState) report(code HealthCode, path, format string, args ...any) {
	f.m.enqueueEvent(Event{Kind: Health, FolderID: f.id, Path: path, Health: code, Message: message(format, args...)})
}

// path is a path of the folder as the host knows it.
func (f *folderState) path(inside string) string {
	as := f.text[len(f.text)-f.as:]
	if inside == "" {
		if len(as) > 1 && as[len(as)-1] == filepath.Separator {
			as = as[:len(as)-1]
		}
		return as
	}
	return as + filepath.FromSlash(inside)
}

// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

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

// whereabouts is a path that lies on the file system of a plugin's file, as far as
// is known.
func (m *Engine) whereabouts(p *plugin) string {
	_, file := m.intake.set.Whereabouts(&p.Leaf)
	return file
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

// isMissing reports whether the error says that there is no file. Any other says
// that nobody can know at the moment.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
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

// sameVersion reports whether two checks of a plugin's files have found one version. A
// remote file system may give a file another inode number meanwhile.
func sameVersion(a, b *fsys.Info) bool {
	v, w := versionOf(a), versionOf(b)
	return v.Is(w) || a.Remote && b.Remote && v.IsApartFromIdentity(w)
}

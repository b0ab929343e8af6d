// SPDX-License-Identifier: MIT

package engine

import (
	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// mountPoint is whether one of a plugin's files is a mount point, as a worker has found.
type mountPoint struct {
	id      fsys.ID // zero: it is none
	silent  string  // its file system, if that sends no notifications
	deleted bool    // the file that was mounted has no name any more
}

// mountPoints says which of a plugin's files are mount points. in is what stands at its
// own path.
func (m *Engine) mountPoints(f *pluginFiles, in *fsys.Info, at func(string)) []mountPoint {
	found := make([]mountPoint, 0, 1+len(f.companions))
	ask := func(in *fsys.Info, path, where string) {
		var p mountPoint
		if in.Kind == fsys.Regular && in.IsMountPoint(where) {
			at(where)
			p = mountPoint{id: in.ID(), silent: m.opts.disk.Silent(path)}
			p.deleted = in.Deleted && p.silent == "" // FUSE may count no names
		}
		found = append(found, p)
	}
	ask(in, f.path, f.fileAt)
	for i, path := range f.companions {
		at(f.companionAt(i))
		companion := m.statFile(path)
		ask(&companion, path, f.companionAt(i))
	}
	return found
}

// noteMountPoints has those of a plugin's files watched that are mount points. It reports
// whether any was not known to be one.
func (m *Engine) noteMountPoints(p *plugin, found []mountPoint) (news bool) {
	leaves := []*watch.Leaf{&p.Leaf}
	if p.safe != nil {
		leaves = append(leaves, p.safe.companions...)
	}
	deleted := false
	for i := range min(len(found), len(leaves)) {
		set, l := m.intake.set, leaves[i]
		if found[i].id == (fsys.ID{}) {
			news = set.Unmounted(l) || news
			continue
		}
		news = set.Mounted(l, found[i].id, found[i].silent) || news
		deleted = deleted || found[i].deleted
	}
	if len(found) > 0 {
		m.reportStaleMount(p, deleted)
	}
	return news
}

// isMountedAnew reports whether the plugin's own file has become a mount point, or is none
// any more, although it is the same file: under another of its names.
func (m *Engine) isMountedAnew(p *plugin, in *fsys.Info) bool {
	return in.Mount != fsys.MountUnknown && in.Kind == fsys.Regular && (in.Mount == fsys.Mounted) != m.intake.set.IsMounted(&p.Leaf)
}

// noteStaleMount notes that a comparison has found the mount of a file without a name.
func (m *Engine) noteStaleMount(p *plugin, in *fsys.Info) {
	if in.Deleted && in.Mount != fsys.NotMounted && m.intake.set.IsMounted(&p.Leaf) && !m.intake.set.IsRemote(&p.Leaf) {
		m.reportStaleMount(p, true)
	}
}

// reportStaleMount says, once, that a plugin's file is the mount of a file that was
// deleted or replaced: no new version can come there.
func (m *Engine) reportStaleMount(p *plugin, stale bool) {
	if is := p.rare != nil && p.rare.staleMount; is == stale {
		return
	}
	p.state().staleMount = stale
	p.tidy()
	if stale {
		m.healthLocked(HealthStaleMount, p.id, p.registeredPath(), "the file is a mount point, and the file that was mounted "+
			"there was deleted or replaced; mount it again, or mount its directory instead")
	}
}

// reportStaleFolder says, once, that a plugin's directory is the mount of a directory that
// was deleted: no new version can come there.
func (m *Engine) reportStaleFolder(f *watch.Folder, deleted string) {
	if news := f.IsStaleMount != (deleted != ""); !news {
		return
	}
	if f.IsStaleMount = deleted != ""; f.IsStaleMount {
		m.healthLocked(HealthStaleMount, "", deleted, "the directory is a mount point, and the directory that was mounted "+
			"there was deleted or replaced; mount it again")
	}
}

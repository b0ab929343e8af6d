// SPDX-License-Identifier: MIT

package watch

import "github.com/qtforge/hotreload/core/internal/fsys"

// passed is a folder that a leaf's path goes through, by a link.
type passed struct {
	f    *Folder
	name string
}

// last is the folder in which a leaf's path ends.
func (s *Set) last(l *Leaf) *Folder {
	if p := s.through[l]; p != nil {
		return p[len(p)-1].f
	}
	return l.folder
}

// Through takes over where the links lead that stand at a leaf's own name. changed says
// that this is news: what happened there until now was not noticed.
func (s *Set) Through(l *Leaf, places []Place) (changed bool) {
	was := s.through[l]
	var now []passed
	for i, p := range places {
		if i < len(was) && was[i].name == p.Name && was[i].f.Dir() == p.Dir {
			now = append(now, was[i])
			continue
		}
		changed = true
		f := s.linkedFolder(l.folder, p.Dir)
		s.hold(f)
		key := fsys.NameKey(p.Name)
		if f.extra().passing == nil {
			f.rare.passing = map[string][]*Leaf{}
		}
		f.rare.passing[key] = append(f.rare.passing[key], l)
		now = append(now, passed{f, p.Name})
	}
	for i, p := range was {
		if i < len(now) && now[i] == p {
			continue
		}
		passing, key := p.f.rare.passing, fsys.NameKey(p.name)
		if rest := without(passing[key], l); len(rest) > 0 {
			passing[key] = rest
		} else {
			delete(passing, key)
		}
		s.releaseFolder(p.f)
	}
	if now != nil {
		s.through[l] = now
	} else if was != nil {
		delete(s.through, l)
	}
	return changed
}

// IsWalked reports whether it is known where all folders are that a leaf's path goes
// through, and whether its file is watched if it is a mount point.
func (s *Set) IsWalked(l *Leaf) bool {
	if m := s.mounted[l]; m != nil && m.state == asking {
		return false
	}
	for _, p := range s.through[l] {
		if !p.f.IsWalked() {
			return false
		}
	}
	return l.folder.IsWalked()
}

// linkedFolder returns the folder of a directory that a link beside a leaf, or a
// link elsewhere, leads to.
func (s *Set) linkedFolder(beside *Folder, dir string) *Folder {
	if dir == beside.Dir() {
		return beside
	}
	f := s.linked[dir]
	if f == nil {
		f = NewFolder(dir, len(dir), 0)
		s.linked[dir] = f
	}
	return f
}

// Whereabouts are the paths, through no links as far as is known, of what stands at a
// leaf's name, and of the file at the end if that is a link.
func (s *Set) Whereabouts(l *Leaf) (name, file string) {
	name = fsys.JoinPath(s.WhereaboutsOf(l.folder), l.name)
	if p := s.through[l]; p != nil {
		last := p[len(p)-1]
		return name, fsys.JoinPath(s.WhereaboutsOf(last.f), last.name)
	}
	return name, name
}

// WhereaboutsOf is a folder's path, through no links as far as is known.
func (s *Set) WhereaboutsOf(f *Folder) string {
	if f.dir == nil || !f.reached || f.dir.isAt(f.Dir()) {
		return f.Dir()
	}
	return f.dir.path()
}

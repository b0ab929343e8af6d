// SPDX-License-Identifier: MIT

package watch

import (
	"path/filepath"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// Walk is how a directory's path led through the disk: the path chain. It is made
// by a worker, which may block, and is plain data.
type Walk struct {
	Steps []Step
	// Dir is the path without links of the directory at the end, "" if the walk
	// ended early.
	Dir string
	ID  fsys.ID // of that directory
	// Silent names its file system if that sends no notifications.
	Silent string
	// Unreliable means that its file system may change without notifications.
	Unreliable bool
	// Folds means that names that differ in case only are one name there.
	Folds bool
	// Deleted is a directory on the way that has no name any more, although a mount leads
	// there; "" if there is none.
	Deleted string
}

// Step is one name that was looked up on the way.
type Step struct {
	Dir    string // where it was looked up: a path without links
	ID     fsys.ID
	Name   string
	Silent string
	// Unreliable means that its file system may change without notifications.
	Unreliable bool
	// Folds means that names that differ in case only are one name in Dir. Known only of
	// a link, and of a name that is missing.
	Folds bool
	// Passed says that a directory stands there, which the walk went on into.
	Passed bool
}

// entered reports whether the walk went on into the directory that step i found, and
// stayed in it for the next one.
func (w *Walk) entered(i int) bool {
	st := &w.Steps[i]
	if !st.Passed {
		return false
	}
	next := w.Dir
	if i+1 < len(w.Steps) {
		next = w.Steps[i+1].Dir
	}
	return next == fsys.JoinPath(st.Dir, st.Name)
}

// WalkTo follows path, which is absolute, from the root. at is called before each
// access to the disk with the path that is accessed, which leads through no links.
func WalkTo(disk fsys.Disk, path string, at func(path string)) Walk {
	var w Walk
	cur, todo := fsys.SplitRoot(path)
	at(cur)
	in, err := disk.Lstat(cur)
	silent, unreliable := "", false
	enter := func(dir string) { // another file system, perhaps
		silent = disk.Silent(dir)
		unreliable = silent == "" && disk.Unreliable(dir) != ""
	}
	if err == nil {
		enter(cur)
	}
	links := 0
	for err == nil && in.Kind == fsys.Directory {
		// A directory that is just being removed has no name either. FUSE may count none.
		if in.Deleted && silent == "" && in.IsMountPoint(cur) {
			w.Deleted = cur
		}
		var name string
		if name, todo = fsys.NextName(todo); name == "" {
			w.Dir, w.ID, w.Silent, w.Unreliable = cur, in.ID(), silent, unreliable
			w.Folds = silent == "" && disk.Folds(cur)
			return w
		}
		if name == ".." {
			cur = filepath.Dir(cur)
			at(cur)
			if in, err = disk.Lstat(cur); err == nil {
				enter(cur)
			}
			continue
		}
		next := fsys.JoinPath(cur, name)
		at(next)
		found, e := disk.Lstat(next)
		passed := e == nil && found.Kind == fsys.Directory
		w.Steps = append(w.Steps, Step{Dir: cur, ID: in.ID(), Name: name, Silent: silent, Unreliable: unreliable, Passed: passed})
		if !passed && silent == "" {
			w.Steps[len(w.Steps)-1].Folds = disk.Folds(cur)
		}
		switch {
		case passed:
			if found.Fingerprint.Dev != in.Fingerprint.Dev { // another file system
				enter(next)
			}
			cur, in = next, found
		case e == nil && found.Kind == fsys.Link:
			target, e := disk.Readlink(next)
			if links++; e != nil || target == "" || links > fsys.MaxLinks {
				return w
			}
			rest := todo
			cur, todo = fsys.SplitRoot(fsys.ResolveLink(cur, target))
			todo += string(filepath.Separator) + rest
			at(cur)
			if in, err = disk.Lstat(cur); err == nil {
				enter(cur)
			}
		default:
			return w
		}
	}
	return w
}

// Place is a name in a directory, as spelled, that a plugin's path goes through.
type Place struct {
	Dir, Name string
}

// Follow follows the links that stand at a name in a directory. It returns where
// each of them leads, and what stands at the end.
func Follow(disk fsys.Disk, dir, name string, at func(path string)) (places []Place, end fsys.Info) {
	for range fsys.MaxLinks {
		path := fsys.JoinPath(dir, name)
		at(path)
		in, err := disk.Lstat(path)
		if err != nil {
			return places, fsys.Info{}
		}
		if in.Kind != fsys.Link {
			return places, in
		}
		target, err := disk.Readlink(path)
		if err != nil || target == "" {
			return places, fsys.Info{}
		}
		dir, name = fsys.SplitPath(fsys.ResolveLink(dir, target))
		places = append(places, Place{dir, name})
	}
	return places, fsys.Info{}
}

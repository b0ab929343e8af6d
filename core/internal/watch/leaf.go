// SPDX-License-Identifier: MIT

package watch

import "github.com/fsnotify/fsnotify"

// Leaf is a plugin's file. The engine has one in each plugin.
type Leaf struct {
	ID     uint32 // the engine's
	placed bool
	writes bool // they must be notified: see Set.NeedsWrites
	noted  Signs
	folder *Folder
	name   string
}

// NewLeaf returns the leaf of a name in a folder.
func NewLeaf(id uint32, in *Folder, name string) Leaf { return Leaf{ID: id, folder: in, name: name} }

// Folder is where the leaf was registered.
func (l *Leaf) Folder() *Folder { return l.folder }

// Name is the file's name in its folder.
func (l *Leaf) Name() string { return l.name }

// Path is the absolute path of the file, as registered.
func (l *Leaf) Path() string { return l.folder.text + l.name }

// Signs are what notifications said about a name.
type Signs uint8

// The signs.
const (
	Replaced   Signs = 1 << iota // the name appeared or went
	Written                      // the content was written
	Closed                       // a process that held the file open for writing closed it
	Attributes                   // nothing but attributes changed
	Differs                      // a comparison with the disk found another file
	Lost                         // notifications may have been lost
	Remounted                    // file systems may have been mounted anew
	Overdue                      // with Differs: a notification about that ought to have come
)

// and are the signs of two notifications, the second of which came later.
func (signs Signs) and(later Signs) Signs {
	switch {
	case later&Replaced != 0:
		signs &^= Written | Closed // that was the former file
	case later&Written != 0:
		signs &^= Closed // it was opened again
	}
	return signs | later
}

func signsOf(op fsnotify.Op) (signs Signs) {
	if op.Has(fsnotify.Create | fsnotify.Remove | fsnotify.Rename) {
		signs |= Replaced
	}
	if op.Has(fsnotify.Write) {
		signs |= Written
	}
	if op.Has(CloseWrite) {
		signs |= Closed
	}
	if op.Has(fsnotify.Chmod) {
		signs |= Attributes
	}
	return signs
}

// SPDX-License-Identifier: MIT

package watch

import (
	"slices"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/table"
)

// Folder is a directory as it was spelled, links and all: at registration, by all
// plugins that share it, or in a link. There may be one for every few plugins.
type Folder struct {
	text   string // absolute: what stands before a file's name
	dirLen uint32 // of text: the directory's path
	asLen  uint32 // of text, from its end: what stood before the name at registration

	Plugins  uint32 // the engine's: how many were registered here
	refs     uint32 // leaves, and links that lead here
	index    uint32 // in Set.folders
	walks    uint32 // the number of the latest walk
	stale    bool   // to be walked to
	walking  bool   // a worker is doing that
	awaiting bool   // the source is asked to watch a directory on the way; then it is walked to again
	reached  bool   // dir is the directory, not only where the walk ended
	watched  bool   // it was watched where it is at least once
	news     News   // since it was last watched where it is
	// unreliable means that the directory at the end, or one that holds a link on the way,
	// may change without notifications.
	unreliable   bool
	IsStaleMount bool // the engine's: the host knows that a directory on the way was deleted

	dir    *dir    // nil before the first walk
	next   *Folder // the next one that leads to the same directory
	leaves []*Leaf // unless they are many
	rare   *rare   // nil for most
}

// News is what a walk was made for.
type News uint8

const (
	// Known means that the folder is new, or was compared.
	Known News = iota
	// Renewed means that every watch was asked for anew.
	Renewed
	// Moved means that a notification, or the path, tells that another directory may
	// stand there.
	Moved
)

// rare is what is kept of few folders.
type rare struct {
	via     []lookup           // the links on the way, and the name that was missing
	many    table.Table[Leaf]  // more leaves than are quickly compared one by one
	passing map[string][]*Leaf // leaves whose path comes here through a link, by name

	listening *listening // nil: nobody wants to know what appears here
}

// lookup is a name in a directory on the way to a folder.
type lookup struct {
	in  *dir
	key string
}

// manyLeaves is how many leaves are quickly compared one by one.
const manyLeaves = 16

// NewFolder returns the folder of the paths that begin with text. dir is the length
// of the directory's path in text, and as the length of the text, from its end, that
// the user wrote.
func NewFolder(text string, dir, as int) *Folder {
	return &Folder{text: text, dirLen: uint32(dir), asLen: uint32(as)}
}

// Text is the absolute path in front of a file's name.
func (f *Folder) Text() string { return f.text }

// Dir is the directory's absolute path.
func (f *Folder) Dir() string { return f.text[:f.dirLen] }

// As is what stood before the file's name at registration.
func (f *Folder) As() string { return f.text[len(f.text)-int(f.asLen):] }

// Is reports whether the folder has this text, of which the user wrote so much.
func (f *Folder) Is(text string, as int) bool { return f.text == text && int(f.asLen) == as }

// WasWatched reports whether the folder was watched where it is at least once. What
// happens since then does not go unnoticed.
func (f *Folder) WasWatched() bool { return f.watched }

// IsWalked reports whether it is known where the folder is, or that it is missing.
func (f *Folder) IsWalked() bool { return !f.stale && !f.walking && !f.awaiting }

func (f *Folder) extra() *rare {
	if f.rare == nil {
		f.rare = new(rare)
	}
	return f.rare
}

func (f *Folder) isSuspect() bool {
	if f.dir != nil && f.dir.isSuspect() {
		return true
	}
	if f.rare != nil {
		for _, v := range f.rare.via {
			if v.in.isSuspect() {
				return true
			}
		}
	}
	return false
}

func leafHash(l *Leaf) uint64 { return table.Hash(fsys.NameKey(l.name)) }

func (f *Folder) addLeaf(l *Leaf) {
	if f.rare != nil && f.rare.many.Len() > 0 {
		f.rare.many.Add(l, leafHash)
		return
	}
	if len(f.leaves) < manyLeaves {
		f.leaves = append(f.leaves, l)
		return
	}
	for _, other := range append(f.leaves, l) {
		f.extra().many.Add(other, leafHash)
	}
	f.leaves = nil
}

func (f *Folder) removeLeaf(l *Leaf) {
	if f.rare != nil && f.rare.many.Len() > 0 {
		f.rare.many.Remove(l, leafHash)
		return
	}
	if f.leaves = without(f.leaves, l); len(f.leaves) == 0 {
		f.leaves = nil
	}
}

// Find visits the leaves with this name.
func (f *Folder) Find(name string, visit func(*Leaf)) { f.find(fsys.NameKey(name), visit) }

// size is how many leaves end in the folder.
func (f *Folder) size() int {
	if f.rare == nil {
		return len(f.leaves)
	}
	return len(f.leaves) + f.rare.many.Len()
}

// find visits the leaves with this name, as fsys.NameKey has it.
func (f *Folder) find(key string, visit func(*Leaf)) {
	for _, l := range f.leaves {
		if fsys.NameKey(l.name) == key {
			visit(l)
		}
	}
	if f.rare == nil {
		return
	}
	f.rare.many.Find(table.Hash(key), func(l *Leaf) bool {
		if fsys.NameKey(l.name) == key {
			visit(l)
		}
		return false // there may be more
	})
	for _, l := range f.rare.passing[key] {
		visit(l)
	}
}

// Leaves visits every leaf whose path goes through the folder.
func (f *Folder) Leaves(visit func(*Leaf)) {
	for _, l := range f.leaves {
		visit(l)
	}
	if f.rare == nil {
		return
	}
	f.rare.many.All(visit)
	for _, passing := range f.rare.passing {
		for _, l := range passing {
			visit(l)
		}
	}
}

// nameOf is the name under which a leaf's path goes through the folder.
func (f *Folder) nameOf(l *Leaf) string {
	if l.folder == f || f.rare == nil {
		return l.name
	}
	for name, passing := range f.rare.passing {
		if slices.Contains(passing, l) {
			return name
		}
	}
	return l.name
}

func without[T comparable](s []T, x T) []T {
	for i, y := range s {
		if y == x {
			s[i] = s[len(s)-1]
			return s[:len(s)-1]
		}
	}
	return s
}

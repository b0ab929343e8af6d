package core

import (
	"strings"
	"sync/atomic"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// folder is a directory as it was spelled, links and all: at registration, by
// all plugins that share it, or in a link. It takes 96 bytes, and a path: there
// may be one for every few plugins.
type folder struct {
	text    string        // absolute: what stands before the file's name
	dirLen  uint32        // of text: dir
	asLen   uint32        // the end of text: as
	plugins atomic.Uint32 // changed behind Manager.mu: that were registered so

	// The loop's.
	refs  uint32
	index uint32      // in watchSet.folders
	stale bool        // noted as such by the loop
	real  *watchedDir // nil while it cannot be reached
	here  *folder     // the next that is the same real directory
	way   *step       // the last step to it
	few   []*entry    // that were registered here, unless they are many
	more  *rare       // nil for most
}

// rare is what is kept of few folders.
type rare struct {
	path    string              // the way to real without links, if it is not real's own path
	many    table[*entry]       // more entries than are quickly asked one by one, by nameKey
	passing map[string][]*entry // entries whose path comes here through a link
}

// few is how many entries are quickly asked one by one.
const few = 16

func newFolder(text string, dir, as int) *folder {
	return &folder{text: text, dirLen: uint32(dir), asLen: uint32(as)}
}

// dir is the directory's absolute path.
func (f *folder) dir() string { return f.text[:f.dirLen] }

// as is what stood before the file's name at registration.
func (f *folder) as() string { return f.text[len(f.text)-int(f.asLen):] }

func (f *folder) rare() *rare {
	if f.more == nil {
		f.more = new(rare)
	}
	return f.more
}

// path is the way to the real directory without links.
func (f *folder) path() string {
	if f.more != nil && f.more.path != "" {
		return f.more.path
	}
	return f.real.path
}

// spelt returns a copy of the path, which is a part of the folder's own spelling
// where no links lead elsewhere.
func (f *folder) spelt(path string) string {
	if strings.HasPrefix(f.text, path) {
		return f.text[:len(path)]
	}
	return strings.Clone(path)
}

func (f *folder) addLeaf(e *entry) {
	if f.more != nil && f.more.many.live > 0 {
		f.more.many.add(e, leafHash)
		return
	}
	switch n := len(f.few); {
	case n == few:
		for _, other := range append(f.few, e) {
			f.rare().many.add(other, leafHash)
		}
		f.few = nil
	case n == cap(f.few): // room for those registered whose turn is to come, too
		f.few = append(make([]*entry, 0, min(max(n+2, int(f.plugins.Load())), few)), f.few...)
		fallthrough
	default:
		f.few = append(f.few, e)
	}
}

func (f *folder) removeLeaf(e *entry) {
	if f.more != nil && f.more.many.live > 0 {
		f.more.many.remove(e, leafHash)
		return
	}
	if f.few = without(f.few, e); len(f.few) == 0 {
		f.few = nil
	}
}

// findLeaves visits those with this nameKey, of which hash is the hash.
func (f *folder) findLeaves(name string, hash uint64, visit func(*entry)) {
	for _, e := range f.few {
		if fsys.NameKey(e.name()) == name {
			visit(e)
		}
	}
	if f.more != nil {
		f.more.many.find(hash, func(e *entry) bool {
			if fsys.NameKey(e.name()) == name {
				visit(e)
			}
			return false // there may be more
		})
	}
}

func leafHash(e *entry) uint64 { return hashOf(fsys.NameKey(e.name())) }

func (f *folder) pass(key string, e *entry) {
	m := f.rare()
	if m.passing == nil {
		m.passing = map[string][]*entry{}
	}
	m.passing[key] = append(m.passing[key], e)
}

// entries are those whose path goes through the folder.
func (f *folder) entries(visit func(*entry)) {
	for _, e := range f.few {
		visit(e)
	}
	if f.more != nil {
		f.more.many.all(visit)
		for _, es := range f.more.passing {
			for _, e := range es {
				visit(e)
			}
		}
	}
}

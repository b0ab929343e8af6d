// SPDX-License-Identifier: MIT

package engine

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/settle"
	"github.com/qtforge/hotreload/core/internal/table"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// plugin is one enabled plugin. There may be a million, so that it holds what an idle
// one needs. What only some need is in rare; what a plugin needs while a change of
// its file settles is in Engine.intake. All of it is behind Engine.mu, but for
// what never changes: id, the leaf's name and folder, quiet and safe.
type plugin struct {
	watch.Leaf // the file
	id         string
	baseline   settle.Version // what the host knows of the file
	order      uint64         // of enabling; 0: disabled
	generation uint32         // how many versions were delivered
	quiet      uint32         // the quiet period in µs, or noQuiet
	safe       *safeState     // nil without safe reload
	rare       *rareState     // nil for most
	found      *folderState   // the folder that has found it; nil: the host enabled it
}

const noQuiet = ^uint32(0)

// rareState is what few plugins need.
type rareState struct {
	baselineHash     *fsys.Hash     // with IgnoreUnchangedContent
	pending          *pendingChange // waits to be delivered
	removalDelivered bool           // the host knows that the file is gone
	incomplete       bool           // CheckImage rejected a version
	unreadable       bool
	staleMount       bool // the host knows that what was mounted at the file was deleted
	held             bool // the host has heard that a writer holds the file open for long
	paused           bool
	marker           *marker        // the pause marker; nil without one
	history          *history       // nil while nothing happens, and when that was long ago
	withdrawn        settle.Version // complete, but not delivered since a newer one may have come
}

// state returns what is rare of p, to be changed.
func (p *plugin) state() *rareState {
	if p.rare == nil {
		p.rare = new(rareState)
	}
	return p.rare
}

// tidy drops what is rare when it is nothing any more.
func (p *plugin) tidy() {
	if p.rare != nil && *p.rare == (rareState{}) {
		p.rare = nil
	}
}

func (p *plugin) disabled() bool { return p.order == 0 }

// paused reports whether changes of the plugin are held back, by its own pause or by that
// of its folder.
func (p *plugin) paused() bool { return p.pausedItself() || p.found != nil && p.found.paused() }

func (p *plugin) pausedItself() bool { return p.rare != nil && p.rare.paused }

// folderID is the id of the folder that has found the plugin, "" if none has.
func (p *plugin) folderID() string {
	if p.found == nil {
		return ""
	}
	return p.found.id
}

// registeredPath is the plugin's path as the host gave it.
func (p *plugin) registeredPath() string { return p.Folder().As() + p.Name() }

var fingerprintSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// versionOf is what is kept of a version: keyed hashes of what the fingerprint says of
// the identity and of the content, and the change time.
func versionOf(in *fsys.Info) settle.Version {
	if !in.Fingerprint.Exists {
		return settle.Version{}
	}
	v := settle.Version{Changed: in.Changed}
	f := &in.Fingerprint
	v.Fingerprint[0] = maphash.Comparable(fingerprintSeeds[0], [...]uint64{f.Dev, f.Inode, uint64(f.Born)})
	v.Fingerprint[1] = maphash.Comparable(fingerprintSeeds[1], [...]int64{f.Size, f.ModTime})
	return v
}

// setBaseline notes what the host knows of the file.
func (p *plugin) setBaseline(v settle.Version, h *fsys.Hash) {
	p.baseline = v
	if h != nil || p.rare != nil {
		r := p.state()
		r.baselineHash, r.removalDelivered = h, false
		p.tidy()
	}
}

// distrust notes that the host may know another version than was delivered, so that
// the next complete one counts as new, whatever it is.
func (p *plugin) distrust() { p.setBaseline(settle.Version{Fingerprint: [2]uint64{1}}, nil) }

// hostKnows is what the host knows of the file.
func (p *plugin) hostKnows() (baseline settle.Version, h *fsys.Hash) {
	if p.rare != nil {
		if p.rare.removalDelivered {
			return settle.Version{}, nil
		}
		h = p.rare.baselineHash
	}
	return p.baseline, h
}

// hostWillKnow is the version that the host knows, or that waits for it.
func (p *plugin) hostWillKnow() settle.Version {
	if r := p.rare; r != nil {
		switch {
		case r.pending != nil && !r.pending.removal:
			return versionOf(&r.pending.info)
		case r.pending != nil || r.removalDelivered:
			return settle.Version{}
		}
	}
	return p.baseline
}

// settleOptions is what the plugin's options mean while its file settles.
func (m *Engine) settleOptions(p *plugin) settle.Options {
	o := settle.Options{MaxDelay: m.opts.MaxDelay, CompareContent: m.opts.IgnoreUnchangedContent, WritersUnknown: m.intake.set.IsRemote(&p.Leaf),
		NamesUnnotified: m.hearsFile(p), HeldAfter: max(m.opts.HeldAfter, 0), DeliverHeld: m.opts.DeliverHeld}
	if p.quiet == noQuiet {
		// A replacement by delete and create must not be delivered as a removal.
		o.RemovalHold = DefaultQuiet
		return o
	}
	o.Quiet = p.quietPeriod()
	o.RemovalHold = o.Quiet
	return o
}

// quietPeriod is the plugin's quiet period; 0: none.
func (p *plugin) quietPeriod() time.Duration {
	if p.quiet == noQuiet {
		return 0
	}
	return time.Duration(p.quiet) * time.Microsecond
}

// plugins are all that are enabled.
type plugins struct {
	byID    table.Table[plugin]       // read without the lock
	folders table.Table[watch.Folder] // by their text
	latest  *watch.Folder             // that of the last plugin; nil if it is gone
	slots   []*plugin                 // by Leaf.ID; nil where one is free
	free    []uint32
	order   uint64
	idBytes int // of all ids together
}

func hashOfPluginID(p *plugin) uint64 { return table.Hash(p.id) }

// lookup finds an enabled plugin. It needs no lock.
func (ps *plugins) lookup(id string) *plugin {
	return ps.byID.Find(table.Hash(id), func(p *plugin) bool { return p.id == id })
}

// add makes an enabled plugin. It copies id and path: they may be the caller's
// memory. as is how much of the path, from its end, the host gave.
func (ps *plugins) add(id, path string, as int, quiet time.Duration) *plugin {
	dir, name := fsys.SplitPath(path)
	f := ps.folder(path[:len(path)-len(name)], len(dir), as-len(name))
	text := id + name // in one allocation
	slot := uint32(len(ps.slots))
	if n := len(ps.free); n > 0 {
		slot, ps.free = ps.free[n-1], ps.free[:n-1]
	} else {
		ps.slots = append(ps.slots, nil)
	}
	ps.order++
	p := &plugin{Leaf: watch.NewLeaf(slot, f, text[len(id):]), id: text[:len(id)], order: ps.order, quiet: noQuiet}
	if quiet != NoQuiet {
		p.quiet = uint32((quiet + time.Microsecond - 1) / time.Microsecond)
	}
	ps.slots[slot] = p
	ps.byID.Add(p, hashOfPluginID)
	ps.idBytes += len(id)
	return p
}

// remove disables a plugin.
func (ps *plugins) remove(p *plugin) {
	ps.byID.Remove(p, hashOfPluginID)
	ps.idBytes -= len(p.id)
	p.order = 0
	ps.slots[p.ID] = nil
	ps.free = append(ps.free, p.ID)
	if ps.byID.Len() == 0 {
		ps.slots, ps.free = nil, nil
	}
	ps.releaseFolder(p.Folder())
}

// of is the plugin that a leaf belongs to; nil for that of a pause marker.
func (ps *plugins) of(l *watch.Leaf) *plugin {
	if l.ID == noPlugin {
		return nil
	}
	return ps.slots[l.ID]
}

// folder returns the folder of these spellings (see watch.NewFolder), with one more
// plugin.
func (ps *plugins) folder(text string, dir, as int) *watch.Folder {
	f := ps.latest // the next of many plugins is often beside the last
	if f == nil || !f.Is(text, as) {
		f = ps.folders.Find(table.Hash(text), func(f *watch.Folder) bool { return f.Is(text, as) })
	}
	if f == nil {
		f = watch.NewFolder(strings.Clone(text), dir, as)
		ps.folders.Add(f, hashOfText)
	}
	f.Plugins++
	ps.latest = f
	return f
}

func (ps *plugins) releaseFolder(f *watch.Folder) {
	if f.Plugins--; f.Plugins == 0 {
		if ps.latest == f {
			ps.latest = nil
		}
		ps.folders.Remove(f, hashOfText)
	}
}

func hashOfText(f *watch.Folder) uint64 { return table.Hash(f.Text()) }

// inOrder returns the enabled plugins in the order of enabling.
func (ps *plugins) inOrder() []*plugin {
	all := make([]*plugin, 0, ps.byID.Len())
	ps.byID.All(func(p *plugin) { all = append(all, p) })
	slices.SortFunc(all, byOrder)
	return all
}

// byOrder compares plugins by the order of enabling.
func byOrder(p, q *plugin) int { return cmp.Compare(p.order, q.order) }

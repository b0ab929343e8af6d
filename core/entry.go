package core

import (
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/qtforge/hotreload/core/internal/settle"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// entry is one enabled plugin, in 64 bytes: there may be a million. It holds
// what an idle plugin needs and no more. What only some need is in an aside; what
// they need while a change of theirs settles is the loop's (see work).
type entry struct {
	text   *byte // the id and then the file's name, in one allocation
	folder *folder
	more   *aside // behind Manager.mu; nil for most

	told       settle.Version // behind Manager.mu
	generation uint32         // behind Manager.mu: the number of versions told
	index      uint32         // behind Manager.mu: its place in the order of enabling, or disabled
	quiet      uint32         // in µs, or noQuiet
	textLen    uint16         // and isSafe
	idLen      uint8
	state      signs // the loop's: watching, and what was noted for reconcile
}

// disabled is the index of an entry that is not enabled any more.
const disabled = math.MaxUint32

const noQuiet = math.MaxUint32

// isSafe, in textLen, says that the entry has a safeState.
const isSafe = 1 << 15

// aside is what the manager must know of few plugins.
type aside struct {
	toldHash    *fsys.Hash // with IgnoreUnchangedContent
	pending     *pendingChange
	removalTold bool // the host was told that the file is gone
	refused     bool
	unreadable  bool
	safe        *safeState     // never changes
	withdrawn   settle.Version // complete, but not delivered since a newer one may have come
}

var printSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// versionOf is what is kept of a fileInfo: a keyed hash of the fingerprint.
func versionOf(in *fsys.Info) settle.Version {
	if !in.Fingerprint.Exists {
		return settle.Version{}
	}
	v := settle.Version{Changed: in.Changed}
	// As an array the hash takes it at one go, not field by field.
	print := [...]uint64{in.Fingerprint.Dev, in.Fingerprint.Inode, uint64(in.Fingerprint.Born), uint64(in.Fingerprint.Size), uint64(in.Fingerprint.ModTime)}
	for i, s := range printSeeds {
		v.Fingerprint[i] = maphash.Comparable(s, print)
	}
	return v
}

// folderLocked returns the folder of these spellings (see newFolder), with one
// more plugin. It copies text: it may be the caller's memory.
func (m *Manager) folderLocked(text string, dir, as int) *folder {
	same := func(f *folder) bool { return f.text == text && int(f.asLen) == as }
	f := m.latest // of many plugins the next one is often beside the last
	if f == nil || !same(f) {
		f = m.folders.find(hashOf(text), same)
	}
	if f == nil {
		f = newFolder(strings.Clone(text), dir, as)
		m.folders.add(f, textHash)
	}
	f.plugins.Add(1)
	m.latest = f
	return f
}

func (m *Manager) releaseFolderLocked(f *folder) {
	if f.plugins.Add(^uint32(0)) == 0 {
		if m.latest == f {
			m.latest = nil
		}
		m.folders.remove(f, textHash)
	}
}

func textHash(f *folder) uint64 { return hashOf(f.text) }

// newEntry copies id and name: they may be the caller's memory.
func newEntry(id, name string, in *folder, quiet time.Duration) *entry {
	text := make([]byte, 0, len(id)+len(name))
	text = append(append(text, id...), name...)
	e := &entry{text: unsafe.SliceData(text), folder: in, textLen: uint16(len(text)), idLen: uint8(len(id)), quiet: noQuiet}
	if quiet != NoQuiet {
		e.quiet = uint32((quiet + time.Microsecond - 1) / time.Microsecond)
	}
	return e
}

func (e *entry) id() string   { return unsafe.String(e.text, e.idLen) }
func (e *entry) name() string { return unsafe.String(e.text, e.textLen&^isSafe)[e.idLen:] }

// path is the plugin's path as it was registered.
func (e *entry) path() string { return e.folder.as() + e.name() }

// abs is where it leads.
func (e *entry) abs() string { return e.folder.text + e.name() }

// safe is nil without safe reload. It needs no lock: where it is not nil, the
// aside that holds it is there for good.
func (e *entry) safe() *safeState {
	if e.textLen&isSafe == 0 {
		return nil
	}
	return e.more.safe
}

// makeSafe is for an entry that nobody else knows yet.
func (e *entry) makeSafe(s *safeState) {
	e.aside().safe = s
	e.textLen |= isSafe
	for _, c := range s.companions {
		c.more.safe.leader = e
	}
}

func (e *entry) disabled() bool { return e.index == disabled }

// aside returns what is kept aside of e, to be changed.
func (e *entry) aside() *aside {
	if e.more == nil {
		e.more = new(aside)
	}
	return e.more
}

// tidy drops what is kept aside when it is nothing any more.
func (e *entry) tidy() {
	if e.more != nil && *e.more == (aside{}) {
		e.more = nil
	}
}

// setTold notes what the host knows of the file.
func (e *entry) setTold(v settle.Version, h *fsys.Hash) {
	e.told = v
	if h != nil || e.more != nil {
		a := e.aside()
		a.toldHash, a.removalTold = h, false
		e.tidy()
	}
}

// distrust notes that the host may know another version than it was told of.
func (e *entry) distrust() { e.setTold(settle.Version{Fingerprint: [2]uint64{1}}, nil) }

// knows is what the host knows of the file.
func (e *entry) knows() (told settle.Version, h *fsys.Hash) {
	if e.more != nil {
		if e.more.removalTold {
			return settle.Version{}, nil
		}
		h = e.more.toldHash
	}
	return e.told, h
}

// known is the version that the host knows, or is about to be told.
func (e *entry) known() settle.Version {
	if a := e.more; a != nil {
		switch {
		case a.pending != nil && !a.pending.removal:
			return versionOf(&a.pending.info)
		case a.pending != nil || a.removalTold:
			return settle.Version{}
		}
	}
	return e.told
}

// settleOptions is what the entry's options mean while its file settles.
func (m *Manager) settleOptions(e *entry) settle.Options {
	o := settle.Options{MaxDelay: m.opts.MaxDelay, CompareContent: m.opts.IgnoreUnchangedContent}
	if e.quiet == noQuiet {
		// A replacement by delete and create must not be delivered as a removal.
		o.RemovalHold = DefaultQuiet
		return o
	}
	o.Quiet = time.Duration(e.quiet) * time.Microsecond
	o.RemovalHold = o.Quiet
	return o
}

// numberLocked gives e, which is in the table, the next place in the order of
// enabling.
func (m *Manager) numberLocked(e *entry) {
	e.index = m.number
	m.number++
	m.renumberLocked()
}

// renumberLocked keeps the numbers few enough to sort by them at once.
func (m *Manager) renumberLocked() {
	if int(m.number) < 2*m.entries.live+512 {
		return
	}
	all := m.inOrder()
	for i, e := range all {
		e.index = uint32(i)
	}
	m.number = uint32(len(all))
}

// inOrder returns the enabled entries in the order of enabling.
func (m *Manager) inOrder() []*entry {
	all := make([]*entry, m.number)
	m.entries.all(func(e *entry) { all[e.index] = e })
	return slices.DeleteFunc(all, func(e *entry) bool { return e == nil })
}

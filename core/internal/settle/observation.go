// SPDX-License-Identifier: MIT

package settle

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// Kind is what stands at the plugin's path.
type Kind uint8

const (
	// Missing means that there is no file.
	Missing Kind = iota
	// RegularFile means that there is a file.
	RegularFile
	// Other means a directory, device or the like: the plugin's file is gone.
	Other
)

// Observation is what stat said, and with what it is compared.
type Observation struct {
	Kind     Kind
	Version  Version
	Baseline Version // the version that the host knows
	Empty    bool    // the file's size is 0
	// Uncompared means that the content is not read, whatever Options.CompareContent
	// says: the file is too large.
	Uncompared bool
	// IdentityDrift means that the file may have got another inode or device number
	// without being another file: on FUSE and on network file systems, or after a mount.
	IdentityDrift bool
	// ForeignClock means that Version.Changed is by another computer's clock. It can be
	// compared, but does not say how long ago that was.
	ForeignClock bool
	// CoarseTimes means that times have whole seconds, as far as is seen.
	CoarseTimes bool
}

// same reports whether two checks have found the same version.
func (m *Machine) same(v, w Version) bool {
	return v.Is(w) || m.identityDrift && v.IsApartFromIdentity(w)
}

// isAnotherFile reports whether a check has found another file than the one before, of
// which no notification could tell.
func (m *Machine) isAnotherFile(o Observation) bool {
	return m.Options.NamesUnnotified && !o.IdentityDrift && m.seen.Exists() && m.seen.Fingerprint[0] != o.Version.Fingerprint[0]
}

// ProbeResult is what the file itself said, after [Probe].
type ProbeResult struct {
	Writer     fsys.Writer
	After      Version // what stat says after everything else
	Incomplete bool    // it is not a complete image
	Identical  bool    // its content is byte for byte what the host knows
	// Content is the hash of its content, if [Machine.WantsContent] asked for it.
	Content *fsys.Hash
}

// isRejected reports whether nothing at all has changed since v was rejected. The
// change time counts. Where the system does not report it, notifications count.
func (m *Machine) isRejected(v Version) bool {
	d := m.rejected.Compare(v)
	same := d == Same || d == IdentityOnly && m.identityDrift && !m.replaced
	return m.HasRejected() && same && (v.Changed != 0 || !m.written)
}

// isBaseline reports whether the file is at the version that the host knows. A
// version with its size and modification time is new all the same if its content
// was written, as notifications say, and the change time is another one: tar, package
// managers and reproducible builds set the modification time. The change time alone
// proves nothing: chmod(1) and link(2) move it too.
func (m *Machine) isBaseline(o Observation) bool {
	compare := m.Options.CompareContent && !o.Uncompared
	switch o.Baseline.Compare(o.Version) {
	case Different:
		return false
	case Same:
		return !m.mayHideAWrite(o)
	case IdentityOnly:
		// The content is compared, if the host asked for that. Otherwise another file
		// counts, unless nothing says that it was put there.
		return o.IdentityDrift && !m.replaced && !compare
	}
	// It has moved back if the clock was set back.
	moved := time.Duration(o.Version.Changed - o.Baseline.Changed)
	// With no quiet period this notification may be of the version just delivered, which its
	// linker has made executable since.
	isLate := m.Options.Quiet == 0 && 0 < moved && moved <= notificationGap
	return !compare && (!m.written || isLate)
}

// mayHideAWrite reports whether a version may be another one than the baseline although size
// and times are the same: its content was written, as a notification says, so soon after its
// change time that the file system gave it the same one. With no quiet period the
// notification may be of the baseline itself. If notifications were lost, nobody knows whether
// it was written: a file that nobody has touched is not delivered.
func (m *Machine) mayHideAWrite(o Observation) bool {
	return o.CoarseTimes && m.written && !m.mayHaveLost && m.Options.Quiet > 0 && m.lastWritten.UnixNano()-o.Version.Changed < int64(coarsest)
}

// coarsest is how far apart the times of a file system may be: 2 s on FAT.
const coarsest = 2 * time.Second

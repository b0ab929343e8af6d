// SPDX-License-Identifier: MIT

package settle

// Version identifies one version of a file. What the host knows, what was rejected
// and what was seen are Versions, and [Version.Compare] compares them. The zero
// value means "no file".
type Version struct {
	// Fingerprint[0] stands for device, inode and birth time: which file it is.
	// Fingerprint[1] stands for size and modification time.
	Fingerprint [2]uint64
	// Changed is the change time of the inode (ctime) in ns since 1970, which no
	// program can set; 0 where the system does not report it.
	Changed int64
}

// Difference is what [Version.Compare] finds.
type Difference uint8

const (
	// Same means that nothing differs.
	Same Difference = iota
	// ChangeTimeOnly means that the change time alone differs: after chmod(1), but
	// also after cp -p and reproducible builds, which set the modification time.
	ChangeTimeOnly
	// IdentityOnly means that size, modification time and change time are the same,
	// but device, inode or birth time differ: FUSE gives a file other numbers now and
	// then, and so does a remount.
	IdentityOnly
	// Different means that this is another version.
	Different
)

// Exists reports whether there is a file.
func (v Version) Exists() bool { return v.Fingerprint != [2]uint64{} }

// Compare says how v and w differ.
func (v Version) Compare(w Version) Difference {
	switch sameFile := v.Fingerprint[0] == w.Fingerprint[0]; {
	case v.Fingerprint[1] != w.Fingerprint[1]:
		return Different
	case !sameFile && v.Changed == w.Changed && v.Changed != 0:
		return IdentityOnly
	case !sameFile:
		return Different
	case v.Changed != w.Changed:
		return ChangeTimeOnly
	}
	return Same
}

// Is reports whether v and w are the same, as far as the fingerprint says.
func (v Version) Is(w Version) bool { return v.Fingerprint == w.Fingerprint }

// IsApartFromIdentity is like Is, for a file system that gives one file other inode or
// device numbers from time to time. Then only another size or another time is a change.
func (v Version) IsApartFromIdentity(w Version) bool { return v.Compare(w) != Different }

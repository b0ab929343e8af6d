package settle

// Version identifies one version of a file. What the host knows, what was rejected
// and what was seen are Versions, and [Version.Compare] compares them. The zero
// value means "no file".
type Version struct {
	// Fingerprint stands for device, inode, birth time, size and modification time.
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
	// Different means another fingerprint: this is another version.
	Different
)

// Exists reports whether there is a file.
func (v Version) Exists() bool { return v.Fingerprint != [2]uint64{} }

// Compare says how v and w differ.
func (v Version) Compare(w Version) Difference {
	switch {
	case v.Fingerprint != w.Fingerprint:
		return Different
	case v.Changed != w.Changed:
		return ChangeTimeOnly
	}
	return Same
}

// Is reports whether v and w are the same, as far as the fingerprint says.
func (v Version) Is(w Version) bool { return v.Compare(w) != Different }

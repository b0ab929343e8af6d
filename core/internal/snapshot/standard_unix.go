// SPDX-License-Identifier: MIT

//go:build unix

package snapshot

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// temporary are the directories in which everybody may make files and only owners
// remove them. A variable for tests.
var temporary = []string{"/tmp", "/var/tmp"}

// maxOwnBases is how many directories are looked at that may be this user's.
const maxOwnBases = 1000

// standardBases reads no environment variable: the directory that XDG_RUNTIME_DIR
// usually names is recognised by what it is.
func standardBases() (bases []string) {
	uid := strconv.Itoa(os.Geteuid())
	run := "/run/user/" + uid
	if _, err := privateDir(run, false); err == nil {
		bases = append(bases, run+"/hotreload")
	}
	return append(bases, temporary[0]+"/hotreload-"+uid)
}

// ownBase returns a base directory of a random name: one that this user made
// earlier, so that what dead processes have left in it is removed, or a new one.
// Others may make directories of such names, too, but none that belongs to this user.
// noexec says which file systems are asked for.
func ownBase(noexec bool) (string, bool) {
	prefix := "hotreload-" + strconv.Itoa(os.Geteuid()) + "-"
	for _, dir := range temporary {
		if fsys.NoExec(dir) != noexec {
			continue
		}
		for _, name := range namesWith(dir, prefix) {
			if real, err := privateDir(filepath.Join(dir, name), false); err == nil && mayMakeIn(real) == nil {
				return real, true
			}
		}
		made, err := os.MkdirTemp(dir, prefix)
		if err != nil {
			continue
		}
		if real, err := privateDir(made, false); err == nil {
			return real, true
		}
		_ = os.Remove(made)
	}
	return "", false
}

// mayMakeIn says why this user cannot make anything in a directory that is there: its
// mode, or a file system that is read-only.
func mayMakeIn(dir string) error {
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &os.PathError{Op: "write to", Path: dir, Err: err}
	}
	return nil
}

// namesWith returns the first names in a directory with a prefix, sorted.
func namesWith(dir, prefix string) (names []string) {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	for len(names) < maxOwnBases {
		some, err := d.Readdirnames(maxOwnBases)
		for _, name := range some {
			if strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		}
		if err != nil {
			break
		}
	}
	slices.Sort(names)
	return names
}

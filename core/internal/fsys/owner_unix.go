// SPDX-License-Identifier: MIT

//go:build unix

package fsys

import "os"

// Owner is what a user ID says of who owns a file.
type Owner uint8

// The owners.
const (
	Another Owner = iota
	Mine          // the process's effective user, root included
	Root
	// Unknown is a user whom this process's user namespace does not know. The kernel
	// shows all of them, root included, as one user (65534).
	Unknown
)

// OwnerOf says who owns a file. mayWrite is asked only if the process's own user ID is
// also the one that unknown users are shown as: the owner may write to the file, and of
// the others nobody, if its mode does not say so.
func OwnerOf(uid uint32, mayWrite func() bool) Owner {
	switch {
	case int(uid) == os.Geteuid():
		if standsForUnknown(uid) && !mayWrite() {
			return Unknown
		}
		return Mine
	case uid == 0:
		return Root
	case isUnmapped(uid):
		return Unknown
	}
	return Another
}

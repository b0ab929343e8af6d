// SPDX-License-Identifier: MIT

package snapshot

import "errors"

// PrivateDir makes a directory if it is missing, and returns its path without links. If
// it is not the user's alone, as a base directory must be, insecure says why.
func PrivateDir(path string) (real, insecure string, err error) {
	real, err = privateDir(path, true)
	if open, ok := errors.AsType[*insecureError](err); ok {
		return "", open.why, nil
	}
	return real, "", err
}

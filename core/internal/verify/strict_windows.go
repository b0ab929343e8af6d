// SPDX-License-Identifier: MIT

package verify

import (
	"errors"
	"io/fs"
	"os"
)

// StrictPath: access lists are not examined.
func StrictPath(string) string { return "ownership and modes cannot be checked on this system" }

// strictFile: as StrictPath.
func strictFile(*os.File) string { return "" }

// placePath: as StrictPath. What cannot be examined is not rejected where nobody has
// asked for strict modes.
func placePath(path string, strict bool) string {
	if strict {
		return StrictPath(path)
	}
	return ""
}

// isMissing reports whether there is nothing at a path.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

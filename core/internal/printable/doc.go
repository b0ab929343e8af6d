// SPDX-License-Identifier: MIT

// Package printable makes text fit for terminals and logs.
//
// Messages name what the library found: paths, names of sections and symbols, what
// the system said. Anybody may have chosen that text. [Text] escapes whatever is
// invisible or moves the cursor, and shortens long text in its middle, so that the
// end of a message, which says what to do, stays. [Sprintf] and [Errorf] do so with
// every text among their arguments.
//
// This package reads no file and keeps nothing.
package printable

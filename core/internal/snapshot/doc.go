// SPDX-License-Identifier: MIT

// Package snapshot keeps private copies of plugins' files.
//
// A [Store] is a directory of this process inside a base directory of the user's.
// [Store.Take] copies all files of one version of a plugin into it, hashes the
// copies and makes them read-only: a [Snapshot], which nobody writes to again. The
// store is locked as long as the process lives and carries a mark, so that
// [Store.Sweep] of a later process removes what a dead process has left, and
// nothing else.
//
// Several workers may use a store at the same time. Every function may block for as
// long as the file systems do, so that only workers call them; [Store.Close] alone
// does not wait for a copy under way.
package snapshot

// SPDX-License-Identifier: MIT

// Package verify decides whether a version of a plugin may be loaded.
//
// A [Policy] names the safeguards: allow-list, signature, complete image, exported
// symbols. [Policy.Check] applies them to the files of a snapshot and returns a
// [Rejection] with the reason. It authenticates first: nothing parses a file before
// allow-list and signature have accepted it. What was authenticated must not lead the
// loader to libraries that others could have put where it looks. [StrictPath] says who
// else could exchange a file.
//
// Every reader is bounded in size and memory and can be stopped, because anybody may
// have made the files. Check may block for as long as the file systems do, so that
// only workers call it.
package verify

// SPDX-License-Identifier: MIT

// Package fsys says what the disk holds: what stands at a path ([Info]), whether a
// process holds a file open for writing ([Writer]), and whether a file system sends
// notifications at all.
//
// [Disk] is what the engine asks; tests put a fake in its place. A check opens the
// file once ([Disk.Open]), and everything that the check finds out is about that
// open [File]. Every function may block for as long as the file system does, so
// that only workers call them.
package fsys

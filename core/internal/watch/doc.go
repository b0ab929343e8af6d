// SPDX-License-Identifier: MIT

// Package watch is where notifications come from: fsnotify behind [Source], the
// operation that fsnotify keeps to itself ([CloseWrite]), and the kernel's signal
// that a file system was mounted or unmounted.
//
// A notification is a hint. The package does not say what has become of a file; its
// user looks at the disk. It promises only that a directory that was added is
// reported about until it is removed, goes away, or events are lost, and the last of
// these is reported as fsnotify.ErrEventOverflow. Then its user adds the directory
// again: an inode number does not prove that a watch still lives.
package watch

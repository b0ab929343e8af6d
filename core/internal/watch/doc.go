// SPDX-License-Identifier: MIT

// Package watch says which plugin a notification concerns. Watched is the path as a
// path: every directory and link on the way to a file, the path chain. So a link that is
// retargeted, a directory that is exchanged or made anew, and a mount are noticed.
//
//	source*.go, closewrite_*.go  fsnotify behind [Source]: the notifications of the system
//	mounts_*.go                  the kernel's signal that a file system was mounted
//	walk.go                      how a path leads through the disk at one moment; a worker asks
//	set.go                       [Set]: notifications in, files ([Leaf]) that may have changed
//	                             out; notices that a link or a directory leads elsewhere
//	leaf.go, links.go            a file, and what was noted of it; links at its own name
//	folder.go, dir.go            a directory as it is spelled, and the real one; what is polled
//	listener.go                  who wants to know what appears in a folder
//	file.go                      a file that is a mount point, which is watched itself
//	order.go                     what the source is asked for, and its answers; a worker asks
//	trust.go                     what notifications do not say; a watch that is deaf
//
// A notification may be late or superfluous. The package does not say what has become of a file; its
// user checks the disk. A [Source] promises only that a directory that was added is
// reported about until it is removed, goes away, or events are lost, and the last of
// these is reported as fsnotify.ErrEventOverflow. Then every directory is added again
// ([Set.Renew]): an inode number does not prove that a watch still lives.
package watch

// SPDX-License-Identifier: MIT

// Package testfuse serves a directory through FUSE, as sshfs, rclone, mergerfs and bindfs
// do. Only tests import it.
//
// The file system has the traits that plugins meet there: no notifications of changes made
// below, inode numbers that change while the file does not, and names that differ in case
// alone but are one file.
//
// Whoever maps files of it into memory must have it served by another process. A page fault
// stops a thread without Go's scheduler knowing, and a server in the same process may wait
// for that thread.
package testfuse

// SPDX-License-Identifier: MIT

// Package folder says which files below a directory are plugins, and under which ids. It
// is pure: it asks neither the disk nor a clock.
//
//	rules.go    the patterns of a folder: which files, which directories may hold some
//	ignored.go  names that are never plugins, each with the program that makes them
//	id.go       the id of a file, from its path
//	compare.go  what has appeared and gone between two listings
package folder

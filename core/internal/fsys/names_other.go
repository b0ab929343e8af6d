// SPDX-License-Identifier: MIT

//go:build !windows && !darwin

package fsys

// NameKey is how a name is looked up: itself, because
// names that differ in case are different files.
func NameKey(name string) string { return name }

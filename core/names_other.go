//go:build !windows && !darwin

package core

// nameKey is a name's place in the tables of the watch set: itself, because
// names that differ in case are different files.
func nameKey(name string) string { return name }

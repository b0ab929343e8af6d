//go:build windows || darwin

package core

import "strings"

// nameKey is a name's place in the tables of the watch set. Here a
// notification names a file as its directory does, which may differ in case from
// what was registered. Where the difference matters a notification too many is
// only a look too many.
func nameKey(name string) string { return strings.ToLower(name) }

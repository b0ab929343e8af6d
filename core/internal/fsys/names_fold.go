// SPDX-License-Identifier: MIT

//go:build windows || darwin

package fsys

import "strings"

// NameKey is how a name is looked up. Here a
// notification names a file as its directory does, which may differ in case from
// what was registered. Where the difference matters a notification too many is
// only one check too many.
func NameKey(name string) string { return strings.ToLower(name) }

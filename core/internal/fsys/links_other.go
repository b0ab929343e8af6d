// SPDX-License-Identifier: MIT

//go:build !linux

package fsys

// LeadsThroughLink reports whether a link stands at an absolute path or on the way to it.
// These systems do not say without following it.
func LeadsThroughLink(string) bool { return false }

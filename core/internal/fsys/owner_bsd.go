// SPDX-License-Identifier: MIT

//go:build unix && !linux

package fsys

// These systems have no user namespaces.

func standsForUnknown(uint32) bool { return false }

func isUnmapped(uint32) bool { return false }

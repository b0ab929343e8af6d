// SPDX-License-Identifier: MIT

//go:build !linux

package fsys

// Folds implements Disk. Where names are folded, [NameKey] does it for all directories.
func (OS) Folds(string) bool { return false }

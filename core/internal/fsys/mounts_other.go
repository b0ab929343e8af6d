// SPDX-License-Identifier: MIT

//go:build !linux

package fsys

import "path/filepath"

// MountOf returns what stands for the file system that a path lies on: here its
// volume, because the mount points are not known without asking file systems.
func MountOf(path string) string { return filepath.VolumeName(path) + string(filepath.Separator) }

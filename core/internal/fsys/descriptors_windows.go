// SPDX-License-Identifier: MIT

package fsys

// HaveDescriptors returns nil: handles do not run out before memory does.
func HaveDescriptors(int) error { return nil }

// SPDX-License-Identifier: MIT

//go:build !linux

package watch

// queueRoom: what these systems keep for a source is small, or not known.
func queueRoom() int { return 0 }

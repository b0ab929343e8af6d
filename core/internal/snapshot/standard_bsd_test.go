// SPDX-License-Identifier: MIT

//go:build unix && !linux

package snapshot

import "testing"

// grantByDefault: the access lists of these systems are not tried.
func grantByDefault(*testing.T, string) {}

// SPDX-License-Identifier: MIT

//go:build !linux

package watch

// mountWatcher: these systems report mounts as changes of the directory, or not
// at all.
type mountWatcher struct{}

func newMountWatcher(func()) *mountWatcher     { return nil }
func (*mountWatcher) channel() <-chan struct{} { return nil }
func (*mountWatcher) close()                   {}

// isForeign: how these systems say that a descriptor is another one is not known here.
func isForeign(error) bool { return false }

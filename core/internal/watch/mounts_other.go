// SPDX-License-Identifier: MIT

//go:build !linux

package watch

// mountWatcher: these systems report mounts as changes of the directory, or not
// at all.
type mountWatcher struct{}

func newMountWatcher() *mountWatcher           { return nil }
func (*mountWatcher) channel() <-chan struct{} { return nil }
func (*mountWatcher) close()                   {}

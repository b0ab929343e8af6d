// SPDX-License-Identifier: MIT

//go:build panics

package engine

import (
	"runtime"
	"strings"
	"sync"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// This build is for the tests of what becomes of a panic. The shipped library
// has nothing of it.

func init() { systemDisk = panickyDisk{fsys.OS{}} }

var panicIn struct {
	sync.Mutex
	function string
}

// PanicIn has the next access to the disk panic that happens inside a function
// whose name contains this.
func PanicIn(function string) {
	panicIn.Lock()
	defer panicIn.Unlock()
	panicIn.function = function
}

type panickyDisk struct{ fsys.Disk }

func (d panickyDisk) Stat(path string) (fsys.Info, error) {
	maybePanic()
	return d.Disk.Stat(path)
}

func (d panickyDisk) Lstat(path string) (fsys.Info, error) {
	maybePanic()
	return d.Disk.Lstat(path)
}

func (d panickyDisk) Open(path string) (fsys.File, error) {
	maybePanic()
	return d.Disk.Open(path)
}

func maybePanic() {
	panicIn.Lock()
	defer panicIn.Unlock()
	if panicIn.function == "" {
		return
	}
	pc := make([]uintptr, 64)
	frames := runtime.CallersFrames(pc[:runtime.Callers(2, pc)])
	for {
		f, more := frames.Next()
		if strings.Contains(f.Function, panicIn.function) {
			panicIn.function = ""
			panic("injected for the test")
		}
		if !more {
			return
		}
	}
}

//go:build panics

package core

import (
	"runtime"
	"strings"
	"sync"
)

// This build is for the tests of what becomes of a panic. The shipped library
// has nothing of it.

func init() { systemDisk = panickyDisk{osDisk{}} }

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

type panickyDisk struct{ disk }

func (d panickyDisk) stat(path string) (fileInfo, error) {
	maybePanic()
	return d.disk.stat(path)
}

func (d panickyDisk) lstat(path string) (fileInfo, error) {
	maybePanic()
	return d.disk.lstat(path)
}

func (d panickyDisk) readable(path string) (fileInfo, error) {
	maybePanic()
	return d.disk.readable(path)
}

func (d panickyDisk) writer(path string) (verdict, fileInfo) {
	maybePanic()
	return d.disk.writer(path)
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

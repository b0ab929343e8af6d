// SPDX-License-Identifier: MIT

package watch

import (
	"os"
	"strings"
	"sync"
	"unsafe"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// ears is a second inotify instance. fsnotify would hold its lock while the file system
// is asked for a path, which may hang.
type ears struct {
	events   chan fsnotify.Event
	overflow func()
	lost     func() // the host has closed the descriptor
	done     chan struct{}

	mu     sync.Mutex
	closed bool
	file   *os.File // nil before the first Hear
	wds    map[string]int
	paths  map[int][]string // which paths lead to a watch
}

func newEars(overflow, lost func()) *ears {
	return &ears{events: make(chan fsnotify.Event, Buffer), overflow: overflow, lost: lost, done: make(chan struct{}), wds: map[string]int{},
		paths: map[int][]string{}}
}

// heardMask are the notifications of a directory's files, and of a file.
const heardMask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_MODIFY | unix.IN_CLOSE_WRITE |
	unix.IN_ATTRIB | unix.IN_DONT_FOLLOW

func (e *ears) Hear(path string) {
	fd := e.open()
	if fd < 0 {
		return
	}
	wd, err := unix.InotifyAddWatch(fd, path, heardMask)
	if isForeign(err) {
		e.lost()
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	if was, known := e.wds[path]; known && (err != nil || was != wd) {
		e.forget(path)
	}
	if _, known := e.wds[path]; err == nil && !known {
		e.wds[path] = wd
		e.paths[wd] = append(e.paths[wd], path)
	}
}

// open returns the descriptor of the instance, which it makes at the first call; -1 if
// the system has no room for it.
func (e *ears) open() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return -1
	}
	if e.file == nil {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
		if err != nil {
			return -1
		}
		e.file = os.NewFile(uintptr(fd), "inotify")
		go e.listen(e.file)
	}
	raw, err := e.file.SyscallConn()
	if err != nil {
		return -1
	}
	fd := -1
	_ = raw.Control(func(d uintptr) { fd = int(d) })
	return fd
}

func (e *ears) Deafen(path string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, known := e.wds[path]; known && !e.closed {
		e.forget(path)
	}
}

// forget takes a path off its watch.
func (e *ears) forget(path string) {
	wd := e.wds[path]
	delete(e.wds, path)
	if rest := without(e.paths[wd], path); len(rest) > 0 {
		e.paths[wd] = rest
		return
	}
	delete(e.paths, wd)
	if raw, err := e.file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(wd)) })
	}
}

// listen passes on what the kernel sends, until the instance is closed.
func (e *ears) listen(f *os.File) {
	buf := make([]byte, 1<<16)
	for {
		n, err := f.Read(buf)
		if err != nil {
			e.lost() // does nothing if it was closed by close
			return
		}
		for rest := buf[:n]; len(rest) >= unix.SizeofInotifyEvent; {
			raw := (*unix.InotifyEvent)(unsafe.Pointer(&rest[0]))
			end := unix.SizeofInotifyEvent + int(raw.Len)
			name := strings.TrimRight(string(rest[unix.SizeofInotifyEvent:end]), "\x00")
			e.pass(int(raw.Wd), raw.Mask, name)
			rest = rest[end:]
		}
	}
}

func (e *ears) pass(wd int, mask uint32, name string) {
	if mask&(unix.IN_Q_OVERFLOW|unix.IN_UNMOUNT) != 0 {
		e.overflow() // the notification of a close may be lost
		return
	}
	e.mu.Lock()
	paths := append([]string(nil), e.paths[wd]...)
	if mask&unix.IN_IGNORED != 0 {
		for _, path := range paths {
			delete(e.wds, path)
		}
		delete(e.paths, wd)
	}
	e.mu.Unlock()
	op := opOf(mask)
	if op == 0 {
		return
	}
	for _, path := range paths {
		if name != "" {
			path = fsys.JoinPath(path, name)
		}
		select {
		case e.events <- fsnotify.Event{Name: path, Op: op}:
		case <-e.done:
			return
		}
	}
}

func opOf(mask uint32) (op fsnotify.Op) {
	for _, o := range []struct {
		mask uint32
		op   fsnotify.Op
	}{
		{unix.IN_CREATE | unix.IN_MOVED_TO, fsnotify.Create}, {unix.IN_DELETE | unix.IN_MOVED_FROM, fsnotify.Remove},
		{unix.IN_MODIFY, fsnotify.Write}, {unix.IN_CLOSE_WRITE, CloseWrite}, {unix.IN_ATTRIB, fsnotify.Chmod},
	} {
		if mask&o.mask != 0 {
			op |= o.op
		}
	}
	return op
}

func (e *ears) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.closed = true
	close(e.done)
	if e.file != nil {
		_ = e.file.Close()
	}
}

// Heard implements Hearer.
func (s *fsnotifySource) Heard() <-chan fsnotify.Event { return s.ears.events }

// Hear implements Hearer.
func (s *fsnotifySource) Hear(path string) { s.ears.Hear(path) }

// Deafen implements Hearer.
func (s *fsnotifySource) Deafen(path string) { s.ears.Deafen(path) }

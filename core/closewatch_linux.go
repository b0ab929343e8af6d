package core

import (
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// closeWatcher tells when a file that somebody holds open for writing is
// closed. fsnotify does not offer IN_CLOSE_WRITE; a one-shot watch on the file
// itself, for as long as it is being written, spares the wait for the next
// probe. It is a hint like any other: what it misses, the probe's timer finds.
type closeWatcher struct {
	file   *os.File
	fd     int
	closed chan *entry

	mu    sync.Mutex
	armed map[int32][]*entry
	wds   map[*entry]int32
}

// newCloseWatcher returns nil if the system has no room for another instance.
func newCloseWatcher() *closeWatcher {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil
	}
	w := &closeWatcher{file: os.NewFile(uintptr(fd), "inotify"), fd: fd, closed: make(chan *entry, slice),
		armed: map[int32][]*entry{}, wds: map[*entry]int32{}}
	go w.read()
	return w
}

// events delivers entries whose file was closed by a writer.
func (w *closeWatcher) events() <-chan *entry {
	if w == nil {
		return nil
	}
	return w.closed
}

func (w *closeWatcher) arm(e *entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.wds[e]; ok {
		return
	}
	wd, err := unix.InotifyAddWatch(w.fd, e.abs, unix.IN_CLOSE_WRITE|unix.IN_ONESHOT)
	if err != nil {
		return
	}
	w.wds[e] = int32(wd)
	w.armed[int32(wd)] = append(w.armed[int32(wd)], e)
}

func (w *closeWatcher) disarm(e *entry) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	wd, ok := w.wds[e]
	if !ok {
		return
	}
	delete(w.wds, e)
	if rest := without(w.armed[wd], e); len(rest) > 0 {
		w.armed[wd] = rest
		return
	}
	delete(w.armed, wd)
	_, _ = unix.InotifyRmWatch(w.fd, uint32(wd))
}

func (w *closeWatcher) read() {
	var buf [64 * unix.SizeofInotifyEvent]byte
	for {
		n, err := w.file.Read(buf[:])
		if err != nil {
			return // closed
		}
		for at := 0; at+unix.SizeofInotifyEvent <= n; {
			ev := (*unix.InotifyEvent)(unsafe.Pointer(&buf[at]))
			at += unix.SizeofInotifyEvent + int(ev.Len)
			w.fired(ev.Wd)
		}
	}
}

// fired takes the watch off the tables: it was for one event.
func (w *closeWatcher) fired(wd int32) {
	w.mu.Lock()
	entries := w.armed[wd]
	delete(w.armed, wd)
	for _, e := range entries {
		delete(w.wds, e)
	}
	w.mu.Unlock()
	for _, e := range entries {
		select {
		case w.closed <- e:
		default: // the probe's timer will find it
		}
	}
}

func (w *closeWatcher) close() {
	if w != nil {
		_ = w.file.Close()
	}
}

package core

import (
	"sync"
	"sync/atomic"
	"time"
)

// workers do what may block: they ask the disk. A file system may hang for ever
// (a dead server, a dead FUSE process), and then the call never returns. A call that
// has not returned within hangsAfter gets a worker for others in its place; whatever
// else is to be asked of that mount waits until the call returns. So each mount that
// hangs keeps few workers, and no other mount waits.
//
// No goroutine and no timer of it exists while there is nothing to do.
type workers struct {
	start func(func())                   // runs a worker's goroutine
	hangs func(mount string, hangs bool) // is told when a mount begins to hang, and when it no longer does

	mu      sync.Mutex
	tasks   []task
	active  map[*worker]struct{} // those that do not hang
	hanging map[string][]task    // the mounts that hang, and what waits for each
	round   *time.Timer          // runs while a worker is active
	closed  bool
}

// task is something to ask the disk. where is the path that it concerns; do calls at
// before each access with the path that it accesses.
type task struct {
	where string
	do    func(at func(path string))
}

const (
	maxWorkers = 4
	// hangsAfter is how long an access may take: after once to twice that long it
	// hangs.
	hangsAfter = 500 * time.Millisecond
)

// worker is a goroutine that does tasks.
type worker struct {
	at       atomic.Pointer[string] // the path of the latest access
	accesses atomic.Uint64

	// Behind workers.mu.
	seen     uint64 // accesses at the last round
	observed bool   // since the task began, in a round
	mount    string // that hangs; "" if none
}

// do has a task done.
func (w *workers) do(where string, do func(at func(path string))) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tasks = append(w.tasks, task{where, do})
	w.employLocked()
}

// employLocked starts a worker if there is work for one more.
func (w *workers) employLocked() {
	if w.closed || len(w.tasks) == 0 || len(w.active) >= maxWorkers {
		return
	}
	if w.active == nil {
		w.active = map[*worker]struct{}{}
	}
	k := &worker{}
	w.active[k] = struct{}{}
	if len(w.active) == 1 {
		w.superviseLocked()
	}
	w.start(func() { w.work(k) })
}

// work does tasks until there are none.
func (w *workers) work(k *worker) {
	at := func(path string) {
		k.at.Store(&path)
		k.accesses.Add(1)
	}
	for {
		t, ok := w.next(k)
		if !ok {
			return
		}
		t.do(at)
	}
}

// next returns the next task that no hanging mount is in the way of. It ends the
// task before.
func (w *workers) next(k *worker) (t task, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k.mount != "" {
		w.answersLocked(k)
	}
	for len(w.tasks) > 0 && !w.closed {
		t, w.tasks[0] = w.tasks[0], task{}
		if w.tasks = w.tasks[1:]; len(w.tasks) == 0 {
			w.tasks = nil
		}
		if mount := w.hangingMount(t.where); mount != "" {
			w.hanging[mount] = append(w.hanging[mount], t)
			continue
		}
		k.at.Store(&t.where)
		k.observed = false
		k.accesses.Add(1)
		return t, true
	}
	delete(w.active, k)
	if len(w.active) == 0 && w.round != nil {
		w.round.Stop()
	}
	return task{}, false
}

// hangingMount is the mount that hangs and that path lies on, "" if there is none.
func (w *workers) hangingMount(path string) string {
	if len(w.hanging) == 0 {
		return ""
	}
	mount := w.mountOf(path)
	if _, hangs := w.hanging[mount]; hangs {
		return mount
	}
	return ""
}

// superviseLocked looks after the active workers once they have had time.
func (w *workers) superviseLocked() {
	if w.round == nil {
		w.round = time.AfterFunc(hangsAfter, w.supervise)
	} else {
		w.round.Reset(hangsAfter)
	}
}

// supervise finds the workers whose task hangs, and has others take over.
func (w *workers) supervise() {
	var begun []string
	w.mu.Lock()
	for k := range w.active {
		n := k.accesses.Load()
		if !k.observed || k.seen != n {
			k.observed, k.seen = true, n
			continue
		}
		k.mount = w.mountOf(*k.at.Load())
		delete(w.active, k)
		if w.hanging == nil {
			w.hanging = map[string][]task{}
		}
		if _, known := w.hanging[k.mount]; !known {
			w.hanging[k.mount] = nil
			begun = append(begun, k.mount)
		}
	}
	w.employLocked()
	if len(w.active) > 0 {
		w.superviseLocked()
	}
	w.mu.Unlock()
	for _, mount := range begun {
		w.hangs(mount, true)
	}
}

// answersLocked takes a worker back whose task has returned at last, and with it what
// waited for its mount.
func (w *workers) answersLocked(k *worker) {
	mount := k.mount
	k.mount = ""
	w.active[k] = struct{}{}
	if len(w.active) == 1 {
		w.superviseLocked()
	}
	waiting, hangs := w.hanging[mount]
	if !hangs {
		return
	}
	delete(w.hanging, mount)
	w.tasks = append(w.tasks, waiting...)
	w.start(func() { w.hangs(mount, false) })
}

// close has no further task begun. It does not wait: a task may hang.
func (w *workers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed, w.tasks, w.hanging = true, nil, nil
	if w.round != nil {
		w.round.Stop()
	}
}

// idle reports whether no task is under way or waits, but for what hangs.
func (w *workers) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.active) == 0 && len(w.tasks) == 0
}

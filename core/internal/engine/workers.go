// SPDX-License-Identifier: MIT

package engine

import (
	"sync"
	"sync/atomic"
	"time"
)

// workers do what may block: they ask the disk. A file system may hang for ever
// (a dead server, a dead FUSE process), and then a call never returns. While one
// does not return, another worker takes its place, and whatever else is to be asked
// of that mount waits. So a mount that hangs keeps few workers, and no other mount
// waits for it.
//
// While there is nothing to do there is no goroutine and no timer.
type workers struct {
	start   func(func())                   // runs a worker's goroutine
	hangs   func(mount string, hangs bool) // is called when a mount begins to hang, and when it no longer does
	mountOf func(path string) string

	mu      sync.Mutex
	tasks   []task
	active  map[*worker]struct{} // those that do not hang
	hanging map[string][]task    // the mounts that hang, and what waits for each
	reports []report             // of hangs, that were not made yet
	round   *time.Timer          // runs while a worker is active
	closed  bool
	ended   chan struct{} // of close
	over    bool          // ended is closed
}

// report is that a mount hangs, or no longer does.
type report struct {
	mount string
	hangs bool
}

// task is something to ask the disk. where is the path that it concerns; do calls at
// before each access with the path that it accesses. stuck, if it is not nil, is
// called when the task hangs, or waits for a mount that hangs.
type task struct {
	where string
	do    func(at func(path string))
	stuck func()
}

const (
	maxWorkers = 4
	// hangsAfter is how long an access may take: after once to twice that long it
	// hangs.
	hangsAfter = 500 * time.Millisecond
)

// worker is a goroutine that does tasks.
type worker struct {
	task     task
	at       atomic.Pointer[string] // the path of the latest access
	accesses atomic.Uint64

	// Behind workers.mu.
	seen     uint64 // accesses at the last round
	observed bool   // since the task began, in a round
	mount    string // that hangs; "" if none
}

// do has a task done.
func (w *workers) do(where string, do func(at func(path string))) {
	w.add(task{where: where, do: do})
}

func (w *workers) add(t task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.tasks = append(w.tasks, t)
		w.employLocked()
	}
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
	defer w.leave(k) // also after a panic
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
			w.reportStuck(t)
			continue
		}
		k.task = t
		k.at.Store(&t.where)
		k.observed = false
		k.accesses.Add(1)
		return t, true
	}
	w.leaveLocked(k)
	return task{}, false
}

// leave notes that a worker ends.
func (w *workers) leave(k *worker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leaveLocked(k)
}

func (w *workers) leaveLocked(k *worker) {
	delete(w.active, k)
	w.endLocked()
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

func (w *workers) reportStuck(t task) {
	if t.stuck != nil {
		w.start(t.stuck)
	}
}

// superviseLocked has the active workers supervised once they have had time.
func (w *workers) superviseLocked() {
	if w.round == nil {
		w.round = time.AfterFunc(hangsAfter, func() { w.start(w.supervise) })
	} else {
		w.round.Reset(hangsAfter)
	}
}

// supervise finds the workers whose task hangs, and has others take over.
func (w *workers) supervise() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k := range w.active {
		at := k.at.Load()
		if at == nil {
			continue // its goroutine has not begun yet
		}
		n := k.accesses.Load()
		if !k.observed || k.seen != n {
			k.observed, k.seen = true, n
			continue
		}
		k.mount = w.mountOf(*at)
		delete(w.active, k)
		w.reportStuck(k.task)
		if w.hanging == nil {
			w.hanging = map[string][]task{}
		}
		if _, known := w.hanging[k.mount]; !known {
			w.hanging[k.mount] = nil
			w.reportLocked(k.mount, true)
		}
	}
	w.employLocked()
	if len(w.active) > 0 {
		w.superviseLocked()
	}
	w.endLocked()
}

// reportLocked has hangs called. The calls are in order: the last one says how it is.
func (w *workers) reportLocked(mount string, hangs bool) {
	w.reports = append(w.reports, report{mount, hangs})
	if len(w.reports) > 1 {
		return // it is being done
	}
	w.start(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for len(w.reports) > 0 {
			r := w.reports[0]
			w.mu.Unlock()
			w.hangs(r.mount, r.hangs)
			w.mu.Lock()
			w.reports = w.reports[1:]
		}
	})
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
	w.reportLocked(mount, false)
}

// close has no further task begun. ended is closed when no task is under way any
// more; a task that hangs is not waited for.
func (w *workers) close() (ended <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed, w.tasks, w.hanging = true, nil, nil
	w.ended = make(chan struct{})
	w.endLocked()
	return w.ended
}

// endLocked notes that the last active worker of closed workers has ended or hangs.
func (w *workers) endLocked() {
	if len(w.active) > 0 {
		return
	}
	if w.round != nil {
		w.round.Stop()
	}
	if w.closed && !w.over {
		w.over = true
		close(w.ended)
	}
}

// idle reports whether no task is under way or waits, but for what hangs.
func (w *workers) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.active) == 0 && len(w.tasks) == 0
}

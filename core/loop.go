package core

import (
	"container/heap"
	"errors"
	"io/fs"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// loop is the goroutine that owns the watch set and the trackers. It turns
// hints into settled changes and puts these into the manager's queue.
type loop struct {
	m    *Manager
	src  Source
	ws   *watchSet
	disk disk

	settling deadlines           // entries by the time of their next look
	linked   map[fileID][]*entry // by file, if it has several names
	writing  int                 // of these, held open for writing at the last look
	stale    []*folder           // must be resolved again
	touched  []*entry            // may have changed

	timer    *time.Timer
	poll     *time.Timer // armed only while something is polled
	polling  bool
	overflow struct {
		at      time.Time // when to compare everything; zero: no need
		last    time.Time
		backoff time.Duration
	}
}

const (
	// slice is how many looks are made before the source is asked again, so
	// that the kernel's queue drains during a storm.
	slice = 64
	// A storm of overflows is answered by comparing everything ever less often.
	minOverflowBackoff = 50 * time.Millisecond
	maxOverflowBackoff = 5 * time.Second
)

func newLoop(m *Manager, src Source) *loop {
	l := &loop{m: m, linked: map[fileID][]*entry{}, src: src, disk: m.opts.disk, ws: newWatchSet(src, m.opts.disk, m.opts.ForcePolling),
		timer: time.NewTimer(time.Hour), poll: time.NewTimer(time.Hour)}
	l.timer.Stop()
	l.poll.Stop()
	l.ws.report = l.reportDirectory
	l.ws.stale = l.markStale
	l.ws.leaf = l.touch
	return l
}

func (l *loop) markStale(f *folder) {
	if !f.stale {
		f.stale = true
		l.stale = append(l.stale, f)
	}
}

func (l *loop) touch(e *entry, why signs) {
	if e.touched == 0 {
		l.touched = append(l.touched, e)
	}
	e.touched |= why
}

// moved notes that another file may stand at the entry's path.
func (l *loop) moved(e *entry) { l.touch(e, replaced) }

func (l *loop) run() {
	defer func() { l.src.Close() }() // it may be another one by then
	for {
		select {
		case <-l.m.done:
			return
		case <-l.m.kick:
		case <-l.timer.C:
		case <-l.poll.C:
			l.polling = false
			l.pollAll()
		case e := <-l.src.Events():
			l.notified(e)
			l.drain()
		case err := <-l.src.Errors():
			l.sourceError(err)
		case j := <-l.m.vetted:
			l.vetted(j)
		case <-l.src.Mounts():
			for _, f := range l.ws.folders {
				l.compare(f)
			}
		}
		l.commands()
		l.reconcile()
		l.settle()
		l.arm()
		l.m.publish(len(l.ws.byID)-len(l.ws.polled), len(l.ws.polled), len(l.settling), l.writing)
		l.m.wakeHost()
	}
}

// drain takes what else the source has ready, up to a bound.
func (l *loop) drain() {
	for range 4 * slice {
		select {
		case e := <-l.src.Events():
			l.notified(e)
		default:
			return
		}
	}
}

func (l *loop) notified(e fsnotify.Event) {
	l.m.notifications.Add(1)
	l.ws.hint(e.Name, signsOf(e.Op))
}

func signsOf(op fsnotify.Op) (why signs) {
	if op.Has(fsnotify.Create | fsnotify.Remove | fsnotify.Rename) {
		why |= replaced
	}
	if op.Has(fsnotify.Write) {
		why |= written
	}
	if op.Has(closeWrite) {
		why |= closed
	}
	if op.Has(fsnotify.Chmod) {
		why |= attributes
	}
	return why
}

func (l *loop) sourceError(err error) {
	if !errors.Is(err, fsnotify.ErrEventOverflow) {
		return // about a watch that is gone already; the disk tells
	}
	now := time.Now()
	o := &l.overflow
	if !o.last.IsZero() && now.Sub(o.last) < 4*o.backoff {
		o.backoff = min(2*o.backoff, maxOverflowBackoff)
	} else {
		o.backoff = minOverflowBackoff
	}
	o.last = now
	if o.at.IsZero() {
		o.at = now.Add(o.backoff - minOverflowBackoff)
	}
	l.m.overflowed()
}

// commands takes over what callers have asked for meanwhile.
func (l *loop) commands() {
	added, removed, hinted := l.m.takeCommands()
	now := time.Now()
	for _, e := range added {
		if !l.m.enabled(e) {
			continue
		}
		l.watch(e)
		l.examined(e, e.baseline)
		// The first look compares with what Enable saw: a change in between, or
		// a file that was being written then, is told.
		e.tracker.hint(now, 0, e.timing)
		e.tracker.firstTime, e.tracker.due = true, now
		if e.present {
			e.tracker.last = time.Time{} // it may have been quiet for long
		}
		l.schedule(e)
	}
	for _, e := range removed {
		l.unwatch(e)
		l.unschedule(e)
	}
	for _, e := range hinted {
		if e.watched {
			l.hint(e, 0, now)
		}
	}
}

// reconcile brings the watch set up to date with the disk and settles every
// file that may have changed. Notifications, polling and overflow all end here.
func (l *loop) reconcile() {
	now := time.Now()
	if o := &l.overflow; !o.at.IsZero() && !now.Before(o.at) {
		o.at = time.Time{}
		for _, f := range l.ws.folders {
			l.markStale(f)
			// Among what was lost may be that a file was written.
			f.entries(func(e *entry) { l.touch(e, written) })
		}
	}
	for len(l.stale) > 0 { // resolving may find further folders to be stale
		todo := l.stale
		l.stale = nil
		for _, f := range todo {
			f.stale = false
			if f.refs > 0 {
				l.ws.resolve(f)
				f.entries(l.moved)
			}
		}
	}
	for _, e := range l.touched {
		why := e.touched
		e.touched = 0
		if !e.watched {
			continue
		}
		if why&replaced != 0 {
			l.ws.link(e)
		}
		l.hint(e, why, now)
		if e.examined.linked && why&(written|closed) != 0 {
			// Its directory does not hear of what is written under another name.
			for _, other := range l.linked[e.examined.id()] {
				if other != e {
					l.hint(other, why, now)
				}
			}
		}
	}
	clear(l.touched)
	l.touched = l.touched[:0]
}

// hint notes that an entry's file may have changed. A delivery of it that still
// waits in the queue is taken back: the file may be half-written again.
func (l *loop) hint(e *entry, why signs, now time.Time) {
	if e.safe != nil && e.safe.leader != nil {
		e = e.safe.leader // one of its further files
	}
	first := l.m.takeBack(e)
	if e.safe != nil && first.IsZero() {
		first = l.overtake(e)
	}
	l.countWriting(e, func() { e.tracker.hint(now, why, e.timing) })
	if !first.IsZero() && first.Before(e.tracker.first) {
		e.tracker.first = first
	}
	l.schedule(e)
}

func (l *loop) schedule(e *entry) {
	if e.heapIndex > 0 {
		heap.Fix(&l.settling, e.heapIndex-1)
		return
	}
	heap.Push(&l.settling, e)
}

func (l *loop) unschedule(e *entry) {
	if e.heapIndex > 0 {
		heap.Remove(&l.settling, e.heapIndex-1)
	}
	l.countWriting(e, func() { e.tracker.idle() })
}

// settle looks at the files whose time has come.
func (l *loop) settle() {
	for range slice {
		now := time.Now()
		if len(l.settling) == 0 || l.settling[0].tracker.due.After(now) {
			return
		}
		e := l.settling[0]
		l.countWriting(e, func() { l.examine(e, now) })
		if e.tracker.settling {
			heap.Fix(&l.settling, 0)
		} else {
			heap.Pop(&l.settling)
		}
	}
}

// countWriting keeps l.writing true across a step of e's tracker.
func (l *loop) countWriting(e *entry, step func()) {
	before := e.tracker.writing
	step()
	switch after := e.tracker.writing; {
	case after && !before:
		l.writing++
	case before && !after:
		l.writing--
	}
}

// examine looks at one file and acts on what its tracker makes of it.
func (l *loop) examine(e *entry, now time.Time) {
	t := &e.tracker
	told, toldHash := l.m.toldOf(e)
	in, err := l.look(e)
	l.examined(e, in)
	if err != nil && !missing(err) {
		l.barred(e, err, now)
		return
	}
	first := t.firstTime
	d := t.look(now, in, told, e.timing, l.m.opts.IgnoreUnchangedContent)
	if d == probe {
		var h *hash
		f := findings{writer: l.m.writerOf(e)}
		if f.writer == denied {
			l.barred(e, fs.ErrPermission, now)
			return
		}
		l.readable(e)
		if first && f.writer == somebody && in.fp == told.fp {
			told = fileInfo{}
			l.m.distrust(e) // the host may have loaded a half-written version
		}
		if f.writer != somebody {
			f.image, h = l.inspect(e, !t.known)
			f.same = h != nil && toldHash != nil && *h == *toldHash && told.fp.exists
		}
		f.after, _ = l.look(e)
		switch d = t.conclude(time.Now(), f, e.timing); {
		case d == refuse:
			l.m.imageRefused(e, f.image)
		case d == tell && e.safe != nil:
			l.vetVersion(e, in, t.first)
		case d == tell:
			l.m.enqueueChange(e, in, h, t.first)
		case d == unchanged && e.safe != nil:
			l.m.adopt(e, in, toldHash)
		case d == unchanged:
			l.m.adopt(e, in, h) // identical content, or the baseline's hash
		}
	}
	if d != wait {
		l.readable(e)
	}
	switch d {
	case gone:
		l.m.enqueueRemoval(e)
	case unchanged:
		l.m.nothingToTell(e)
	}
}

// look says what stands at an entry's path. On a network file system stat may
// answer from a cache for up to a minute, but opening asks the server (nfs(5),
// close-to-open), whose clock says nothing here.
func (l *loop) look(e *entry) (fileInfo, error) {
	in, err := l.disk.stat(e.abs)
	if err != nil || in.kind != kindFile || !e.remote() {
		return l.m.withRest(e, in), err
	}
	if fresh, err := l.disk.readable(e.abs); err == nil {
		in = fresh
	}
	in.changed = 0
	return l.m.withRest(e, in), nil
}

// examined notes what a look found.
func (l *loop) examined(e *entry, in fileInfo) {
	was := e.examined
	e.examined = in
	if was.linked == in.linked && was.id() == in.id() {
		return
	}
	if was.linked {
		if rest := without(l.linked[was.id()], e); len(rest) > 0 {
			l.linked[was.id()] = rest
		} else {
			delete(l.linked, was.id())
		}
	}
	if in.linked {
		l.linked[in.id()] = append(l.linked[in.id()], e)
	}
}

// missing reports whether the error says that there is no file; any other says
// that nobody can know at the moment.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}

// barred notes that an entry's file cannot be examined or read: not by its host
// either, so that there is nothing to tell yet.
func (l *loop) barred(e *entry, err error, now time.Time) {
	e.tracker.barred(now, l.m.opts.PollInterval)
	l.m.fileUnreadable(e, err)
}

// readable ends what barred began.
func (l *loop) readable(e *entry) {
	if e.tracker.denied {
		e.tracker.denied = false
		l.m.fileReadable(e)
	}
}

// inspect reads the file's content, as far as options ask for it.
func (l *loop) inspect(e *entry, fresh bool) (image error, h *hash) {
	o := &l.m.opts
	if e.safe != nil {
		return nil, nil // of its snapshot instead
	}
	if o.CheckImage && fresh {
		if image = l.disk.image(e.abs); image != nil {
			return image, nil
		}
	}
	if o.IgnoreUnchangedContent {
		if sum, err := l.disk.hash(e.abs); err == nil {
			h = &sum
		}
	}
	return nil, h
}

// pollAll compares what sends no notifications, and tries to watch again what
// is polled only for want of room.
func (l *loop) pollAll() {
	if s, ok := l.src.(noSource); ok && s.err != nil {
		if renewed, err := l.m.opts.newSource(); err == nil {
			l.src, l.ws.src = renewed, renewed
		}
	}
	folders := map[*folder]bool{}
	for w := range l.ws.polled {
		for _, f := range w.users() {
			folders[f] = true
		}
		l.ws.retry(w)
	}
	for f := range folders {
		l.compare(f)
	}
}

// compare finds out without a notification what of a folder has changed.
func (l *loop) compare(f *folder) {
	if l.ws.resolve(f) {
		f.entries(l.moved)
		return
	}
	f.entries(func(e *entry) {
		in, _ := l.look(e) // out of reach differs from any version
		if in.fp != e.examined.fp || (l.m.opts.IgnoreUnchangedContent && in.changed != e.examined.changed) {
			l.examined(e, in)
			l.moved(e)
		}
	})
}

// arm sets the timers for what is due next; idle, neither runs.
func (l *loop) arm() {
	var due time.Time
	if len(l.settling) > 0 {
		due = l.settling[0].tracker.due
	}
	if at := l.overflow.at; !at.IsZero() && (due.IsZero() || at.Before(due)) {
		due = at
	}
	if due.IsZero() {
		l.timer.Stop()
	} else {
		l.timer.Reset(max(0, time.Until(due)))
	}
	if want := len(l.ws.polled) > 0; want != l.polling {
		l.polling = want
		if want {
			l.poll.Reset(l.m.opts.PollInterval)
		} else {
			l.poll.Stop()
		}
	}
}

func (l *loop) reportDirectory(code HealthCode, dir, why string) {
	msg := "watching the directory again"
	if code == HealthPolling {
		msg = "polling the directory: " + why
	}
	l.m.health(code, "", dir, msg)
}

// deadlines is a heap of entries by the time of their next look.
type deadlines []*entry

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].tracker.due.Before(d[j].tracker.due) }
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].heapIndex, d[j].heapIndex = i+1, j+1
}
func (d *deadlines) Push(x any) {
	e := x.(*entry)
	*d = append(*d, e)
	e.heapIndex = len(*d)
}
func (d *deadlines) Pop() any {
	old := *d
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	e.heapIndex = 0
	return e
}

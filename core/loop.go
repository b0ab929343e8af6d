package core

import (
	"container/heap"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/settle"
	"github.com/qtforge/hotreload/core/internal/watch"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// loop is the goroutine that owns the watch set and the machines. It turns
// hints into settled changes and puts these into the manager's queue.
type loop struct {
	m    *Manager
	src  watch.Source
	ws   *watchSet
	disk fsys.Disk

	newcomers
	work     map[*entry]*work // what is settling, and what rests at another version than the host knows
	settling deadlines        // of these, by the time of their next look
	writing  int              // of these, held open for writing at the last look
	linked   map[fsys.ID][]*entry
	links    map[*entry]fsys.ID // files with several names
	stale    []*folder          // must be resolved again
	touched  []*entry           // may have changed
	found    []*pendingChange   // complete, to be told
	spare    []*work            // for reuse
	busiest  int                // how many work has held since it was made
	turnover int                // plugins taken up or given up since the last bulk
	bulk     bool               // Options.Bulk was told so

	timer    *time.Timer
	poll     *time.Timer // armed only while something is polled
	polling  bool
	overflow comparison // because notifications were lost
	mounts   comparison // because a file system was mounted or unmounted
}

// work is what the loop must know of a plugin whose file is settling.
type work struct {
	e         *entry
	machine   settle.Machine
	examined  fsys.Info // at the last look
	seen      bool      // examined is what linking has just seen
	heapIndex int       // in the loop's heap, from 1; 0: not in it
}

const (
	// slice is how many looks are made before the source is asked again, so
	// that the kernel's queue drains during a storm.
	slice = 64
)

func newLoop(m *Manager, src watch.Source) *loop {
	l := &loop{m: m, src: src, work: map[*entry]*work{}, linked: map[fsys.ID][]*entry{}, links: map[*entry]fsys.ID{}, disk: m.opts.disk, ws: newWatchSet(src, m.opts.disk, m.opts.ForcePolling),
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
	if e.state&noSigns == e.state {
		l.touched = append(l.touched, e)
	}
	e.state |= why
}

// moved notes that another file may stand at the entry's path.
func (l *loop) moved(e *entry) { l.touch(e, replaced) }

func (l *loop) run() {
	defer func() { l.src.Close() }() // it may be another one by then
	defer l.setBulk(false)
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
			l.mounts.request(time.Now())
		}
		l.commands()
		l.first()
		l.reconcile()
		l.settle()
		l.arm()
		l.m.publish(int(l.ws.byID.live)-l.ws.polled, l.ws.polled, len(l.settling)+len(l.waiting), l.writing)
		l.m.wakeHost()
		l.rested()
	}
}

// many plugins that come or go at once are worth telling Options.Bulk of.
const many = 4096

// rested notes that all is done, if it is.
func (l *loop) rested() {
	if len(l.waiting) > 0 || l.coming || len(l.settling) > 0 {
		return
	}
	if l.turnover >= many {
		l.turnover = 0
		l.setBulk(true)
	}
	l.setBulk(false)
}

func (l *loop) setBulk(under bool) {
	if call := l.m.opts.Bulk; call != nil && under != l.bulk {
		l.bulk = under
		call(under)
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

// notified takes a notification over. A watch on "/" names what is in it "//name".
func (l *loop) notified(e fsnotify.Event) {
	l.m.notifications.Add(1)
	l.ws.hint(filepath.Clean(e.Name), signsOf(e.Op))
}

func signsOf(op fsnotify.Op) (why signs) {
	if op.Has(fsnotify.Create | fsnotify.Remove | fsnotify.Rename) {
		why |= replaced
	}
	if op.Has(fsnotify.Write) {
		why |= written
	}
	if op.Has(watch.CloseWrite) {
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
	l.overflow.request(time.Now())
	l.m.overflowed()
}

// commands takes over what callers have asked for meanwhile.
func (l *loop) commands() {
	now := time.Now()
	added, removed, hinted := l.m.takeCommands(l.expecting(now))
	l.arrive(added, now)
	if l.turnover += len(removed); len(l.waiting) >= many {
		l.setBulk(true)
	}
	for _, e := range removed {
		l.unwatch(e)
		if w := l.work[e]; w != nil {
			if w.machine.Writing() {
				l.writing--
			}
			l.drop(w)
		}
	}
	for _, e := range hinted {
		// What is settling, or not seen yet, is looked at in any case.
		if w := l.work[e]; e.state&(watching|unseen) == watching && (w == nil || !w.machine.Settling()) {
			l.hint(e, 0, now)
		}
	}
}

// reconcile brings the watch set up to date with the disk and settles every
// file that may have changed. Notifications, polling and overflow all end here.
func (l *loop) reconcile() {
	now := time.Now()
	if l.mounts.begin(now) {
		l.ws.renew() // a file system that is unmounted takes its watches along
		for _, f := range l.ws.folders {
			l.compare(f)
		}
	}
	if l.overflow.begin(now) {
		l.ws.renew() // among what was lost may be that a directory was removed
		for _, f := range l.ws.folders {
			l.markStale(f)
			// Among what was lost may be that a file was written.
			f.entries(func(e *entry) { l.touch(e, written) })
		}
	}
	for l.ws.spread(); len(l.stale) > 0; l.ws.spread() { // resolving may find further folders to be stale
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
		why := e.state &^ noSigns
		e.state &= noSigns
		if e.state&watching == 0 {
			continue
		}
		if why&replaced != 0 || e.state&unseen != 0 {
			in, ok := l.link(e)
			if w := l.hint(e, why, now); ok && w.e == e && w.machine.Options.Quiet == 0 {
				w.examined, w.seen = in, true // the look follows at once
			}
		} else if !l.onlyAttributes(e, why) {
			l.hint(e, why, now)
		}
		if id, ok := l.links[e]; ok && why&(written|closed) != 0 {
			// Its directory does not hear of what is written under another name.
			for _, other := range l.linked[id] {
				if other != e {
					l.hint(other, why, now)
				}
			}
		}
	}
	clear(l.touched)
	l.touched = l.touched[:0]
}

// onlyAttributes reports whether all that was heard of a plugin with safe reload is
// that attributes changed, while its version is validated or waits for the host.
// The snapshot of that version stays as it is.
func (l *loop) onlyAttributes(e *entry, why signs) bool {
	s := e.safe()
	if s == nil || why != attributes {
		return false
	}
	if s.leader != nil {
		e, s = s.leader, s.leader.safe()
	}
	var version fsys.Info
	if s.job != nil {
		version = s.job.info
	} else {
		version = l.m.pendingOf(e)
	}
	in, err := l.stat(e, l.at(e))
	return err == nil && version.Kind == fsys.Regular && in.Fingerprint == version.Fingerprint
}

// hint notes that an entry's file may have changed. A delivery of it that still
// waits in the queue is taken back: the file may be half-written again.
func (l *loop) hint(e *entry, why signs, now time.Time) *work {
	s := e.safe()
	if s != nil && s.leader != nil {
		e, s = s.leader, s.leader.safe() // one of its further files
	}
	first := l.m.takeBack(e)
	if s != nil && first.IsZero() {
		first = l.overtake(s)
	}
	w := l.begin(e)
	w.seen = false
	n := settle.Notification{Written: why&written != 0, Closed: why&closed != 0, Replaced: why&replaced != 0, AttributesOnly: why == attributes,
		// With "replaced" nobody knows whether that came before the write or after it.
		ClosesReported: watch.CloseWrite != 0 && why&replaced == 0,
		FirstCheck:     e.state&unseen != 0, Since: first}
	e.state &^= unseen
	l.countWriting(w, func() { w.machine.Notify(n, now) })
	l.schedule(w)
	return w
}

// begin returns the work on an entry.
func (l *loop) begin(e *entry) *work {
	w := l.work[e]
	if w == nil {
		if n := len(l.spare); n > 0 {
			w, l.spare = l.spare[n-1], l.spare[:n-1]
		} else {
			w = new(work)
		}
		*w = work{e: e, machine: settle.Machine{Options: l.m.settleOptions(e)}}
		l.work[e] = w
		l.busiest = max(l.busiest, len(l.work))
	}
	return w
}

// drop ends the work on an entry.
func (l *loop) drop(w *work) {
	if w.heapIndex > 0 {
		heap.Remove(&l.settling, w.heapIndex-1)
	}
	delete(l.work, w.e)
	if len(l.work) == 0 && l.busiest > slice {
		l.work, l.busiest = map[*entry]*work{}, 0 // a map does not shrink
	}
	if *w = (work{}); len(l.spare) < slice {
		l.spare = append(l.spare, w)
	}
}

func (l *loop) schedule(w *work) {
	if w.heapIndex > 0 {
		heap.Fix(&l.settling, w.heapIndex-1)
		return
	}
	heap.Push(&l.settling, w)
}

// settle looks at the files whose time has come.
func (l *loop) settle() {
	for range slice {
		now := time.Now()
		if len(l.settling) == 0 || l.settling[0].machine.Due().After(now) {
			break
		}
		l.look(l.settling[0], now)
	}
	l.deliver()
}

// deliver passes on what was found complete. A hint takes back what was passed
// on, so that no hint may come in between.
func (l *loop) deliver() {
	if len(l.found) > 0 {
		l.m.enqueueChanges(l.found)
		l.m.wakeHost() // before the rest of the turn
		clear(l.found)
		l.found = l.found[:0]
	}
}

// look examines one file and keeps the work on it as long as it is needed.
func (l *loop) look(w *work, now time.Time) {
	var d settle.Decision
	l.countWriting(w, func() { d = l.examine(w, now) })
	switch s := &w.machine; {
	case s.Settling():
		l.schedule(w)
	case (d == settle.Deliver || d == settle.Unchanged && w.examined.Kind == fsys.Regular) && w.e.safe() == nil && !s.HasRejected():
		l.drop(w) // the host knows, or is told, what was examined
	default:
		l.rest(w)
	}
}

// rest ends the work on an entry, unless there is something to remember.
func (l *loop) rest(w *work) {
	switch s := &w.machine; {
	case !s.HasRejected() && !s.IsUnreadable() && l.atKnown(w):
		l.drop(w)
	case w.heapIndex > 0:
		heap.Remove(&l.settling, w.heapIndex-1)
	}
}

// atKnown reports whether the file is at the version that the host knows.
func (l *loop) atKnown(w *work) bool {
	known := l.m.knownOf(w.e)
	return known == versionOf(&w.examined) || (!l.m.opts.IgnoreUnchangedContent && known.Is(versionOf(&w.examined)))
}

// countWriting keeps l.writing true across a step of a machine.
func (l *loop) countWriting(w *work, step func()) {
	before := w.machine.Writing()
	step()
	switch after := w.machine.Writing(); {
	case after && !before:
		l.writing++
	case before && !after:
		l.writing--
	}
}

// examine looks at one file and acts on what its machine makes of it.
func (l *loop) examine(w *work, now time.Time) settle.Decision {
	e, state := w.e, &w.machine
	s := e.safe()
	told, toldHash := l.m.toldOf(e)
	at := l.at(e)
	in, err := w.examined, error(nil)
	if !w.seen {
		in, err = l.stat(e, at)
	}
	w.examined, w.seen = in, false
	l.linkedTo(e, &in)
	if err != nil && !missing(err) {
		l.barred(w, err, now)
		return settle.Wait
	}
	first, same := state.FirstCheck(), false
	var h *fsys.Hash
	d := state.Observe(settle.Observation{Kind: kindForSettling(&in), Version: versionOf(&in), Baseline: told, Empty: in.Fingerprint.Size == 0}, now)
	if d == settle.Probe {
		var r settle.ProbeResult
		var image error
		whole := time.Now() // complete now or never
		writer, after, err := l.m.writerOf(e, at)
		if err != nil {
			l.barred(w, err, now)
			return settle.Wait
		}
		l.readable(w)
		r.Writer = writer
		if first && r.Writer == fsys.HasWriter && told.Is(versionOf(&in)) {
			l.m.distrust(e) // the host may have loaded a half-written version
		}
		switch {
		case s != nil: // its content is examined in its snapshot
			after, _ = l.stat(e, at)
		case r.Writer != fsys.HasWriter && l.contents():
			image, h = l.inspect(at, !state.AtBaseline())
			r.Incomplete = image != nil
			r.Identical = h != nil && toldHash != nil && *h == *toldHash && told.Exists()
			after, _ = l.stat(e, at)
		}
		r.After = versionOf(&after)
		switch d = state.Probed(r, time.Now()); {
		case d == settle.Reject:
			l.m.imageRefused(e, image)
		case d == settle.Deliver && s != nil:
			l.vetVersion(e, in, state.FirstNotified())
		case d == settle.Deliver:
			l.found = append(l.found, &pendingChange{e: e, info: in, hash: h, first: state.FirstNotified(), whole: whole})
		case d == settle.Unchanged && s != nil:
			same, h = true, toldHash
		case d == settle.Unchanged:
			same = true // identical content, the baseline's hash, or another inode time
		}
	}
	if d != settle.Wait {
		l.readable(w)
	}
	switch d {
	case settle.Removed:
		l.m.enqueueRemoval(e)
	case settle.Unchanged:
		if same = same && (h != nil || told != versionOf(&in)); same || !first {
			l.m.nothingToTell(e, same, &in, h)
		}
		l.m.unchanged.Add(1)
	}
	return d
}

// kindForSettling is what stands at a plugin's path, in the words of package settle.
func kindForSettling(in *fsys.Info) settle.Kind {
	switch in.Kind {
	case fsys.Missing:
		return settle.Missing
	case fsys.Regular:
		return settle.RegularFile
	}
	return settle.Other
}

// at is where an entry's path leads, in memory that the next call reuses.
func (l *loop) at(e *entry) string {
	return fsys.JoinPath(e.folder.text, e.name())
}

// link follows an entry's path. If a plain file stands at its end on a file
// system that can be trusted, it says what stat would.
func (l *loop) link(e *entry) (in fsys.Info, ok bool) {
	in = l.ws.link(e)
	return in, in.Kind == fsys.Regular && !l.ws.remote(e) && e.safe() == nil
}

// stat says what stands at an entry's path.
func (l *loop) stat(e *entry, at string) (fsys.Info, error) {
	return l.m.statAt(e, at, l.ws.remote(e))
}

// linkedTo notes under which file an entry is found, if that has several names.
func (l *loop) linkedTo(e *entry, in *fsys.Info) {
	was, had := l.links[e]
	if had == in.Linked && (!had || was == in.ID()) {
		return
	}
	if had {
		delete(l.links, e)
		if rest := without(l.linked[was], e); len(rest) > 0 {
			l.linked[was] = rest
		} else {
			delete(l.linked, was)
		}
	}
	if in.Linked {
		l.links[e] = in.ID()
		l.linked[in.ID()] = append(l.linked[in.ID()], e)
	}
}

// missing reports whether the error says that there is no file; any other says
// that nobody can know at the moment.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}

// barred notes that an entry's file cannot be examined or read: not by its host
// either, so that there is nothing to tell yet.
func (l *loop) barred(w *work, err error, now time.Time) {
	w.machine.Unreadable(l.m.opts.PollInterval, now)
	l.m.fileUnreadable(w.e, err)
}

// readable ends what barred began.
func (l *loop) readable(w *work) {
	if w.machine.Readable() {
		l.m.fileReadable(w.e)
	}
}

// contents reports whether options ask for reading files.
func (l *loop) contents() bool {
	return l.m.opts.CheckImage || l.m.opts.IgnoreUnchangedContent
}

// inspect reads the file's content, as far as options ask for it.
func (l *loop) inspect(at string, fresh bool) (image error, h *fsys.Hash) {
	o := &l.m.opts
	if o.CheckImage && fresh {
		if image = o.imageAt(at); image != nil {
			return image, nil
		}
	}
	if o.IgnoreUnchangedContent {
		if sum, err := o.hashAt(at); err == nil {
			h = &sum
		}
	}
	return nil, h
}

// pollAll compares what sends no notifications, and tries to watch again what
// is polled only for want of room.
func (l *loop) pollAll() {
	if s, ok := l.src.(watch.None); ok && s.Err != nil {
		if renewed, err := l.m.opts.newSource(); err == nil {
			l.src, l.ws.src = renewed, renewed
		}
	}
	var polled []*folder
	for _, f := range l.ws.folders {
		if f.polled() {
			polled = append(polled, f)
		}
	}
	l.ws.retry()
	for _, f := range polled {
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
		in, _ := l.stat(e, l.at(e)) // out of reach differs from any version
		if l.differs(e, &in) {
			l.moved(e)
		}
	})
}

// differs reports whether a file has changed since the last look at it.
func (l *loop) differs(e *entry, in *fsys.Info) bool {
	contents := l.m.opts.IgnoreUnchangedContent
	if w := l.work[e]; w != nil {
		was := &w.examined
		differs := in.Fingerprint != was.Fingerprint || ((contents || w.machine.HasRejected()) && in.Changed != was.Changed)
		w.examined = *in
		return differs
	}
	if s := e.safe(); s != nil && s.leader != nil {
		was := e.told
		e.told = versionOf(in) // nobody else uses it
		return !was.Is(versionOf(in))
	}
	was := l.m.knownOf(e)
	return !was.Is(versionOf(in)) || (contents && in.Changed != was.Changed)
}

// arm sets the timers for what is due next; idle, neither runs.
func (l *loop) arm() {
	var due time.Time
	if len(l.settling) > 0 {
		due = l.settling[0].machine.Due()
	}
	for _, at := range []time.Time{l.overflow.at, l.mounts.at, l.newcomers.due()} {
		if !at.IsZero() && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	if due.IsZero() {
		l.timer.Stop()
	} else {
		l.timer.Reset(max(0, time.Until(due)))
	}
	if want := l.ws.polled > 0; want != l.polling {
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

// deadlines is a heap of work by the time of the next look.
type deadlines []*work

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].machine.Due().Before(d[j].machine.Due()) }
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].heapIndex, d[j].heapIndex = i+1, j+1
}
func (d *deadlines) Push(x any) {
	w := x.(*work)
	*d = append(*d, w)
	w.heapIndex = len(*d)
}
func (d *deadlines) Pop() any {
	old := *d
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	w.heapIndex = 0
	return w
}

// SPDX-License-Identifier: MIT

package engine

import (
	"container/heap"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/settle"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// intake is the part of an Engine that turns notifications into complete changes.
// All of it is behind Engine.mu. Whoever has something new takes the lock, notes it
// and calls turn: a notification, the answer of a worker, a timer, a call from
// outside. Nothing that is done with the lock held blocks: what may block is a task
// for the workers, whose answer is noted in the same way. So each decision is made
// in one piece, with everything in view.
//
//	notification ──► watch.Set ──► settle.Machine ──► task: check the file ──► settle.Machine ──► queue
type intake struct {
	src      *source
	root     fsys.ID // of the process; zero: not known yet
	set      *watch.Set
	settling map[*plugin]*work // what settles, and what rests at another version than the host knows
	due      deadlines         // of these, by the time of the next check
	writing  int               // of these, held open for writing at the last check
	linked   map[fsys.ID][]*plugin
	links    map[*plugin]fsys.ID     // files with several names
	polls    map[*watch.Folder]bool  // comparisons of folders under way; true: another one is to follow
	apart    map[*plugin]watch.Signs // comparisons under way, and what to look for after them
	hanging  map[*watch.Folder]bool  // a walk there does not come back

	shortestQuiet time.Duration // of all plugins since there were none

	timer    *time.Timer // for what is due next; idle, it does not run
	poll     periodic    // runs only while something is polled
	safety   periodic    // runs only while something may change without notifications
	holders  holders     // what is held open for long
	overflow comparison  // because notifications were lost
	mounts   comparison  // because a file system was mounted or unmounted
	doubts   map[*plugin]*doubt
	bulk     bulk
}

// work is what a plugin needs while its file settles.
type work struct {
	p         *plugin
	machine   settle.Machine
	epoch     uint32      // counts notifications: the answer to an older check is dropped
	checking  bool        // a check is under way
	parked    bool        // due, but a folder on its path is being walked to
	remounted bool        // its file system may have been mounted anew since the baseline
	overdue   bool        // a comparison has found what a notification ought to have said
	explained bool        // a notification came, or it is known why none did
	signs     watch.Signs // since the check before began
	examined  fsys.Info   // at the last check
	candidate *candidate  // the version being validated
	heapIndex int         // in due, from 1; 0: not in it
}

// startEngine makes the engine ready and reads the source until the manager is closed.
func (m *Engine) startEngine(src watch.Source) {
	e := &m.intake
	e.set = watch.NewSet(m.opts.ForcePolling, m.reportPolling)
	e.settling = map[*plugin]*work{}
	e.linked, e.links = map[fsys.ID][]*plugin{}, map[*plugin]fsys.ID{}
	e.apart = map[*plugin]watch.Signs{}
	e.polls, e.hanging = map[*watch.Folder]bool{}, map[*watch.Folder]bool{}
	e.poll.do, e.safety.do = m.timerStep(m.pollAll), m.timerStep(m.checkSafety)
	m.workers.start, m.workers.mountOf = m.contained, m.opts.mountOf
	m.workers.hangs = m.mountHangs
	m.useSource(src)
}

func (m *Engine) noteEvent(ev fsnotify.Event, now time.Time) {
	m.stats.Notifications++
	m.intake.set.Note(ev, now)
}

func (m *Engine) noteMount() {
	clear(m.intake.doubts)
	m.intake.mounts.request(time.Now())
}

func (m *Engine) noteOverflow() {
	m.stats.Overflows++
	clear(m.intake.doubts)
	m.healthLocked(HealthOverflow, "", "", "the system dropped notifications; comparing every plugin with the disk")
	m.intake.overflow.request(time.Now())
}

// step notes something new and turns. It runs on a goroutine of the manager.
func (m *Engine) step(note func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	note()
	m.turn()
}

// turn goes on with everything that can go on now.
func (m *Engine) turn() {
	e := &m.intake
	if m.closed || m.failed != "" || e.set == nil {
		return
	}
	now := time.Now()
	if e.mounts.begin(now) {
		e.set.Renew() // a file system that is unmounted takes its watches along
	}
	if e.overflow.begin(now) {
		e.set.Renew() // among what was lost may be that a directory was removed
		e.set.Folders(func(f *watch.Folder) {
			f.Leaves(func(l *watch.Leaf) { e.set.Touch(l, watch.Written|watch.Lost) }) // or that a file was written
			for _, l := range f.Listeners() {
				l.(*listedDir).lost = true
			}
		})
	}
	for {
		m.startWalks()
		noted := false
		e.set.Noted(func(l *watch.Leaf, signs watch.Signs) {
			noted = true
			if p := m.plugins.of(l); p != nil {
				m.notice(p, signs, now)
			} else {
				m.noticeMarker(l)
			}
		})
		e.set.Stirred(func(l watch.Listener) { m.list(l.(*listedDir)) })
		if !noted {
			break
		}
	}
	e.set.EndSparing(now)
	e.set.Restored(m.compareRestored)
	m.startOrders()
	if !e.isDue(now) || !e.src.want() { // what was notified comes first
		m.startChecks(now)
	}
	m.arm(now)
}

// startWalks has the folders walked to whose path chains are to be found out.
func (m *Engine) startWalks() {
	for _, errand := range m.intake.set.ToWalk() {
		dir := errand.Folder.Dir()
		m.workers.add(task{where: m.intake.set.WhereaboutsOf(errand.Folder), do: func(at func(string)) {
			w := m.walkTo(dir, at)
			m.step(func() { m.walked(errand, &w) })
		}, stuck: func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			if !errand.Folder.IsWalked() { // it may have returned by now
				m.intake.hanging[errand.Folder] = true
				m.changed.Broadcast()
			}
		}})
	}
}

// walked takes over where a folder is. What lies in it may have changed before it was
// watched there.
func (m *Engine) walked(errand watch.Errand, w *watch.Walk) {
	e := &m.intake
	delete(e.hanging, errand.Folder)
	done, news := e.set.Apply(errand, w)
	m.deafen()
	if !done {
		return
	}
	m.changed.Broadcast() // for awaitWatch
	m.listFolder(errand.Folder)
	m.reportStaleFolder(errand.Folder, w.Deleted)
	errand.Folder.Leaves(func(l *watch.Leaf) {
		p := m.plugins.of(l)
		if p == nil {
			m.compareMarker(l)
			return
		}
		if news == watch.Moved {
			e.set.Touch(l, watch.Replaced)
		}
		k := e.settling[p]
		if k == nil || !k.machine.Settling() {
			return
		}
		k.epoch++ // a check that is under way may have missed what happened before the watch
		k.signs |= watch.Differs
		k.explained = true
		reached := l.Folder() != errand.Folder && news == watch.Known // by a link that the latest check found
		if !reached && !k.machine.FirstCheck() {
			m.notify(p, watch.Differs|watch.Lost, time.Now()) // the watches are other ones
		}
		if k.parked {
			k.parked = false
			m.schedule(k)
		}
	})
	switch news {
	case watch.Known:
		m.compareFolder(errand.Folder, watch.Differs, nil)
	case watch.Renewed:
		m.compareFolder(errand.Folder, watch.Differs|watch.Remounted|watch.Lost, nil)
	}
}

// notice takes a notification about a plugin's files, its companion files included.
// A change that waits to be delivered is taken back: the file may be half-written
// again.
func (m *Engine) notice(p *plugin, signs watch.Signs, now time.Time) {
	if signs == watch.Attributes && p.safe != nil && m.versionInHand(p).Kind == fsys.Regular {
		m.compareAttributes(p)
		return
	}
	m.notify(p, signs, now)
	if id, ok := m.intake.links[p]; ok && signs&(watch.Written|watch.Closed) != 0 {
		// Its directory does not report what is written under another name.
		for _, other := range m.intake.linked[id] {
			if other != p {
				m.notify(other, signs, now)
			}
		}
	}
}

func (m *Engine) notify(p *plugin, signs watch.Signs, now time.Time) {
	since := m.takeBack(p)
	w := m.begin(p)
	if !w.machine.Settling() {
		w.overdue, w.explained = false, false
	}
	if c := w.candidate; c != nil {
		since = m.supersede(w)
	}
	if signs != watch.Attributes {
		w.epoch++
	}
	m.note(p, LogDebug, DecisionNoticed, textOfSigns(signs))
	w.signs |= signs
	m.explain(w, signs)
	w.remounted = w.remounted || signs&watch.Remounted != 0
	n := settle.Notification{Written: signs&watch.Written != 0, Closed: signs&watch.Closed != 0, Replaced: signs&watch.Replaced != 0,
		AttributesOnly: signs == watch.Attributes, ClosesReported: watch.CloseWrite != 0 && !m.opts.ForcePolling, Lost: signs&watch.Lost != 0, Since: since}
	m.countWriting(w, func() { w.machine.Notify(n, now) })
	m.schedule(w)
}

// begin returns the work on a plugin.
func (m *Engine) begin(p *plugin) *work {
	e := &m.intake
	w := e.settling[p]
	if w == nil {
		w = &work{p: p, machine: settle.Machine{Options: m.settleOptions(p)}}
		e.settling[p] = w
	}
	return w
}

// end ends the work on a plugin.
func (m *Engine) end(w *work) {
	e := &m.intake
	if w.heapIndex > 0 {
		heap.Remove(&e.due, w.heapIndex-1)
	}
	if w.machine.Writing() {
		e.writing--
	}
	delete(e.settling, w.p)
	if len(e.settling) == 0 {
		e.settling = map[*plugin]*work{} // a map does not shrink
	}
}

// schedule has a work checked when it is due.
func (m *Engine) schedule(w *work) {
	if !w.machine.Settling() {
		return
	}
	if w.heapIndex > 0 {
		heap.Fix(&m.intake.due, w.heapIndex-1)
		return
	}
	heap.Push(&m.intake.due, w)
}

// rest ends the work on a plugin, unless there is something to remember.
func (m *Engine) rest(w *work) {
	s := &w.machine
	if s.Settling() || w.candidate != nil {
		return
	}
	if !s.HasRejected() && !s.IsUnreadable() && m.atBaseline(w) {
		m.end(w)
	} else if w.heapIndex > 0 {
		heap.Remove(&m.intake.due, w.heapIndex-1)
	}
}

// atBaseline reports whether the file is at the version that the host knows, or is
// about to.
func (m *Engine) atBaseline(w *work) bool {
	known, v := w.p.hostWillKnow(), versionOf(&w.examined)
	return known == v || (!m.opts.IgnoreUnchangedContent && known.Is(v))
}

// countWriting keeps engine.writing true across a step of a machine.
func (m *Engine) countWriting(w *work, step func()) {
	before := w.machine.Writing()
	step()
	switch after := w.machine.Writing(); {
	case after && !before:
		m.intake.writing++
	case before && !after:
		m.intake.writing--
	}
}

// versionInHand is the version of a plugin that is being validated, or that waits for
// the host.
func (m *Engine) versionInHand(p *plugin) (in fsys.Info) {
	if w := m.intake.settling[p]; w != nil && w.candidate != nil {
		return w.candidate.info
	}
	if p.rare != nil && p.rare.pending != nil {
		return p.rare.pending.info
	}
	return in
}

// linkedTo notes under which file a plugin is found, if that has several names.
func (m *Engine) linkedTo(p *plugin, in *fsys.Info) {
	e := &m.intake
	was, had := e.links[p]
	if had == in.Linked && (!had || was == in.ID()) {
		return
	}
	if had {
		delete(e.links, p)
		rest := e.linked[was]
		for i, q := range rest {
			if q == p {
				rest[i] = rest[len(rest)-1]
				rest = rest[:len(rest)-1]
				break
			}
		}
		if e.linked[was] = rest; len(rest) == 0 {
			delete(e.linked, was)
		}
	}
	if in.Linked {
		e.links[p] = in.ID()
		for _, q := range e.linked[in.ID()] {
			e.set.Touch(&q.Leaf, watch.Differs) // it may have been written under p's name before
		}
		e.linked[in.ID()] = append(e.linked[in.ID()], p)
		m.findLinked(in)
	}
}

// manyLinks is how many plugins with several names there may be before findLinked would
// take too long. Of so many each was most likely found to be linked by itself.
const manyLinks = 1000

// findLinked finds the plugins that are the same file, but had one name only when they
// were checked last.
func (m *Engine) findLinked(in *fsys.Info) {
	e, identity := &m.intake, versionOf(in).Fingerprint[0]
	if len(e.links) > manyLinks {
		return
	}
	m.plugins.byID.All(func(q *plugin) {
		if _, known := e.links[q]; !known && q.hostWillKnow().Fingerprint[0] == identity {
			e.links[q] = in.ID()
			e.linked[in.ID()] = append(e.linked[in.ID()], q)
			e.set.Touch(&q.Leaf, watch.Differs) // it may have been written under this name already
		}
	})
}

// arm sets the timers for what is due next. Idle, neither runs.
func (m *Engine) arm(now time.Time) {
	e := &m.intake
	var due time.Time
	if len(e.due) > 0 && !e.isDue(now) { // what is due waits for notifications
		due = e.due[0].machine.Due()
	}
	for _, at := range []time.Time{e.overflow.at, e.mounts.at, e.set.SparedUntil()} {
		if !at.IsZero() && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	switch {
	case due.IsZero() && e.timer != nil:
		e.timer.Stop()
	case due.IsZero():
	case e.timer == nil:
		e.timer = time.AfterFunc(max(0, due.Sub(now)), m.timerStep(func() {}))
	default:
		e.timer.Reset(max(0, due.Sub(now)))
	}
	_, directories := e.set.Count()
	_, files := e.set.CountFiles()
	e.poll.want(directories+files > 0, m.opts.PollInterval)
	e.safety.want(m.opts.SafetyCheck != NoSafetyCheck && e.set.CountUnreliable() > 0, m.opts.SafetyCheck)
}

// timerStep is a step that a timer runs.
func (m *Engine) timerStep(note func()) func() {
	return func() { m.guard("a timer", func() { m.step(note) }) }
}

// reportPolling says that a directory or file begins to be polled, or ceases to be.
func (m *Engine) reportPolling(polling bool, what, path, why string) {
	if polling {
		m.healthLocked(HealthPolling, "", path, "polling the "+what+": "+why)
	} else {
		m.healthLocked(HealthWatching, "", path, "watching the "+what+" again")
	}
}

// mountHangs says that a file system does not answer, or answers again.
func (m *Engine) mountHangs(mount string, hangs bool) {
	m.step(func() {
		if hangs {
			m.healthLocked(HealthHanging, "", mount, "the file system does not answer; its plugins wait until it does")
		} else {
			m.healthLocked(HealthAnswering, "", mount, "the file system answers again")
		}
	})
}

// SPDX-License-Identifier: MIT

package engine

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// A change may have waited to be delivered, and a callback may take long. So a file is checked
// once more before its delivery and compared once more after it. A worker does that, and to
// wake one for each of many changes would cost more than the checks.

const (
	// confirmAfter is how long a change may have waited in the queue before its file is
	// checked again: the host may have been busy, and the file be another one or
	// half-written anew, with the notification still on its way.
	confirmAfter = time.Millisecond
	// mostAhead is how many of the changes behind one are checked together with it.
	mostAhead = 63
)

// confirmation is a check of the file of a change that has waited.
type confirmation struct {
	c     *pendingChange
	files pluginFiles
	at    time.Time
	good  bool // the change may be delivered
	found fsys.Info
}

// confirm checks the file of the change in front once more, if the change has
// waited. Until the answer is there the change stays in the queue, so that whatever
// is noticed of the file meanwhile, or becomes of its plugin, takes it back. If the
// file is not what it was, or its file system hangs, it settles anew.
func (m *Engine) confirm(c *pendingChange) bool {
	if time.Since(c.seen) < confirmAfter {
		return true
	}
	all := m.toConfirm(c)
	answered, good, found := false, false, c.info
	answer := func(made []confirmation) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if answered {
			return
		}
		answered = true
		for i := range made {
			if k := &made[i]; k.good {
				k.c.seen, k.c.foreseen = k.at, true
			}
		}
		if len(made) > 0 {
			good, found = made[0].good, made[0].found
		}
		m.changed.Broadcast()
	}
	m.workers.add(task{where: m.whereabouts(c.p), stuck: func() { answer(nil) }, do: func(at func(string)) {
		begun, n := time.Now(), 0
		for n == 0 || n < len(all) && time.Since(begun) < confirmAfter/2 {
			m.ask(&all[n], at)
			n++
		}
		answer(all[:n])
	}})
	for !answered && !m.closed && !c.Withdrawn() && m.failed == "" {
		m.changed.Wait()
	}
	if m.closed || c.Withdrawn() || m.failed != "" {
		return false
	}
	if good {
		return m.gate.ChangesOpen() // or it goes on waiting
	}
	m.withdraw(c.p)
	m.note(c.p, LogDebug, DecisionSuperseded, "taken back at its delivery: the file has changed")
	c.p.withdrawn(&c.info)
	m.discardLocked(c.snap)
	m.checkSoon(c.p, &c.info, &found)
	m.turn()
	return false
}

// toConfirm returns the checks of the change in front, and of those behind it that lie in the
// same directory. These are ever more as long as they are delivered before they would have to
// be checked again.
func (m *Engine) toConfirm(c *pendingChange) []confirmation {
	if c.foreseen {
		m.ahead = 0
	} else {
		m.ahead = min(2*m.ahead+1, mostAhead)
	}
	all := []confirmation{{c: c, files: m.filesOf(c.p)}}
	m.gate.Behind(c, m.ahead, func(o *pendingChange) {
		if o.p.Folder() != c.p.Folder() {
			return
		}
		if files := m.filesOf(o.p); files.areTogether() {
			all = append(all, confirmation{c: o, files: files})
		}
	})
	return all
}

// ask carries a check out. It runs on a worker.
func (m *Engine) ask(k *confirmation, at func(string)) {
	k.at = time.Now()
	in, err := m.statFiles(&k.files, at)
	k.found = in
	if k.c.removal {
		k.good = err != nil || in.Kind != fsys.Regular
	} else {
		k.good = err == nil && sameVersion(&in, &k.c.info) && (k.c.decided.isOpen || !m.hasWriter(&k.files, at))
	}
}

// delivered is a version that was delivered, and whose file is to be compared.
type delivered struct {
	p          *plugin
	files      pluginFiles
	generation uint32
	info       fsys.Info
}

// recheck compares a file after its delivery. If it is not what was delivered, the host
// may have loaded either: whatever stands there next is delivered, even if it is the
// version just delivered, put back.
func (m *Engine) recheck(c *pendingChange) {
	f := c.p.Folder()
	d := delivered{p: c.p, files: m.filesOf(c.p), generation: c.p.generation, info: c.info}
	if !d.files.areTogether() {
		m.workers.do(m.whereabouts(c.p), func(at func(string)) { m.compareDelivered([]delivered{d}, at, func() {}) })
		return
	}
	waiting, underWay := m.delivered[f]
	if m.delivered == nil {
		m.delivered = map[*watch.Folder][]delivered{}
	}
	m.delivered[f] = append(waiting, d)
	if !underWay {
		m.recheckFolder(f)
	}
}

// recheckFolder has compared what was delivered of a folder, until nothing is left.
func (m *Engine) recheckFolder(f *watch.Folder) {
	m.workers.do(m.intake.set.WhereaboutsOf(f), func(at func(string)) {
		m.mu.Lock()
		all := m.delivered[f]
		m.delivered[f] = nil
		m.mu.Unlock()
		m.compareDelivered(all, at, func() {
			if len(m.delivered[f]) > 0 {
				m.recheckFolder(f)
				return
			}
			if delete(m.delivered, f); len(m.delivered) == 0 {
				m.delivered = nil // a map does not shrink
			}
		})
	})
}

// compareDelivered compares versions that were delivered with the disk, and calls then with the lock held. It runs on a
// worker.
func (m *Engine) compareDelivered(all []delivered, at func(string), then func()) {
	found := make([]fsys.Info, len(all))
	for i := range all {
		found[i], _ = m.statFiles(&all[i].files, at)
	}
	m.step(func() {
		for i := range all {
			d, in := &all[i], &found[i]
			if sameVersion(in, &d.info) || d.p.disabled() || d.p.generation != d.generation {
				continue
			}
			d.p.distrust()
			if d.p.rare == nil || d.p.rare.pending == nil {
				m.checkSoon(d.p, &d.info, in) // it may be back already
			}
		}
		then()
	})
}

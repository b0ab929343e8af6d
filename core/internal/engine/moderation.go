// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/watch"
)

// Each notification that is taken as it comes wakes several threads. While many come, they
// are left in the kernel for a moment and taken together, as network drivers do it. No check
// of a file begins meanwhile: it would miss what is notified already.

// moderation says when notifications are left in the kernel. It belongs to the goroutine that
// reads a source.
type moderation struct {
	kernel watch.Keeping // nil if the system keeps none
	credit int           // batches after which there is no pause
	latest time.Time     // when a batch was taken
}

const (
	// mostCredit is how many batches are taken as they come. A change of one plugin makes
	// fewer. Each refill without any gives one back.
	mostCredit = 16
	refill     = 10 * time.Millisecond

	shortestPause = 250 * time.Microsecond
	longestPause  = 10 * time.Millisecond
	// quietParts is how many times a pause is shorter than the quiet period.
	quietParts = 10
	// smallestRoom is what the kernel's queue must hold: more notifications than come in a
	// pause.
	smallestRoom = 16384
)

// pauses reports whether there is a pause after a batch of n notifications. There is none
// while more wait than the source's buffer holds: each pause would let only a buffer through.
func (d *moderation) pauses(n, buffer int, now time.Time) bool {
	d.credit = min(mostCredit, d.credit+int(min(now.Sub(d.latest)/refill, mostCredit)))
	d.latest = now
	switch {
	case n == 0: // the next one is acted on at once
		return false
	case d.credit > 0:
		d.credit--
		return false
	}
	return d.kernel != nil && d.kernel.Room() >= smallestRoom && d.kernel.Waiting() <= buffer
}

// pauseOfSource is how long notifications may be left in the kernel. Without a quiet period each is
// acted on at once.
func (m *Engine) pauseOfSource() time.Duration {
	if p := min(longestPause, m.intake.shortestQuiet/quietParts); p >= shortestPause {
		return p
	}
	return 0
}

// noteQuiet notes the quiet period of a plugin that is enabled.
func (m *Engine) noteQuiet(p *plugin) {
	e := &m.intake
	if quiet := p.quietPeriod(); m.plugins.byID.Len() == 1 || quiet < e.shortestQuiet {
		e.shortestQuiet = quiet
	}
}

// readSource takes what a source reports until it or the manager is closed.
func (m *Engine) readSource(src *source) { m.spawn(func() { m.read(src) }) }

func (m *Engine) read(src *source) {
	d := moderation{credit: mostCredit}
	d.kernel, _ = src.Source.(watch.Keeping)
	var batch []fsnotify.Event
	for {
		select {
		case <-m.done:
			return
		case ev := <-heard(src.Source):
			batch = append(batch[:0], ev)
		case ev, open := <-src.Events():
			if !open {
				m.step(func() { m.sourceEnded(src) })
				return
			}
			batch = append(batch[:0], ev)
		case err := <-src.Errors():
			if errors.Is(err, fsnotify.ErrEventOverflow) { // others are about a watch that is gone already
				m.step(m.noteOverflow)
			}
			continue
		case <-src.Mounts():
			m.step(m.noteMount)
			continue
		}
		batch = src.take(batch)
		all := len(batch) <= cap(src.Events())
		for pause := m.noteBatch(src, batch, all, &d); pause > 0; pause = m.noteBatch(src, batch, all, &d) {
			if !m.leave(src, pause) {
				return
			}
			batch, all = src.takeAll(batch[:0])
		}
	}
}

// mostTaken is how many notifications are taken in one turn.
const mostTaken = 1024

// take takes the notifications that wait already.
func (src *source) take(batch []fsnotify.Event) []fsnotify.Event {
	for len(batch) < mostTaken {
		select {
		case ev, open := <-src.Events():
			if !open {
				return batch
			}
			batch = append(batch, ev)
		default:
			return batch
		}
	}
	return batch
}

// takeAll takes also those for which there was no room in the source's buffer: the source
// sends them as soon as there is. It reports whether these are all.
func (src *source) takeAll(batch []fsnotify.Event) (taken []fsnotify.Event, all bool) {
	for {
		before := len(batch)
		if batch = src.take(batch); len(batch)-before <= cap(src.Events()) {
			return batch, true
		}
		if len(batch) >= mostTaken {
			return batch, false
		}
		select {
		case ev, open := <-src.Events():
			if !open {
				return batch, false
			}
			batch = append(batch, ev)
		case <-time.After(shortestPause):
			return batch, false // nobody knows
		}
	}
}

// noteBatch notes notifications and goes on with what can go on. It returns for how long
// further ones are to be left in the kernel; 0: not at all.
func (m *Engine) noteBatch(src *source, batch []fsnotify.Event, all bool, d *moderation) (pause time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	src.leaves = false
	if m.closed {
		return 0
	}
	now := time.Now()
	for i := range batch {
		m.noteEvent(batch[i], now)
	}
	m.turn()
	if pause = m.pauseOfSource(); pause > 0 && (!d.pauses(len(batch), cap(src.Events()), now) || !all) {
		pause = 0
	}
	src.leaves = pause > 0
	return pause
}

// leave lets notifications wait in the kernel until the pause is over or they are wanted. It
// reports false when the manager is closed.
func (m *Engine) leave(src *source, pause time.Duration) bool {
	over := time.NewTimer(pause)
	defer over.Stop()
	select {
	case <-m.done:
		return false
	case <-over.C:
	case <-src.wanted:
	}
	return true
}

// want has the notifications taken that were left in the kernel, before the checks begin that
// are due. It reports whether there may be any.
func (src *source) want() bool {
	if !src.leaves {
		return false
	}
	select {
	case src.wanted <- struct{}{}:
	default:
	}
	return true
}

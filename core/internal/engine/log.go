// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"runtime"
	"time"

	"github.com/qtforge/hotreload/core/internal/deliver"
)

// LogLevel says how important a line of the log is. The values are those of the C header.
type LogLevel int32

// The levels.
const (
	LogError   LogLevel = 1 // the manager is unusable
	LogWarning LogLevel = 2 // something degraded, or a version was rejected or failed
	LogInfo    LogLevel = 3 // plugins come, go, are complete, delivered and reported on
	LogDebug   LogLevel = 4 // each notification and each check
)

// LogRecord is one line of the log.
type LogRecord struct {
	Level   LogLevel
	Time    time.Time
	ID      string // the plugin, "" for the manager as a whole
	Message string
}

// maxLogged is how many lines wait for the host's function. While it is busy with so many,
// further ones are dropped, and counted.
const maxLogged = 1024

// logging is the log, behind Engine.mu.
type logging struct {
	slot    *deliver.Slot[func(LogRecord)] // nil: nobody reads it
	level   LogLevel
	waiting []LogRecord
	dropped int
	serving bool // a goroutine calls the function
	calling *run // the call under way
}

// SetLog sets the function that receives the lines of the log up to a level; nil removes
// it. It runs on a goroutine of its own, one call at a time, whether or not the host
// dispatches. Otherwise as SetReloadCallback.
func (m *Engine) SetLog(level LogLevel, fn func(LogRecord), release func()) error {
	var err error
	if fn != nil && (level < LogError || level > LogDebug) {
		err = fail(ErrInvalidArgument, "the log level %d is out of range: 1 (errors), 2 (warnings), 3 (information) or 4 (all)", level)
	}
	return setSlot(m, &m.logging.slot, fn, fn == nil, release, err, func() { m.logging.level = level })
}

// logs reports whether somebody reads lines of this level.
func (m *Engine) logs(level LogLevel) bool {
	l := &m.logging
	return l.slot != nil && level != 0 && level <= l.level
}

// log puts a line into the log. The lock is held, so that the host's function runs later.
func (m *Engine) log(level LogLevel, id, text string, now time.Time) {
	l := &m.logging
	if !m.logs(level) || m.closed {
		return
	}
	if len(l.waiting) >= maxLogged {
		l.dropped++
		return
	}
	l.waiting = append(l.waiting, LogRecord{Level: level, Time: now, ID: id, Message: Printable(text, maxMessage)})
	if !l.serving {
		l.serving = true
		m.spawn(m.serveLog)
	}
}

// logEvent logs an event that is no change.
func (m *Engine) logEvent(ev *Event) {
	level, text := LogWarning, ev.Message
	switch ev.Kind {
	case Enabled:
		level, text = LogInfo, "enabled"
	case Disabled:
		level, text = LogInfo, "disabled"
	case Discovered:
		level, text = LogInfo, "found by folder "+quoted(ev.FolderID, maxForeign)
	case Rejected:
		text = "rejected: " + text
	case Rollback:
		text = "failed in the host: " + text
	case Health:
		switch ev.Health {
		case HealthPanic:
			level = LogError
		case HealthWatching, HealthReadable, HealthAnswering, HealthFolderReadable:
			level = LogInfo
		}
	}
	if !m.logs(level) {
		return
	}
	if ev.Path != "" {
		text = Printable(ev.Path, maxForeign) + ": " + text
	}
	m.log(level, ev.ID, text, ev.Time)
}

// serveLog calls the host's function for what waits.
func (m *Engine) serveLog() {
	// Which thread this is must not change between here and the callback.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l := &m.logging
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() { l.serving = false }()
	for len(l.waiting) > 0 && l.slot != nil && !m.closed {
		line, slot := l.next(), l.slot.Hold()
		l.calling = &run{thread: deliver.ThreadID()}
		m.unlocked(func() {
			defer slot.Done() // inside the callback still: the release function may close the manager
			m.guard("the log callback", func() { slot.Fn(line) })
		})
		l.calling = nil
	}
	l.waiting = nil
}

// next takes the line that waits in front. Behind the last one comes how many were dropped.
func (l *logging) next() LogRecord {
	line := l.waiting[0]
	if l.waiting = l.waiting[1:]; len(l.waiting) == 0 {
		l.waiting = nil
		if l.dropped > 0 {
			l.waiting = []LogRecord{{Level: LogWarning, Time: time.Now(),
				Message: fmt.Sprintf("%d further lines of the log were dropped: the host's function was busy", l.dropped)}}
			l.dropped = 0
		}
	}
	return line
}

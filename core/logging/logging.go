// SPDX-License-Identifier: MIT

// Package logging sends the log of a [core.Manager] to a [slog.Logger]. It is a package of
// its own so that a program without it, such as the C library, does not contain log/slog.
//
// Since 1.0.0.
package logging

import (
	"context"
	"log/slog"

	"github.com/qtforge/hotreload/core"
)

// Send sends the log of m to l; a nil l ends that. What l is enabled for at this moment
// decides which lines are made. A plugin's lines have its id as the attribute "plugin".
//
// Errors: [core.ErrClosed], [core.ErrPanic].
//
// Since 1.0.0. See also [core.Manager.SetLogCallback], which this is made of.
func Send(m *core.Manager, l *slog.Logger) error {
	if l == nil {
		return m.SetLogCallback(core.LogError, nil, nil)
	}
	return m.SetLogCallback(levelOf(l), func(r core.LogRecord) { send(l, r) }, nil)
}

var levels = map[core.LogLevel]slog.Level{core.LogError: slog.LevelError, core.LogWarning: slog.LevelWarn,
	core.LogInfo: slog.LevelInfo, core.LogDebug: slog.LevelDebug}

// levelOf is the highest level that a logger is enabled for.
func levelOf(l *slog.Logger) core.LogLevel {
	for level := core.LogDebug; level > core.LogError; level-- {
		if l.Enabled(context.Background(), levels[level]) {
			return level
		}
	}
	return core.LogError
}

// send passes a line on, with the time at which it was made.
func send(l *slog.Logger, r core.LogRecord) {
	level := levels[r.Level]
	if !l.Enabled(context.Background(), level) {
		return
	}
	line := slog.NewRecord(r.Time, level, r.Message, 0)
	if r.ID != "" {
		line.AddAttrs(slog.String("plugin", r.ID))
	}
	_ = l.Handler().Handle(context.Background(), line) // there is nobody to tell
}

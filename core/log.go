// SPDX-License-Identifier: MIT

package core

import "time"

// LogLevel says how important a line of the log is. The values are those of the C header.
//
// Since 1.0.0. See also [Manager.SetLogCallback].
type LogLevel int32

// The levels.
//
// Since 1.0.0. See also [Manager.SetLogCallback].
const (
	LogError   LogLevel = 1 // the manager is unusable
	LogWarning LogLevel = 2 // something degraded, or a version was rejected or failed
	LogInfo    LogLevel = 3 // plugins come and go; versions are complete, delivered, reported on
	LogDebug   LogLevel = 4 // each notification and each check
)

// String returns the level's name without "Log", "LogLevel(9)" for one that is not known.
func (l LogLevel) String() string { return nameOf(levelNames, l, "LogLevel") }

var levelNames = map[LogLevel]string{LogError: "Error", LogWarning: "Warning", LogInfo: "Info", LogDebug: "Debug"}

// LogRecord is one line of a manager's log.
//
// Since 1.0.0. See also [Manager.SetLogCallback].
type LogRecord struct {
	Level   LogLevel  // how important the line is
	Time    time.Time // when what it says happened
	ID      string    // the plugin, "" for the manager as a whole
	Message string    // one printable line
}

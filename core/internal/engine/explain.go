// SPDX-License-Identifier: MIT

package engine

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/qtforge/hotreload/core/internal/watch"
)

// Explain is PluginStatus for people: some lines of text, each ended by a newline.
func (m *Engine) Explain(id string) (string, error) {
	s, err := m.PluginStatus(id)
	if err != nil {
		return "", err
	}
	return s.explain(time.Now()), nil
}

// stateTexts say what each state means.
var stateTexts = map[PluginState]string{
	StateIdle:       "nothing to deliver: the file is at the version that the host knows",
	StateSettling:   "the file may have changed; it is delivered when it has been quiet for the quiet period and is complete",
	StateWriting:    "a process holds the file open for writing", // writingText says what comes next
	StateUnreadable: "the file cannot be read; it is tried again at every notification and every poll interval",
	StateIncomplete: "the file is not a complete image for this machine; the next version is waited for",
	StateMissing:    "there is no file; its creation is a change",
	StateValidating: "a new version is being copied and validated",
	StateRejected:   "the version was rejected; the next one is waited for",
	StateRetrying:   "the version was not delivered, and is tried again",
	StateReady:      "a change waits to be delivered",
	StateDelivering: "the host's callback runs",
	StateHanging:    "its file system does not answer; the plugin waits until it does",
}

// explain is the status as text.
func (s *PluginStatus) explain(now time.Time) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-19s%s\n", name+":", fmt.Sprintf(format, args...))
	}
	moment := func(name string, at time.Time, more string) {
		if !at.IsZero() {
			line(name, "%s%s", when(at, now), more)
		}
	}
	does := cmp.Or(s.does, stateTexts[s.State])
	fmt.Fprintf(&b, "%s: %s\n", quoted(s.ID, maxForeign), does)
	line("file", "%s", Printable(s.Path, maxMessage-100))
	moment("since", s.Since, "")
	if len(s.Writers) > 0 {
		line("written by", "%s", s.writers())
	}
	if !s.Due.IsZero() {
		line("next check", "in %v", duration(s.Due.Sub(now)))
	}
	if s.WaitsFor != "" {
		line("held back", "%s", s.WaitsFor)
	} else if s.Paused {
		line("paused", "changes are held back")
	}
	if s.Marker != "" {
		line("pause marker", "%s; changes wait until it is removed; since %s: %s", s.marker, when(s.MarkedAt, now), Printable(s.Marker, maxForeign))
	}
	line("watched", "%s", s.watched())
	moment("last notification", s.LastNotification, "")
	moment("last check", s.LastCheck, "")
	moment("last delivery", s.LastDelivery, "") // of a version, or of a removal
	if s.Generation > 0 {
		line("generation", "%d", s.Generation)
	}
	moment("last report", s.LastReport, ": "+outcomeNames[s.LastOutcome])
	if len(s.Decisions) == 0 {
		line("last decisions", "none: nothing happened since the plugin was enabled, or that was long ago")
		return b.String()
	}
	b.WriteString("  last decisions, oldest first:\n")
	for _, d := range s.Decisions {
		times := ""
		if d.Times > 1 {
			times = fmt.Sprintf(" (%d times)", d.Times)
		}
		fmt.Fprintf(&b, "    %s  %s: %s%s\n", when(d.Time, now), decisionNames[d.Decision], d.Reason, times)
	}
	return b.String()
}

// writingText is for StateWriting. Where the system does not say who writes the file,
// there may be no process: a file that is truncated by its path is never closed.
func (m *Engine) writingText(unknown bool) string {
	text := "a process holds the file open for writing; it is delivered when that is closed"
	if unknown {
		text = "the file was written and, as far as notifications say, not closed; it is delivered when it is closed or replaced"
	}
	if m.opts.DeliverHeld {
		text += fmt.Sprintf(", or has not changed for %v", duration(m.opts.HeldAfter))
	}
	return text
}

// watchedBy says, for people, what is to be known of how a plugin's path is watched.
func (m *Engine) watchedBy(p *plugin, how watch.How) string {
	var all []string
	if how.Why != "" {
		all = append(all, how.Why)
	}
	if how.State == watch.HowNotified && m.intake.set.IsUnreliable(&p.Leaf) {
		text := "its content may change without any"
		if m.opts.SafetyCheck != NoSafetyCheck {
			text += fmt.Sprintf(", so it is also compared every %v", duration(m.opts.SafetyCheck))
		}
		all = append(all, text)
	}
	if p.rare != nil && p.rare.staleMount || m.intake.set.IsStaleMount(&p.Leaf) {
		all = append(all, "no new version can come: what was mounted there was deleted or replaced; mount it again")
	}
	return strings.Join(all, "; ")
}

var outcomeNames = map[Outcome]string{ReloadOK: "loaded", ReloadFailed: "failed", ReloadReleased: "released"}

func (s *PluginStatus) watched() string {
	why := Printable(s.WatchedBy, maxForeign)
	switch {
	case s.Watching == WatchingPolled:
		return "compared every poll interval: " + why
	case s.Watching == WatchingPending:
		return "not yet: " + why
	case why != "":
		return "by notifications; " + why
	}
	return "by notifications"
}

func (s *PluginStatus) writers() string {
	var names []string
	for _, p := range s.Writers {
		name := fmt.Sprintf("process %d", p.PID)
		if p.Program != "" {
			name += " (" + Printable(p.Program, maxForeign) + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// when is a moment of the past for people. It is in UTC: the local time is a matter of the
// environment, which the library does not read.
func when(at, now time.Time) string {
	at = at.UTC()
	h, m, s := at.Clock()
	return fmt.Sprintf("%02d:%02d:%02d.%03d UTC (%v ago)", h, m, s, at.Nanosecond()/1e6, duration(now.Sub(at)))
}

// duration rounds for people.
func duration(d time.Duration) time.Duration {
	switch d = max(d, 0); {
	case d < time.Second:
		return d.Round(time.Millisecond)
	case d < time.Minute:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

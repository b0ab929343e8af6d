// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/qtforge/hotreload/core/internal/printable"
)

// Verdict is what became of a version.
type Verdict uint8

const (
	// Done means that the version answers now.
	Done Verdict = iota + 1
	// Restarted means that the same version answers again, initialised anew with new
	// versions of what it needs.
	Restarted
	// Failed means that the version is bad. It is not tried again.
	Failed
	// Postponed means that the version is tried again at the time that the outcome
	// says: calls under way did not end. Nothing is wrong with the version.
	Postponed
	// Waiting means that the version is not at fault, and waits for something: for a
	// new version of another plugin, or for [Engine.TakeWithoutState].
	Waiting
	// Withdrawn means that the version is not wanted any more: a newer one
	// superseded it, its file was removed, or its plugin or engine was closed.
	Withdrawn
	// Stopped means that no version of the plugin answers, and that the outcome of
	// no new version says so.
	Stopped
	// Recovered means that a version which had stopped answers again.
	Recovered
	// Rejected means that validation rejected a version, which has no generation.
	Rejected
	// Noted means that nothing changed but the host should know: an old version that
	// is still in use, whose exit failed, or that stays in memory; a removed file.
	Noted
)

var verdictNames = [...]string{"", "done", "restarted", "failed", "postponed", "waiting", "withdrawn", "stopped", "recovered", "rejected", "noted"}

// String returns the verdict in a word.
func (v Verdict) String() string { return nameOf(verdictNames[:], int(v)) }

// Outcome says what became of a version of a plugin, and why. String gives it as one
// line of text, which is the same in every language.
type Outcome struct {
	Plugin     string
	Verdict    Verdict
	Generation uint64 // that this is about; 0 if it is about none
	Active     uint64 // that answers now; 0 if none does

	// Step is the step that failed, of the version At, which may be one of another
	// plugin or the old one. Step is 0 if no step failed.
	Step Step
	At   Version
	// Reason says why, in the words of the language or of the engine.
	Reason string
	// Down says why no version answers, if one should.
	Down string
	// Notes say what else was not as it should be: a state that was lost, an exit
	// that failed, a step that is still running.
	Notes []string
	// Retry is the pause until the next attempt, of Postponed; Attempt counts from 1.
	Retry   time.Duration
	Attempt int
	// With are the other versions that were exchanged, or were to be, in this plan.
	With []Version
}

// String returns the outcome as one printable line of at most 1000 bytes.
func (o Outcome) String() string {
	var b strings.Builder
	b.WriteString(o.Plugin + ": ")
	if o.Generation != 0 {
		fmt.Fprintf(&b, "generation %d ", o.Generation)
	}
	switch o.Verdict {
	case Done:
		b.WriteString("answers now")
		o.with(&b, ", together with ")
	case Restarted:
		b.WriteString("answers again, restarted")
		o.with(&b, " for ")
	case Recovered:
		b.WriteString("answers again")
	case Failed:
		b.WriteString("failed")
	case Postponed:
		fmt.Fprintf(&b, "is tried again in %s (attempt %d)", o.Retry, o.Attempt)
	case Waiting:
		b.WriteString("waits")
	case Withdrawn:
		b.WriteString("is not used")
	case Stopped:
		b.WriteString("stopped")
	case Rejected:
		b.WriteString("a version was rejected")
	}
	o.why(&b)
	o.present(&b)
	for _, n := range o.Notes {
		b.WriteString("; " + n)
	}
	return oneLine(b.String())
}

func (o Outcome) with(b *strings.Builder, word string) {
	for i, v := range o.With {
		if i == 0 {
			b.WriteString(word)
		} else {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%s generation %d", v.Plugin, v.Generation)
	}
}

// why writes which step failed, of which version, and the reason.
func (o Outcome) why(b *strings.Builder) {
	if o.Reason == "" {
		return
	}
	if o.Verdict != Noted {
		b.WriteString(": ")
	}
	switch {
	case o.At.Plugin == "" || o.Verdict == Noted:
	case o.At.Plugin != o.Plugin:
		fmt.Fprintf(b, "%s generation %d, ", o.At.Plugin, o.At.Generation)
	case o.At.Generation != o.Generation:
		fmt.Fprintf(b, "generation %d, ", o.At.Generation)
	}
	if o.Step != 0 && o.Verdict != Noted {
		b.WriteString(o.Step.String() + ": ")
	}
	b.WriteString(o.Reason)
}

// present writes which version answers, where that is not clear.
func (o Outcome) present(b *strings.Builder) {
	switch o.Verdict {
	case Done, Restarted, Recovered, Noted:
		return
	}
	switch {
	case o.Down != "":
		b.WriteString("; nothing answers: " + o.Down)
	case o.Active != 0 && o.Active != o.Generation:
		fmt.Fprintf(b, "; generation %d goes on", o.Active)
	case o.Active == 0 && o.Verdict != Withdrawn:
		b.WriteString("; there is no other version")
	}
}

// oneLine makes text one printable line. The end of a long text is cut.
func oneLine(s string) string {
	const dots = "..."
	var b strings.Builder
	fits := 0 // bytes that leave room for the dots
	for s != "" {
		_, n := utf8.DecodeRuneInString(s)
		b.WriteString(printable.Text(s[:n], printable.MaxMessage))
		s = s[n:]
		if b.Len() <= printable.MaxMessage-len(dots) {
			fits = b.Len()
		} else if b.Len() > printable.MaxMessage {
			return b.String()[:fits] + dots
		}
	}
	return b.String()
}

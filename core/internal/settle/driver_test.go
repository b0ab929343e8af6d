// SPDX-License-Identifier: MIT

package settle_test

import (
	"crypto/sha256"
	"fmt"
	"hash/maphash"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/settle"
	"github.com/qtforge/hotreload/core/internal/stories"
)

// file is what the disk and the system would say of the plugin's file.
type file struct {
	kind              settle.Kind
	inode, size, time int
	changed           time.Time // of the inode
	content           string
	writer            bool
	incomplete        bool // no complete image
	unreadable        bool
}

// story drives one machine as the engine does, with a clock of its own.
type story struct {
	pos     string
	machine settle.Machine
	start   time.Time
	now     time.Time
	file    file

	baseline      settle.Version // what the host knows
	baselineFile  file           // the same; not a regular file: nothing
	noChangeTime  bool           // the system does not report when an inode changed
	cannotTell    bool           // the system does not report writers
	noCloses      bool           // nor does it notify of closes
	identityDrift bool           // a file gets other inode numbers
	foreignClock  bool
	coarseTimes   bool
	checkImage    bool
	enabled       bool
	decided       bool
	held          bool     // the story has said that it is held open for long
	during        []func() // what happens between stat and the end of the probe
	interrupted   bool     // a notification came then
	out           strings.Builder

	examined passedOn  // by the last check
	pending  *passedOn // decided and not delivered yet
	paused   bool
	disabled bool

	// Nil in a plain story; schedule_test.go sets them.
	at    func(suspension)          // at each suspension point
	heard func(settle.Notification) // at each notification
	taken func(*passedOn)           // when the host hears of it
	after func(settle.Decision)     // after each check
}

// passedOn is what the engine passes on to the host: a version or a removal.
type passedOn struct {
	version settle.Version
	file    file
	first   time.Time // when it was first noticed
}

// suspension is a point at which something else may happen: a call of the host or a
// notification.
type suspension string

const (
	beforeCommand suspension = "before a step of the story"
	beforeCheck   suspension = "before a check"
	duringProbe   suspension = "during a probe"
	afterProbe    suspension = "while the answer to a check is under way"
	beforeHost    suspension = "before the host hears of it"
)

func (s *story) suspend(p suspension) {
	if s.at != nil {
		s.at(p)
	}
}

func newStory(pos string) *story {
	start := time.Unix(1_000_000, 0)
	return &story{pos: pos, start: start, now: start,
		file: file{kind: settle.RegularFile, inode: 1, size: 1, changed: start.Add(-time.Hour), content: "0"}}
}

func (s *story) mustHaveEnded(t *testing.T) {
	t.Helper()
	if !s.decided || s.machine.Settling() {
		t.Errorf("%s: this story ends before the machine has decided", s.pos)
	}
}

func (s *story) printf(format string, args ...any) {
	if s.at != nil {
		return // nobody reads it
	}
	fmt.Fprintf(&s.out, "%6s  ", s.now.Sub(s.start))
	fmt.Fprintf(&s.out, format+"\n", args...)
}

func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	s.out.Reset()
	if s.suspend(beforeCommand); s.disabled {
		return ""
	}
	if !s.enabled && d.Cmd != "enable" && d.Cmd != "stat" && d.Cmd != "writer" {
		d.Fatalf(t, "%s comes before enable", d.Cmd)
	}
	switch d.Cmd {
	case "enable":
		s.enable(t, d)
	case "stat":
		s.stat(t, d, &s.file)
	case "during-probe":
		next := s.file
		s.stat(t, d, &next)
		s.during = append(s.during, func() { next.changed = s.now; s.file = next })
	case "during-probe-notify":
		n := s.notification(t, d)
		s.during = append(s.during, func() { s.interrupted = true; s.hear(n) })
	case "writer":
		switch d.CmdArgs[0].Key {
		case "holds":
			s.file.writer = true
		case "closes":
			s.file.writer = false
		default:
			d.Fatalf(t, "a writer holds or closes, got %q", d.CmdArgs[0].Key)
		}
	case "notify":
		s.notify(t, d)
	case "advance":
		s.advance(t, d)
	case "rejected":
		s.machine.Rejected(s.version())
		s.printf("rejected by a validation elsewhere")
	default:
		d.Fatalf(t, "unknown command %q", d.Cmd)
	}
	return s.out.String()
}

func (s *story) enable(t *testing.T, d *datadriven.TestData) {
	o := settle.Options{Quiet: 100 * time.Millisecond, MaxDelay: 10 * time.Second, RemovalHold: 100 * time.Millisecond}
	first, present, anotherNumber := false, false, false
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "quiet":
			o.Quiet = stories.Duration(t, d, arg.SingleVal(t))
		case "max-delay":
			o.MaxDelay = stories.Duration(t, d, arg.SingleVal(t))
		case "names-unnotified":
			o.NamesUnnotified = true
		case "held-after":
			o.HeldAfter = stories.Duration(t, d, arg.SingleVal(t))
		case "deliver-held":
			o.DeliverHeld = true
		case "compare-content":
			o.CompareContent = true
		case "check-image":
			s.checkImage = true
		case "no-change-time":
			s.noChangeTime = true
		case "writers-unknown":
			s.cannotTell = true
		case "writers-never-known":
			s.cannotTell, o.WritersUnknown = true, true
		case "closes-unknown":
			s.noCloses = true
		case "identity-drift":
			s.identityDrift = true
		case "another-number":
			anotherNumber = true
		case "foreign-clock":
			s.foreignClock = true
		case "coarse-times":
			s.coarseTimes = true
		case "first-check":
			first = true
		case "deliver-present":
			first, present = true, true
		default:
			d.Fatalf(t, "unknown option %q", arg.Key)
		}
	}
	s.machine.Options, s.enabled = o, true
	if !present {
		s.baseline, s.baselineFile = s.version(), s.file
	}
	if anotherNumber {
		s.file.inode++
	}
	if first {
		s.machine.Enable(present, s.now)
		s.checks(s.now)
	}
}

func (s *story) stat(t *testing.T, d *datadriven.TestData, f *file) {
	f.changed = s.now
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "missing":
			f.kind = settle.Missing
		case "directory":
			f.kind = settle.Other
		case "file":
			f.kind = settle.RegularFile
		case "unreadable":
			f.unreadable = true
		case "readable":
			f.unreadable = false
		case "incomplete":
			f.incomplete = true
		case "complete":
			f.incomplete = false
		case "inode":
			arg.Scan(t, 0, &f.inode)
		case "size":
			arg.Scan(t, 0, &f.size)
		case "mtime":
			arg.Scan(t, 0, &f.time)
		case "content":
			f.content = arg.SingleVal(t)
		case "changed":
			f.changed = s.now.Add(-stories.Duration(t, d, arg.SingleVal(t)))
		default:
			d.Fatalf(t, "unknown word %q", arg.Key)
		}
	}
}

var seed = maphash.MakeSeed()

func (s *story) version() settle.Version {
	f := &s.file
	if f.kind != settle.RegularFile {
		return settle.Version{}
	}
	v := settle.Version{Changed: f.changed.UnixNano()}
	v.Fingerprint[0] = maphash.Comparable(seed, f.inode)
	v.Fingerprint[1] = maphash.Comparable(seed, [...]int{f.size, f.time})
	if s.coarseTimes {
		v.Changed = f.changed.Truncate(2 * time.Second).UnixNano()
	}
	if s.noChangeTime {
		v.Changed = 0
	}
	return v
}

func (s *story) notify(t *testing.T, d *datadriven.TestData) {
	s.hear(s.notification(t, d))
	if s.machine.Due().After(s.now) {
		s.printf("settling, check at %v", s.machine.Due().Sub(s.start))
	}
	s.checks(s.now)
}

func (s *story) notification(t *testing.T, d *datadriven.TestData) (n settle.Notification) {
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "write":
			n.Written, n.ClosesReported = true, !s.noCloses
		case "close":
			n.Closed = true
		case "create", "remove":
			n.Replaced = true
		case "attributes":
			n.AttributesOnly = true
		case "lost":
			n.Written, n.Lost, n.ClosesReported = true, true, !s.noCloses
		case "check": // nothing but that the file may have changed
		case "since":
			n.Since = s.start.Add(stories.Duration(t, d, arg.SingleVal(t)))
		default:
			d.Fatalf(t, "unknown notification %q", arg.Key)
		}
	}
	return n
}

func (s *story) hear(n settle.Notification) {
	if s.disabled {
		return
	}
	if s.heard != nil {
		s.heard(n)
	}
	if s.pending != nil { // a newer version may supersede it
		n.Since, s.pending = s.pending.first, nil
	}
	s.machine.Notify(n, s.now)
}

func (s *story) advance(t *testing.T, d *datadriven.TestData) {
	end := s.now.Add(stories.Duration(t, d, d.CmdArgs[0].Key))
	s.checks(end)
	s.now = end
	if s.out.Len() == 0 {
		s.printf("nothing")
	}
}

// checks makes the checks that are due until end. Of several waits for a writer,
// which back off, it prints the first and their number.
func (s *story) checks(end time.Time) {
	waits := 0
	for s.machine.Settling() && !s.machine.Due().After(end) {
		if s.machine.Due().After(s.now) {
			s.now = s.machine.Due()
		}
		if s.suspend(beforeCheck); !s.machine.Settling() || s.machine.Due().After(s.now) {
			continue
		}
		again := s.machine.Writing()
		d, why := s.check()
		if is := s.machine.Held(s.now); is != s.held {
			if s.held = is; is {
				if waits > 0 {
					s.printf("(more checks, being written: %d)", waits)
				}
				waits, again = 0, false
				why += ", held open for long"
			}
		}
		s.decided = true
		if s.after != nil {
			s.after(d)
		}
		if again && d == settle.Wait && s.machine.Writing() && s.file.kind == settle.RegularFile {
			if waits++; s.at != nil && waits > 8 {
				return // the others are alike; the next one is late
			}
			continue
		}
		if waits > 0 {
			s.printf("(more checks, being written: %d)", waits)
			waits = 0
		}
		if d == settle.Wait {
			if s.machine.Writing() {
				why += ", being written"
			}
			s.printf("%s: wait until %v", why, s.machine.Due().Sub(s.start))
		} else {
			s.printf("%s: %v", why, d)
		}
	}
	if waits > 0 {
		s.printf("(more checks, being written: %d) still waiting", waits)
	}
}

// check is what the engine does with one file.
func (s *story) check() (d settle.Decision, why string) {
	if s.file.unreadable {
		return s.machine.Unreadable(time.Second, s.now), "unreadable"
	}
	again := s.machine.Readable()
	s.examined = passedOn{version: s.version(), file: s.file}
	d = s.machine.Observe(settle.Observation{Kind: s.file.kind, Version: s.version(), Baseline: s.baseline,
		Empty: s.file.size == 0, IdentityDrift: s.identityDrift, ForeignClock: s.foreignClock, CoarseTimes: s.coarseTimes}, s.now)
	switch s.examined.file.kind {
	case settle.Missing:
		why = "missing"
		if !s.baseline.Exists() {
			why = "missing, as the host knows"
		}
	case settle.Other:
		why = "not a regular file"
	default:
		why = "not quiet yet"
		if s.machine.Options.Quiet == 0 && !s.cannotTell {
			why = "written just now"
		}
		if s.machine.Writing() {
			why = "written and not closed"
		}
		switch d {
		case settle.Unchanged:
			why = "the version that the host knows"
		case settle.StillRejected:
			why = "the rejected version"
		}
	}
	if d == settle.Probe {
		d, why = s.probe()
	}
	if again {
		why = "readable again, " + why
	}
	switch d {
	case settle.Deliver, settle.Removed:
		s.examined.first = s.machine.FirstNotified()
		p := s.examined
		s.pending = &p
		s.suspend(beforeHost)
		s.dispatch()
	case settle.Unchanged:
		if s.examined.file.kind == settle.RegularFile {
			s.baseline = s.examined.version
		}
	}
	return d, why
}

// dispatch has the host take what was passed on, unless the file has changed since.
func (s *story) dispatch() {
	p := s.pending
	if p == nil || s.paused {
		return
	}
	if !p.version.Is(s.version()) {
		s.hear(settle.Notification{})
		return
	}
	if s.taken != nil {
		s.taken(p)
	}
	s.baseline, s.baselineFile, s.pending = p.version, p.file, nil
}

func (s *story) probe() (d settle.Decision, why string) {
	r := settle.ProbeResult{Writer: fsys.NoWriter}
	switch {
	case s.cannotTell:
		r.Writer = fsys.WriterUnknown
	case s.file.writer:
		r.Writer = fsys.HasWriter
	}
	first := s.machine.FirstCheck()
	if first && r.Writer == fsys.HasWriter && s.machine.AtBaseline() {
		// The host may have loaded a half-written version.
		s.baseline, s.baselineFile = settle.Version{Fingerprint: [2]uint64{1, 1}}, file{kind: settle.Other}
	}
	if r.Writer != fsys.HasWriter {
		r.Incomplete = s.checkImage && s.file.incomplete
		r.Identical = s.machine.Options.CompareContent && s.baselineFile.kind == settle.RegularFile && s.file.content == s.baselineFile.content
	}
	if s.machine.WantsContent(s.now) {
		r.Content = new(fsys.Hash(sha256.Sum256([]byte(s.file.content))))
		r.Incomplete = s.checkImage && s.file.incomplete
	}
	s.interrupted = false
	for _, happen := range s.during {
		happen()
	}
	s.during = nil
	s.suspend(duringProbe)
	r.After = s.version()
	s.suspend(afterProbe)
	wasWriting := s.machine.Writing()
	d = s.machine.Probed(r, s.now)
	switch {
	case s.interrupted && d == settle.Wait:
		why = "notified during the check"
	case s.machine.PassedOver():
		why = "held open, but it stays the same"
	case r.Writer == fsys.HasWriter:
		why = "a writer has it open"
	case s.machine.Writing():
		why = "written and not closed"
	case wasWriting && d == settle.Wait:
		why = "the writer has closed it"
	case !s.examined.version.Is(r.After):
		why = "it changed during the check"
	case d == settle.Unchanged && r.Identical:
		why = "the content that the host knows"
	case d == settle.Unchanged:
		why = "the version that the host knows"
	case d == settle.Wait:
		why = "writers unknown, not checked twice yet"
		if s.file.size == 0 {
			why = "writers unknown, empty"
		}
	case r.Incomplete:
		why = "not a complete image"
	default:
		why = "quiet, no writer"
		if s.cannotTell {
			why = "quiet, writers unknown"
		}
	}
	return d, why
}

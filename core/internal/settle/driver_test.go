package settle_test

import (
	"fmt"
	"hash/maphash"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/qtforge/hotreload/core/internal/settle"
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

	baseline        settle.Version // what the host knows
	baselineContent string
	noChangeTime    bool // the system does not report when an inode changed
	cannotTell      bool // the system does not report writers
	checkImage      bool
	enabled         bool
	decided         bool
	during          func() // what happens between stat and the end of the probe
	out             strings.Builder
}

func newStory(pos string) *story {
	start := time.Unix(1_000_000, 0)
	return &story{pos: pos, start: start, now: start,
		file: file{kind: settle.RegularFile, inode: 1, size: 1, changed: start.Add(-time.Hour), content: "0"}}
}

func (s *story) mustHaveEnded(t *testing.T) {
	t.Helper()
	if s != nil && (!s.decided || s.machine.Settling()) {
		t.Errorf("%s: this story ends before the machine has decided", s.pos)
	}
}

func (s *story) printf(format string, args ...any) {
	fmt.Fprintf(&s.out, "%6s  ", s.now.Sub(s.start))
	fmt.Fprintf(&s.out, format+"\n", args...)
}

func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	s.out.Reset()
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
		s.during = func() { next.changed = s.now; s.file = next }
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

func duration(t *testing.T, d *datadriven.TestData, text string) time.Duration {
	v, err := time.ParseDuration(text)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return v
}

func (s *story) enable(t *testing.T, d *datadriven.TestData) {
	o := settle.Options{Quiet: 100 * time.Millisecond, MaxDelay: 10 * time.Second, RemovalHold: 100 * time.Millisecond}
	first, present := false, false
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "quiet":
			o.Quiet = duration(t, d, arg.SingleVal(t))
		case "max-delay":
			o.MaxDelay = duration(t, d, arg.SingleVal(t))
		case "compare-content":
			o.CompareContent = true
		case "check-image":
			s.checkImage = true
		case "no-change-time":
			s.noChangeTime = true
		case "writers-unknown":
			s.cannotTell = true
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
		s.baseline, s.baselineContent = s.version(), s.file.content
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
			f.changed = s.now.Add(-duration(t, d, arg.SingleVal(t)))
		default:
			d.Fatalf(t, "unknown word %q", arg.Key)
		}
	}
}

var seed = maphash.MakeSeed()

func (s *story) version() settle.Version {
	f := &s.file
	if f.kind == settle.Missing {
		return settle.Version{}
	}
	v := settle.Version{Changed: f.changed.UnixNano()}
	v.Fingerprint[0] = maphash.Comparable(seed, [...]int{f.inode, f.size, f.time})
	if s.noChangeTime {
		v.Changed = 0
	}
	return v
}

func (s *story) notify(t *testing.T, d *datadriven.TestData) {
	var n settle.Notification
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "write":
			n.Written = true
		case "close":
			n.Closed = true
		case "create", "remove", "attributes": // nothing but that the file may have changed
		case "since":
			n.Since = s.start.Add(duration(t, d, arg.SingleVal(t)))
		default:
			d.Fatalf(t, "unknown notification %q", arg.Key)
		}
	}
	s.machine.Notify(n, s.now)
	if s.machine.Due().After(s.now) {
		s.printf("settling, check at %v", s.machine.Due().Sub(s.start))
	}
	s.checks(s.now)
}

func (s *story) advance(t *testing.T, d *datadriven.TestData) {
	end := s.now.Add(duration(t, d, d.CmdArgs[0].Key))
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
		again := s.machine.Writing()
		d, why := s.check()
		s.decided = true
		if again && d == settle.Wait && s.machine.Writing() && s.file.kind == settle.RegularFile {
			waits++
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
	d = s.machine.Observe(settle.Observation{Kind: s.file.kind, Version: s.version(), Baseline: s.baseline}, s.now)
	switch s.file.kind {
	case settle.Missing:
		why = "missing"
		if !s.baseline.Exists() {
			why = "missing, as the host knows"
		}
	case settle.Other:
		why = "not a regular file"
	default:
		why = "not quiet yet"
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
	case settle.Deliver:
		s.baseline, s.baselineContent = s.version(), s.file.content
	case settle.Removed:
		s.baseline, s.baselineContent = settle.Version{}, ""
	case settle.Unchanged:
		if s.file.kind == settle.RegularFile {
			s.baseline = s.version()
		}
	}
	return d, why
}

func (s *story) probe() (d settle.Decision, why string) {
	r := settle.ProbeResult{Writer: s.file.writer && !s.cannotTell}
	first := s.machine.FirstCheck()
	if first && r.Writer && s.machine.AtBaseline() {
		s.baseline = settle.Version{Fingerprint: [2]uint64{1, 1}} // the host may have loaded a half-written version
	}
	if !r.Writer {
		r.Incomplete = s.checkImage && s.file.incomplete
		r.Identical = s.machine.Options.CompareContent && s.file.content == s.baselineContent
	}
	before := s.version()
	if s.during != nil {
		s.during()
		s.during = nil
	}
	r.After = s.version()
	wasWriting := s.machine.Writing()
	d = s.machine.Probed(r, s.now)
	switch {
	case r.Writer:
		why = "a writer has it open"
	case wasWriting && d == settle.Wait:
		why = "the writer has closed it"
	case !before.Is(r.After):
		why = "it changed during the check"
	case d == settle.Unchanged && r.Identical:
		why = "the content that the host knows"
	case d == settle.Unchanged:
		why = "the version that the host knows"
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

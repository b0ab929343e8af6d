package core

import "time"

// tracker settles one file: it decides when a change is complete. It is a pure
// state machine; the loop feeds it hints and what it sees on the disk, and asks
// again when due says so.
//
//	idle ──hint──► settling ──quiet, nobody writes, stable──► told, gone or idle
//	                 ▲    │
//	                 └────┘ a new hint, a writer, another fingerprint
type tracker struct {
	settling  bool
	writing   bool        // somebody held it open for writing at the last look
	rejected  fileInfo    // the version that was rejected; kindMissing: none was
	first     time.Time   // first hint of this change
	last      time.Time   // the latest sign of activity
	wrote     time.Time   // when somebody was last seen holding it open for writing
	due       time.Time   // when to look again, while settling
	seen      fingerprint // at the last look; zero before the first
	backoff   time.Duration
	firstTime bool // the first look after enabling: is the baseline itself whole?
	rewritten bool // its content was written, not only its attributes
	known     bool // at the last look it was the version last told
	denied    bool // at the last look it could not be read
}

// timing is what a plugin's options say to its tracker.
type timing struct {
	quiet    time.Duration // 0: none
	maxDelay time.Duration
	hold     time.Duration // how long a file must be gone to count as removed
}

const (
	minBackoff = time.Millisecond
	maxBackoff = 100 * time.Millisecond
	// tail is how late the notifications of one write may come one after another.
	tail = 10 * time.Millisecond
)

// decision is what a look led to.
type decision uint8

const (
	wait      decision = iota // look again at due
	probe                     // so far fit to be told: examine the file itself, then call conclude
	tell                      // the present version is complete and new
	gone                      // the file is gone
	unchanged                 // nothing to tell
	refuse                    // not a whole image; wait for the next hint
)

// hint notes a sign of activity.
func (t *tracker) hint(now time.Time, why signs, tm timing) {
	t.last = now
	if !t.settling {
		*t = tracker{settling: true, first: now, last: now, rejected: t.rejected, due: now.Add(tm.quiet)}
	}
	t.rewritten = t.rewritten || why&written != 0
	if t.denied {
		t.due = now // its mode may have been changed
		return
	}
	if t.writing && why&closed != 0 {
		t.closed(now, tm)
		return
	}
	due := now.Add(tm.quiet)
	if end := t.first.Add(tm.maxDelay); due.After(end) {
		due = end
	}
	// Beyond the maximum delay the retries of wait are under way already.
	if due.After(t.due) {
		t.due = due
	}
}

// closed notes that a writer has let the file go. Quiet is counted from then: a
// linker's output is often opened again at once by strip and its like.
func (t *tracker) closed(now time.Time, tm timing) {
	t.writing, t.wrote, t.last, t.backoff = false, now, now, 0
	t.due = now.Add(tm.quiet)
}

func (t *tracker) idle() { t.settling, t.writing, t.firstTime = false, false, false }

// again waits with back-off: for a writer, or for a stable moment.
func (t *tracker) again(now time.Time) decision {
	t.backoff = min(max(2*t.backoff, minBackoff), maxBackoff)
	t.due = now.Add(t.backoff)
	return wait
}

// look takes what stat said. told is the version last told; contents: that a
// hash decides whether a version is new.
func (t *tracker) look(now time.Time, in fileInfo, told version, tm timing, contents bool) decision {
	if in.kind == kindMissing {
		if end := t.last.Add(max(tm.hold, tm.quiet)); now.Before(end) {
			t.due = end
			return wait
		}
		t.idle()
		return gone
	}
	if in.kind != kindFile {
		// A directory or device in its place is not a version of a plugin.
		t.idle()
		return unchanged
	}
	t.known = told.is(&in) && !(contents && in.changed != told.changed) && !t.restored(in, told, tm)
	if t.known && !t.firstTime {
		t.idle()
		return unchanged
	}
	if t.stillRejected(in) {
		t.idle()
		return refuse
	}
	if !t.known && tm.quiet > 0 {
		if in.fp != t.seen && !(in.leftAlone(now, tm.quiet)) {
			t.seen, t.last = in.fp, now
		}
		// At the maximum delay a file that is rewritten without pause need not
		// be quiet; but one that was just let go by its writer gets a moment,
		// because the next tool in the chain may open it again at once.
		end := t.last.Add(tm.quiet)
		if limit := later(t.first.Add(tm.maxDelay), t.wrote.Add(tm.quiet/2)); end.After(limit) {
			end = limit
		}
		if now.Before(end) {
			t.due = end
			return wait
		}
	}
	t.seen = in.fp
	return probe
}

// findings are what examining the file itself brought, after look said probe.
type findings struct {
	writer verdict
	before fileInfo // stat before it
	after  fileInfo // and after it
	image  error    // not nil: not a whole image
	same   bool     // byte-identical with what was last told
}

// conclude ends a look that led to probe.
func (t *tracker) conclude(now time.Time, f findings, tm timing) decision {
	if f.writer == somebody {
		t.writing, t.wrote, t.last = true, now, now
		return t.again(now)
	}
	if t.writing {
		t.closed(now, tm)
		if tm.quiet > 0 {
			return wait
		}
	}
	if f.after.fp != t.seen {
		t.last = now
		return t.again(now)
	}
	if t.known || f.same {
		t.idle()
		return unchanged
	}
	if f.image != nil {
		t.rejected = f.before
		t.idle()
		return refuse
	}
	t.idle()
	return tell
}

// barred waits until the file can be read, looking every interval and at every
// hint.
func (t *tracker) barred(now time.Time, interval time.Duration) {
	t.denied, t.writing, t.last, t.due = true, false, now, now.Add(interval)
}

// stillRejected reports whether nothing at all has changed since a version was
// rejected. The inode's clock counts: cp -p and reproducible builds give another
// version the size and time of the rejected one. Where the system does not tell
// that clock, what was heard counts.
func (t *tracker) stillRejected(in fileInfo) bool {
	if !t.hasRejected() || in.fp != t.rejected.fp || in.changed != t.rejected.changed {
		return false
	}
	return in.changed != 0 || !t.rewritten
}

func (t *tracker) hasRejected() bool { return t.rejected.kind != kindMissing }

// restored reports whether a version with the size and modification time of the
// one last told is new all the same: tar, package managers and reproducible
// builds set the time. The inode's own clock has then moved on and, because
// chmod(1) and link(2) move that too, its content was heard to be written.
func (t *tracker) restored(in fileInfo, told version, tm timing) bool {
	after := in.changed - told.changed
	if tm.quiet == 0 {
		// What was heard may be the tail of the version just told, which its
		// linker has made executable since.
		after -= int64(tail)
	}
	return t.rewritten && after > 0
}

// leftAlone reports whether the inode's own clock says that nothing touched it
// for d; otherwise two looks a quiet period apart must agree.
func (in *fileInfo) leftAlone(now time.Time, d time.Duration) bool {
	return in.changed != 0 && in.changed <= now.Add(-d).UnixNano()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

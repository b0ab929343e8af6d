// SPDX-License-Identifier: MIT

package engine

import (
	"strings"
	"sync"
	"time"

	"github.com/qtforge/hotreload/core/internal/watch"
)

// Decision says what kind of thing happened to a plugin. The values are those of the C
// header.
type Decision int32

// The decisions.
const (
	DecisionNone       Decision = 0  // nothing is known
	DecisionNoticed    Decision = 1  // the file may have changed
	DecisionWaiting    Decision = 2  // a check found it not complete yet
	DecisionUnchanged  Decision = 3  // there is nothing to deliver
	DecisionComplete   Decision = 4  // there is a complete, new version
	DecisionRejected   Decision = 5  // the version is not delivered
	DecisionUnreadable Decision = 6  // the file cannot be read
	DecisionRemoved    Decision = 7  // the file is gone
	DecisionSuperseded Decision = 8  // a version was taken back because the file may have changed
	DecisionDelivered  Decision = 9  // a version was delivered
	DecisionReported   Decision = 10 // the host reported on a generation
	DecisionPaused     Decision = 11 // the plugin was paused or resumed
)

// PastDecision is one decision about a plugin.
type PastDecision struct {
	Decision Decision
	Time     time.Time // the last time, if there were several in a row
	Times    int
	Reason   string
}

const (
	// maxHistories is of how many plugins the latest decisions are kept. A plugin to which
	// nothing happened has none.
	maxHistories = 1024
	maxDecisions = 8 // kept of each
)

// history is what happened to a plugin lately.
type history struct {
	p            *plugin
	newer, older *history // of other plugins

	noticed, checked, delivered, reported int64 // in ns since 1970; 0: never
	outcome                               Outcome
	decisions                             [maxDecisions]decision
	count                                 uint32 // of all decisions
	tally                                 tally
}

type decision struct {
	at     int64
	reason string
	times  uint32
	what   Decision
}

// histories are those of the plugins to which something happened last.
type histories struct {
	newest, oldest *history
	count          int
}

// historyOf returns a plugin's history, which becomes the newest. The oldest is forgotten
// if there are too many.
func (m *Engine) historyOf(p *plugin) *history {
	hs, h := &m.histories, p.state().history
	if h == hs.newest && h != nil {
		return h
	}
	if h == nil {
		h = &history{p: p}
		p.rare.history = h
	} else {
		hs.unlink(h)
	}
	h.older = hs.newest
	if hs.newest != nil {
		hs.newest.newer = h
	} else {
		hs.oldest = h
	}
	hs.newest = h
	if hs.count++; hs.count > maxHistories {
		m.forgetHistory(hs.oldest.p)
	}
	return h
}

// forgetHistory drops what is kept of a plugin's past.
func (m *Engine) forgetHistory(p *plugin) {
	if p.rare != nil && p.rare.history != nil {
		m.histories.unlink(p.rare.history)
		p.rare.history = nil
		p.tidy()
	}
}

func (hs *histories) unlink(h *history) {
	hs.count--
	if h.newer != nil {
		h.newer.older = h.older
	} else {
		hs.newest = h.older
	}
	if h.older != nil {
		h.older.newer = h.newer
	} else {
		hs.oldest = h.newer
	}
	h.newer, h.older = nil, nil
}

// note remembers a decision about a plugin, and logs it. At level 0 it is not logged: an
// event says the same.
func (m *Engine) note(p *plugin, level LogLevel, what Decision, reason string) {
	now := time.Now()
	if !p.disabled() {
		m.historyOf(p).add(what, reason, now)
	}
	if m.logs(level) {
		m.log(level, p.id, decisionNames[what]+": "+reason, now)
	}
}

func (h *history) add(what Decision, reason string, now time.Time) {
	at := now.UnixNano()
	switch what {
	case DecisionNoticed:
		h.noticed = at
	case DecisionDelivered:
		h.delivered = at
	case DecisionReported:
		h.reported = at
	}
	if h.count > 0 {
		last := &h.decisions[(h.count-1)%maxDecisions]
		if last.what == what && last.reason == reason {
			last.at = at
			last.times++
			return
		}
	}
	h.decisions[h.count%maxDecisions] = decision{at: at, reason: reason, times: 1, what: what}
	h.count++
}

// latest returns the decisions that are kept, oldest first.
func (h *history) latest() (all []PastDecision) {
	for i := h.count - min(h.count, maxDecisions); i < h.count; i++ {
		d := &h.decisions[i%maxDecisions]
		all = append(all, PastDecision{Decision: d.what, Time: timeOf(d.at), Times: int(d.times), Reason: d.reason})
	}
	return all
}

// timeOf is the inverse of UnixNano, with the zero time for 0.
func timeOf(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

var decisionNames = [...]string{"nothing", "noticed", "waiting", "unchanged", "complete", "rejected", "unreadable", "removed",
	"superseded", "delivered", "reported", "paused"}

// signTexts say what was noticed, by the signs.
var signTexts = sync.OnceValue(func() (texts [256]string) {
	names := []struct {
		sign watch.Signs
		text string
	}{{watch.Replaced, "created, removed or renamed"}, {watch.Written, "written"}, {watch.Closed, "closed by a writer"},
		{watch.Attributes, "attributes changed"}, {watch.Differs, "compared with the disk"},
		{watch.Lost, "notifications may have been lost"}, {watch.Remounted, "file systems may have been mounted anew"}}
	for signs := range texts {
		var parts []string
		for _, n := range names {
			if watch.Signs(signs)&n.sign != 0 {
				parts = append(parts, n.text)
			}
		}
		texts[signs] = strings.Join(parts, ", ")
	}
	texts[0] = "it is checked again"
	return texts
})

func textOfSigns(signs watch.Signs) string { return signTexts()[signs] }

// SPDX-License-Identifier: MIT

package engine

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// This file is what is counted for Metrics alone. All of it is behind Engine.mu.

// latencyBounds are those of histograms, in seconds. Around the default quiet period, which
// most deliveries take, they are close together.
var latencyBounds = [...]float64{0.005, 0.025, 0.1, 0.11, 0.15, 0.25, 0.5, 1, 2.5, 10, 60}

// histogram counts durations.
type histogram struct {
	counts [len(latencyBounds) + 1]uint64 // of what is at most each bound, and of what is longer
	sum    time.Duration
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0) // the clock was set back
	h.sum += d
	i := 0
	for i < len(latencyBounds) && d.Seconds() > latencyBounds[i] {
		i++
	}
	h.counts[i]++
}

func (h *histogram) isEmpty() bool { return h.counts == [len(latencyBounds) + 1]uint64{} }

// counters are of a manager.
type counters struct {
	latency        histogram // from the first notification of a change to its delivery
	wait           histogram // from when a change was found complete to its delivery
	health         [len(healthLabels)]uint64
	imagesRejected uint64 // versions that CheckImage rejected
	failing        int    // plugins whose last reload failed
}

// tally is of a plugin. It is part of the plugin's history, and goes with that.
type tally struct {
	latency                          histogram
	rejected, loaded, failed, rolled uint64
	reported, succeeded              int64  // when a reload was reported last, and a successful one; in ns since 1970
	isGood                           bool   // the last report was of success
	about                            uint64 // the generation of that report
	hash                             *fsys.Hash
}

// tallyOf is a plugin's tally, to be changed; one that nobody reads for a plugin that is
// disabled.
func (m *Engine) tallyOf(p *plugin) *tally {
	if p.disabled() {
		return new(tally)
	}
	return &m.historyOf(p).tally
}

// countDelivery counts a version that is about to be delivered.
func (m *Engine) countDelivery(c *pendingChange, now time.Time) {
	t := m.tallyOf(c.p)
	m.counters.latency.add(now.Sub(c.first))
	m.counters.wait.add(now.Sub(c.complete))
	t.latency.add(now.Sub(c.first))
	t.hash = c.hash
	if c.snap != nil {
		own := c.snap.Files[0].Hash // of the plugin's own file, as the event has it
		t.hash = &own
	}
}

// countReport counts a report of success or failure. One about an older generation says
// nothing of the last reload: the host goes back to it.
func (m *Engine) countReport(p *plugin, generation uint64, isGood bool, now time.Time) {
	t, s := m.tallyOf(p), p.safe
	if generation < t.about {
		return
	}
	t.reported, t.isGood, t.about = now.UnixNano(), isGood, generation
	if isGood {
		t.succeeded = t.reported
	}
	if s.failing == isGood {
		s.failing = !isGood
		if isGood {
			m.counters.failing--
		} else {
			m.counters.failing++
		}
	}
}

// forgetFailing ends the counting of a plugin that is being disabled.
func (m *Engine) forgetFailing(p *plugin) {
	if p.safe != nil && p.safe.failing {
		p.safe.failing = false
		m.counters.failing--
	}
}

// healthLabels are the codes of health events in metrics.
var healthLabels = [...]string{HealthOverflow: "overflow", HealthPolling: "polling", HealthWatching: "watching",
	HealthImageIncomplete: "image_incomplete", HealthPanic: "panic", HealthUnreadable: "unreadable", HealthReadable: "readable",
	HealthSnapshotFailed: "snapshot_failed", HealthNoReport: "no_report", HealthHanging: "hanging", HealthAnswering: "answering",
	HealthDescriptors: "descriptors", HealthStaleMount: "stale_mount", HealthMissed: "missed", HealthHeldOpen: "held_open",
	HealthFolderLimit: "folder_limit", HealthFolderSkipped: "folder_skipped", HealthFolderUnreadable: "folder_unreadable",
	HealthFolderReadable: "folder_readable",
	HealthPauseMarker:    "pause_marker"}

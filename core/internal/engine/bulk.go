// SPDX-License-Identifier: MIT

package engine

import "time"

// bulk notices that many plugins are being enabled or disabled, so that the host can
// give memory back when that is over.
type bulk struct {
	count  int       // plugins enabled or disabled without a pause
	latest time.Time // of these
	under  bool      // what Options.Bulk was called with last
	timer  *time.Timer
}

const (
	// many plugins that come or go at once are worth calling Options.Bulk for.
	many = 4096
	// bulkPause is how long none must have come or gone for it to be over.
	bulkPause = time.Second
)

// countTurnover notes that a plugin was enabled or disabled.
func (m *Engine) countTurnover() {
	b := &m.intake.bulk
	now := time.Now()
	if !b.under && now.Sub(b.latest) > bulkPause {
		b.count = 0
	}
	b.count++
	b.latest = now
	if b.count < many || b.under || m.opts.Bulk == nil {
		return
	}
	m.setBulk(true)
	b.timer = time.AfterFunc(bulkPause, m.timerStep(m.endBulk))
}

// endBulk ends what countTurnover began, once nothing comes, goes or settles.
func (m *Engine) endBulk() {
	b := &m.intake.bulk
	if wait := bulkPause - time.Since(b.latest); wait > 0 || len(m.intake.settling) > 0 {
		b.timer.Reset(max(wait, bulkPause/5))
		return
	}
	b.count = 0
	m.setBulk(false)
}

func (m *Engine) setBulk(under bool) {
	if b := &m.intake.bulk; m.opts.Bulk != nil && under != b.under {
		b.under = under
		m.opts.Bulk(under)
	}
}

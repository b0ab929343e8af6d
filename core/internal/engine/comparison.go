// SPDX-License-Identifier: MIT

package engine

import "time"

// comparison is that everything must be compared with the disk. A storm of
// reasons for it is answered ever less often.
type comparison struct {
	at      time.Time // when; zero: there is no reason to
	last    time.Time // when there was a reason
	backoff time.Duration
}

const (
	minComparisonBackoff = 50 * time.Millisecond
	maxComparisonBackoff = 5 * time.Second
)

// request notes a reason: the first one in a long time is for a comparison at once.
func (c *comparison) request(now time.Time) {
	if !c.last.IsZero() && now.Sub(c.last) < 4*c.backoff {
		c.backoff = min(2*c.backoff, maxComparisonBackoff)
	} else {
		c.backoff = minComparisonBackoff
	}
	c.last = now
	if c.at.IsZero() {
		c.at = now.Add(c.backoff - minComparisonBackoff)
	}
}

// begin reports whether it is time to compare everything, which the caller does.
func (c *comparison) begin(now time.Time) bool {
	if c.at.IsZero() || now.Before(c.at) {
		return false
	}
	c.at = time.Time{}
	return true
}

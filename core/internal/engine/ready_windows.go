// SPDX-License-Identifier: MIT

package engine

// readiness has no descriptor here: Windows hosts use the wakeup callback.
type readiness struct {
	fd         int
	set, asked bool
}

func newReadiness() (*readiness, error) { return &readiness{fd: -1}, nil }
func (r *readiness) update(bool)        {}
func (r *readiness) close()             {}

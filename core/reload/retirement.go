// SPDX-License-Identifier: MIT

package reload

import (
	"fmt"
	"time"
)

// retire begins the end of a version: it exits after its last call and after all
// versions that use it, and is unloaded.
func (m *machine) retire(v *version) {
	if !v.retiring {
		v.retiring = true
		m.retiring = append(m.retiring, v)
		m.progress = true
	}
}

// retireFurther begins the next step of the end of a version.
func (m *machine) retireFurther(v *version, now time.Time) {
	switch {
	case v.task != nil || v.idle != nil || !v.retiring || v.retryAt.After(now):
	case v.state == absent:
		v.retiring = false
		m.retiring = without(m.retiring, v)
		m.emit(forget{v.Version})
		m.progress = true
	case !v.isIdle && v.activated:
		m.begin(&task{step: AwaitIdle, version: v}, now)
	case v.users > 0:
	case v.state == initialised:
		m.begin(&task{step: Exit, version: v}, now)
	default:
		m.begin(&task{step: Unload, version: v}, now)
	}
}

// retireStepEnded says what was not as it should be.
func (m *machine) retireStepEnded(t *task, r Result, now time.Time) {
	if v := t.version; r.notDone() {
		v.pause = nextPause(v.pause)
		v.retryAt = now.Add(v.pause)
		return
	}
	o := Outcome{Verdict: Noted, Generation: t.version.Generation, At: t.version.Version, Step: t.step}
	switch {
	case t.overdue:
		return // said already
	case r.Failure != "":
		o.Reason = fmt.Sprintf("could not %s: %s", t.step, r.Failure)
	case r.Kept != "":
		o.Reason = "stays in memory: " + r.Kept
	default:
		return
	}
	m.say(t.version.p, o)
}

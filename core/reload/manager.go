// SPDX-License-Identifier: MIT

package reload

import "github.com/qtforge/hotreload/core"

// Deliver gives the engine an event of a manager with safe reload: a change is
// offered, a rollback is gone back to, a rejection becomes an outcome. The event is
// the source of its version. Events about plugins that the engine does not have, and
// of other kinds, do nothing. Call it from the manager's event callback.
func (e *Engine) Deliver(ev core.Event) {
	// Each error means that there is nothing to do: the plugin was removed, or the
	// generation answers already.
	switch ev.Kind {
	case core.FileChanged:
		_ = e.Offer(ev.ID, ev.Generation, ev)
	case core.Rollback:
		if ev.Generation != 0 {
			_ = e.offer(offer{Plugin: ev.ID, Generation: ev.Generation, Back: true, Failed: ev.Failed}, ev)
		}
	case core.Rejected:
		_ = e.input(rejected{ev.ID, ev.Message})
	case core.FileRemoved:
		_ = e.FileRemoved(ev.ID)
	}
}

// Reporter is what Report needs of a [core.Manager].
type Reporter interface {
	ReportReload(id string, generation uint64, outcome core.Outcome, message string) error
}

// Report tells a manager what it must know of an outcome: a version that answers is
// the good one now, and one that failed is not offered again. Nothing is reported of
// a version that is not at fault. Call it first in [Config].Outcome.
func Report(m Reporter, o Outcome) {
	// The error says that the generation is known no more, or the manager closed.
	switch o.Verdict {
	case Done:
		_ = m.ReportReload(o.Plugin, o.Generation, core.ReloadOK, "")
	case Failed:
		_ = m.ReportReload(o.Plugin, o.Generation, core.ReloadFailed, o.Step.String()+": "+o.Reason)
	}
}

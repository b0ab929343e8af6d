// SPDX-License-Identifier: MIT

package reload

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qtforge/hotreload/core"
)

// Host is a manager and an engine together: what the hosts of all languages have in
// common. Its methods may be called from any goroutine, and from the outcome
// function. Inside a step, Open would wait for itself.
type Host struct {
	manager *core.Manager
	engine  *Engine
	manual  bool
	closing sync.Once
	closed  chan struct{}

	mu      sync.Mutex
	waiting map[string]*opening // by plugin
	changed chan struct{}       // closed when one of them is decided
}

// Opening is a plugin that is to be opened.
type Opening struct {
	Plugin Plugin
	Path   string
	// Options are those of [core.Manager.Enable]; the present version is always
	// delivered.
	Options core.EnableOptions
	// DoNotWait opens the plugin without waiting for its first version.
	DoNotWait bool
}

// opening is what became of a plugin that Open waits for.
type opening struct {
	outcome *Outcome // of its first version; nil: not decided
}

// NewHost returns a host without plugins. Safe reload is on for every plugin, also if
// options do not say so. The manager's event callback is the host's.
func NewHost(options core.Options, config Config) (*Host, error) {
	if options.Safe == nil {
		options.Safe = &core.Safe{}
	}
	manager, err := core.New(options)
	if err != nil {
		return nil, err
	}
	h := &Host{manager: manager, engine: New(config), manual: options.Dispatch == core.DispatchManual,
		waiting: map[string]*opening{}, changed: make(chan struct{}), closed: make(chan struct{})}
	h.engine.heard, h.engine.hold = h.hear, manager.HoldSnapshot
	if err := manager.SetEventCallback(h.engine.Deliver, nil); err != nil {
		manager.Close()
		return nil, err
	}
	return h, nil
}

// Manager returns the host's manager, for its validator, its stats, pausing and, with
// manual dispatch, Dispatch.
func (h *Host) Manager() *core.Manager { return h.manager }

// Closed is closed when, after [Host.Shutdown], everything has ended and the manager is
// closed.
func (h *Host) Closed() <-chan struct{} { return h.closed }

// Engine returns the host's engine, for Status and TakeWithoutState.
func (h *Host) Engine() *Engine { return h.engine }

// hear reports an outcome to the manager, and to Open if that waits for it.
func (h *Host) hear(o Outcome) {
	Report(h.manager, o)
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.waiting[o.Plugin]
	if w == nil || w.outcome != nil || (o.Verdict != Done && o.Verdict != Failed && o.Verdict != Rejected) {
		return
	}
	w.outcome = &o
	close(h.changed)
	h.changed = make(chan struct{})
}

// Open opens plugins, and waits until the first version of each answers. It opens
// all or none. An error says which one cannot be opened: one that is open already
// ([ErrExists]), a path that cannot be watched (as [core.Manager.Enable]), a first
// version that was rejected or failed ([ErrFailed]), or none in time (ctx.Err). With
// manual dispatch, Open dispatches while it waits.
func (h *Host) Open(ctx context.Context, plugins []Opening, sets ...Set) error {
	var specs []Plugin
	for _, o := range plugins {
		specs = append(specs, o.Plugin)
	}
	if err := h.engine.Add(specs, sets...); err != nil {
		return err
	}
	var ids, awaited []string
	h.mu.Lock()
	for _, o := range plugins {
		ids = append(ids, o.Plugin.ID)
		if !o.DoNotWait {
			awaited = append(awaited, o.Plugin.ID)
			h.waiting[o.Plugin.ID] = &opening{}
		}
	}
	h.mu.Unlock()
	err := h.enable(plugins)
	if err == nil {
		err = h.await(ctx, awaited)
	}
	h.mu.Lock()
	for _, id := range awaited {
		delete(h.waiting, id)
	}
	h.mu.Unlock()
	if err != nil {
		_ = h.Close(ids...)
	}
	return err
}

func (h *Host) enable(plugins []Opening) error {
	for _, o := range plugins {
		o.Options.DeliverPresent = true
		if err := h.manager.Enable(o.Plugin.ID, o.Path, o.Options); err != nil {
			return err
		}
	}
	return nil
}

// await waits until the first versions are decided.
func (h *Host) await(ctx context.Context, ids []string) error {
	for {
		h.mu.Lock()
		changed := h.changed
		var undecided []string
		var failed *Outcome
		for _, id := range ids {
			w := h.waiting[id]
			if w.outcome == nil {
				undecided = append(undecided, id)
			} else if w.outcome.Verdict != Done {
				failed = w.outcome
			}
		}
		h.mu.Unlock()
		switch {
		case failed != nil:
			return errorOf(ErrFailed, "%s", failed)
		case len(undecided) == 0:
			return nil
		case ctx.Err() != nil:
			return &Error{Kind: ctx.Err(), Msg: h.late(undecided)}
		}
		if h.manual {
			if _, err := h.manager.Dispatch(1, 10*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		select {
		case <-changed:
		case <-h.engine.fault:
			return h.engine.broken
		case <-ctx.Done():
		}
	}
}

// late says what plugins wait for.
func (h *Host) late(ids []string) string {
	var what []string
	for _, id := range ids {
		why := "its file is not complete, or not validated"
		if st, err := h.engine.Status(id); err == nil {
			switch {
			case st.Exchanging != 0:
				why = "its " + st.Step.String() + " has not returned"
			case st.Pending != 0:
				why = "it waits for " + st.WaitsFor
			}
		}
		what = append(what, "plugin "+id+" is not open in time: "+why)
	}
	return strings.Join(what, "; ")
}

// Close ends plugins: they are not watched any more, callers get no version, and the
// versions exit and are unloaded after their last call. It waits for none of that, as
// [Engine.Remove].
// Plugins that others need are closed with them or after them.
func (h *Host) Close(ids ...string) error {
	if err := h.engine.Remove(ids...); err != nil {
		return err
	}
	// In this order: what the manager still delivers goes to nobody.
	for _, id := range slices.Backward(ids) {
		if _, err := h.manager.Disable(id); err != nil && !errors.Is(err, core.ErrClosed) {
			return err
		}
	}
	return nil
}

// Shutdown closes everything and waits until all versions have ended, then closes the
// manager: a version keeps its snapshot while it is in use. If ctx ends before, the
// error names what is left; that ends later all the same. Inside the outcome function
// pass a context that has ended: the last outcome cannot be awaited there.
func (h *Host) Shutdown(ctx context.Context) error {
	h.engine.Close()
	h.closing.Do(func() {
		go func() {
			select {
			case <-h.engine.Done():
			case <-h.engine.fault:
			}
			h.manager.Close()
			close(h.closed)
		}()
	})
	select {
	case <-h.closed:
		return nil
	case <-ctx.Done():
		return h.engine.Wait(ctx)
	}
}

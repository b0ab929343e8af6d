// SPDX-License-Identifier: MIT

package reload

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// waiter waits until plugins and all of their versions have ended.
type waiter struct {
	ids   []string
	ended chan struct{}
}

// Done is closed when everything has ended after [Engine.Close], and the last outcome
// was delivered.
func (e *Engine) Done() <-chan struct{} { return e.done }

// Wait waits until everything has ended after [Engine.Close]. If ctx ends before, the
// error names what is left.
func (e *Engine) Wait(ctx context.Context) error {
	select {
	case <-e.done:
		return nil
	case <-e.fault:
		return e.broken
	case <-ctx.Done():
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return &Error{Kind: ctx.Err(), Msg: "not everything has ended: " + strings.Join(e.m.remaining(), ", ")}
}

// WaitFor waits until plugins that were removed, and all of their versions, have ended.
// If ctx ends before, the error names what is left.
func (e *Engine) WaitFor(ctx context.Context, ids ...string) error {
	w := waiter{ids, make(chan struct{})}
	e.mu.Lock()
	e.waiters = append(e.waiters, w)
	e.wake()
	e.mu.Unlock()
	select {
	case <-w.ended:
		return nil
	case <-e.fault:
		return e.broken
	case <-ctx.Done():
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiters = slices.DeleteFunc(e.waiters, func(x waiter) bool { return x.ended == w.ended })
	return &Error{Kind: ctx.Err(), Msg: "not everything has ended: " + strings.Join(e.m.remaining(ids...), ", ")}
}

// wake tells those who wait for the end of plugins. The lock is held.
func (e *Engine) wake() {
	if e.running || len(e.queue) > 0 {
		return // what is left to do may be about them
	}
	e.waiters = slices.DeleteFunc(e.waiters, func(w waiter) bool {
		over := !slices.ContainsFunc(w.ids, e.m.lives)
		if over {
			close(w.ended)
		}
		return over
	})
}

// remaining names what has not ended of these plugins, or of all.
func (m *machine) remaining(ids ...string) (left []string) {
	concerns := func(p *plugin) bool { return len(ids) == 0 || slices.Contains(ids, p.ID) }
	for _, v := range m.retiring {
		switch {
		case !concerns(v.p):
		case v.task != nil:
			left = append(left, fmt.Sprintf("the %s of %s has not returned", v.task.step, v.Version))
		case v.idle != nil:
			left = append(left, fmt.Sprintf("%s is in use", v.Version))
		default:
			left = append(left, fmt.Sprintf("%s is used by other versions", v.Version))
		}
	}
	for _, p := range sorted(slices.Collect(maps.Values(m.plugins))) {
		if !concerns(p) {
			continue
		}
		what := "is open"
		if p.plan != nil {
			what = "is being exchanged"
			if p.plan.task != nil {
				what += fmt.Sprintf(" (the %s of %s has not returned)", p.plan.task.step, p.plan.task.version.Version)
			}
		}
		left = append(left, p.ID+" "+what)
	}
	return left
}

// lives reports whether there is a plugin, or a version of it.
func (m *machine) lives(id string) bool {
	return m.plugins[id] != nil || slices.ContainsFunc(m.retiring, func(v *version) bool { return v.p.ID == id })
}

// SPDX-License-Identifier: MIT

package reload

import (
	"context"
	"sync"
)

// Gate is the door to one plugin, for hosts in Go: it counts the calls of each version
// and holds callers while the plugin is quiesced. Other languages have a door of
// their own, so that no call passes through Go. A zero Gate is shut.
type Gate struct {
	mu      sync.Mutex
	changed chan struct{} // closed at every change
	active  Version
	open    bool
	held    bool
	reason  string
	calls   map[uint64]int // by instance
}

// Acquire pins the version that answers, until release is called. It waits while the
// plugin is quiesced. When no version answers, the error says why.
func (g *Gate) Acquire(ctx context.Context) (v Version, release func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.held {
		if err := g.wait(ctx); err != nil {
			return Version{}, nil, err
		}
	}
	if !g.open {
		reason := g.reason
		if reason == "" {
			reason = "there is none yet"
		}
		return Version{}, nil, errorOf(ErrUnknown, "no version answers: %s", reason)
	}
	if g.calls == nil {
		g.calls = map[uint64]int{}
	}
	g.calls[g.active.Instance]++
	v = g.active
	return v, sync.OnceFunc(func() { g.release(v) }), nil
}

func (g *Gate) release(v Version) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.calls[v.Instance]--; g.calls[v.Instance] == 0 {
		delete(g.calls, v.Instance)
		g.signal()
	}
}

func (g *Gate) signal() {
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}

// wait waits for a change, without the lock.
func (g *Gate) wait(ctx context.Context) error {
	if g.changed == nil {
		g.changed = make(chan struct{})
	}
	changed := g.changed
	g.mu.Unlock()
	defer g.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Activate has a version answer, and lets callers go on that wait.
func (g *Gate) Activate(v Version) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active, g.open, g.held = v, true, false
	g.signal()
}

// Shut has callers get no version.
func (g *Gate) Shut(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open, g.held, g.reason = false, false, reason
	g.signal()
}

// Quiesce has callers wait, and returns when no call of v is under way. It does
// nothing if ctx has ended.
func (g *Gate) Quiesce(ctx context.Context, v Version) error {
	g.mu.Lock()
	err := ctx.Err() // with the lock: after that, Activate may have opened the gate
	g.held = g.held || err == nil
	g.mu.Unlock()
	if err != nil {
		return err
	}
	return g.AwaitIdle(ctx, v)
}

// AwaitIdle returns when no call of v is under way.
func (g *Gate) AwaitIdle(ctx context.Context, v Version) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.calls[v.Instance] > 0 {
		if err := g.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"sync"
	"time"

	"github.com/qtforge/hotreload/core/reload"
)

// jobs are what a host with manual dispatch runs inside hrm_dispatch: the steps of
// plugins, and outcome callbacks.
//
// While callers are held, hrm_dispatch does not return: its thread may be one that
// calls the plugin, and would then wait for steps that only it can run.
type jobs struct {
	host func() *reload.Host

	mu       sync.Mutex
	changed  *sync.Cond
	queue    []func()
	holds    map[*cPlugin]bool // whose callers are held
	orphaned bool              // nobody dispatches any more
}

func (j *jobs) init(host func() *reload.Host) {
	j.host, j.changed, j.holds = host, sync.NewCond(&j.mu), map[*cPlugin]bool{}
}

// post has a function run inside hrm_dispatch, or on a thread of the library if nobody
// dispatches any more.
func (j *jobs) post(f func()) {
	j.mu.Lock()
	alone := j.orphaned
	if !alone {
		j.queue = append(j.queue, f)
		j.changed.Broadcast()
	}
	j.mu.Unlock()
	if alone {
		go f()
	} else if j.host().Manager().Post(j.work) != nil {
		j.orphan() // the manager is closed
	}
}

// work runs one job, and more as long as callers are held.
func (j *jobs) work() {
	for {
		j.mu.Lock()
		for len(j.queue) == 0 && len(j.holds) > 0 && !j.orphaned {
			j.changed.Wait()
		}
		f := j.take()
		j.mu.Unlock()
		if f == nil {
			return
		}
		f()
		j.mu.Lock()
		on := len(j.holds) > 0 && !j.orphaned
		j.mu.Unlock()
		if !on {
			return
		}
	}
}

// take removes the next job; nil if there is none. The lock is held.
func (j *jobs) take() (f func()) {
	if len(j.queue) > 0 {
		f = j.queue[0]
		j.queue[0] = nil
		j.queue = j.queue[1:]
	}
	return f
}

// held notes whether callers of a plugin are held.
func (j *jobs) held(p *cPlugin, on bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if on {
		j.holds[p] = true
	} else {
		delete(j.holds, p)
	}
	j.changed.Broadcast()
}

// orphan has what waits, and what comes, run on threads of the library.
func (j *jobs) orphan() {
	j.mu.Lock()
	queue := j.queue
	j.queue, j.orphaned = nil, true
	j.changed.Broadcast()
	j.mu.Unlock()
	for _, f := range queue {
		go f()
	}
}

// workUntil runs jobs on this thread until everything has ended, or ctx has.
func (j *jobs) workUntil(host *reload.Host, ctx context.Context) {
	host.Engine().Close()
	for {
		select {
		case <-host.Engine().Done():
			return
		case <-ctx.Done():
			return
		default:
		}
		if _, err := host.Manager().Dispatch(1, 10*time.Millisecond); err != nil {
			return
		}
	}
}

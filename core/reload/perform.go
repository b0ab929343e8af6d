// SPDX-License-Identifier: MIT

package reload

import (
	"context"
	"errors"
	"fmt"
)

// begin has a step run.
func (e *Engine) begin(t *task) {
	ctx, end := context.WithCancel(context.Background())
	v := t.version.Version
	e.mu.Lock()
	e.cancels[t.id] = end
	var value any
	if t.step == Load {
		s := e.sources[sourceKey{v.Plugin, v.Generation}]
		value = s.value
		if !e.counted[v.Instance] {
			e.counted[v.Instance] = true
			s.uses++
		}
	}
	hooks, retired := t.version.hooks, t.plan == nil
	e.mu.Unlock()

	f := func() {
		_ = e.input(started{t.id})
		r := e.perform(ctx, t, value)
		e.answer(t, r)
	}
	hook, isHook := map[Step]bool{Init: hooks.Init, Exit: hooks.Exit}[t.step]
	run := e.config.Run
	if retired && e.config.RunRetired != nil {
		run = e.config.RunRetired
	}
	switch {
	case isHook && !hook:
		go e.answer(t, Result{})
	case run == nil || t.step == AwaitIdle || t.step == Activate || (t.step == Quiesce && !e.config.RunQuiesce):
		go f()
	default:
		if err := run(t.step, v, f); err != nil {
			go e.answer(t, Result{Failure: err.Error(), Fault: OfNobody})
		}
	}
}

// answer gives the machine the answer of a task.
func (e *Engine) answer(t *task, r Result) {
	e.mu.Lock()
	end := e.cancels[t.id]
	delete(e.cancels, t.id)
	e.mu.Unlock()
	end()
	_ = e.input(returned{t.id, r})
}

// perform calls the language. A panic is a failure of the step.
func (e *Engine) perform(ctx context.Context, t *task, source any) (r Result) {
	var err error
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			r.Failure = err.Error()
			if r.Failure == "" {
				r.Failure = "an error without a text"
			}
			if t.step == Load {
				r.Failure = advised(r.Failure)
			}
			if errors.Is(err, ErrNotNow) {
				r.Fault = OfNobody
			}
		}
	}()
	s, v := e.config.Steps, t.version.Version
	switch t.step {
	case Load:
		r.Hooks, err = s.Load(ctx, v, source)
	case Init:
		err = s.Init(ctx, v, versionsOf(t.needs))
	case Save:
		r.State, err = s.Save(ctx, v)
	case Restore:
		err = s.Restore(ctx, v, t.state)
	case Prepare:
		err = s.Prepare(ctx, v)
	case Exit:
		err = s.Exit(ctx, v)
	case Unload:
		r.Kept, err = s.Unload(ctx, v)
	case Activate:
		err = s.Activate(ctx, versionsOf(t.all))
	case Quiesce:
		err = s.Quiesce(ctx, v)
	case AwaitIdle:
		err = s.AwaitIdle(ctx, v)
	}
	return r
}

func versionsOf(list []*version) (out []Version) {
	for _, v := range list {
		out = append(out, v.Version)
	}
	return out
}

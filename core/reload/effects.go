// SPDX-License-Identifier: MIT

package reload

// runQueue runs effects in their order: a plugin is shut before the end of its calls
// is awaited.
func (e *Engine) runQueue() {
	for {
		e.mu.Lock()
		if len(e.queue) == 0 {
			e.queue, e.running = nil, false
			e.wake()
			e.mu.Unlock()
			return
		}
		next := e.queue[0]
		e.queue = e.queue[1:]
		e.mu.Unlock()
		e.do(next)
	}
}

func (e *Engine) do(f effect) {
	switch f := f.(type) {
	case begin:
		e.begin(f.task)
	case cancel:
		e.mu.Lock()
		end := e.cancels[f.task]
		e.mu.Unlock()
		if end != nil {
			end()
		}
	case shut:
		e.contain(func() { e.config.Steps.Shut(f.plugin, f.reason) })
	case forget:
		e.mu.Lock()
		counted := e.counted[f.version.Instance]
		delete(e.counted, f.version.Instance)
		e.mu.Unlock()
		if counted {
			e.release(sourceKey{f.version.Plugin, f.version.Generation})
			e.contain(func() { e.config.Steps.Forget(f.version) })
		}
	case drop:
		e.release(sourceKey{f.plugin, f.generation})
	case check:
		go e.check(f)
	case say:
		if e.heard != nil {
			e.heard(f.outcome)
		}
		e.tell(f.outcome)
	case closed:
		e.mu.Lock()
		e.ended = true
		tells := e.telling
		e.mu.Unlock()
		if !tells {
			close(e.done)
		}
	}
}

// contain runs a function of the language; a panic in it is nobody's concern but its
// own.
func (e *Engine) contain(f func()) {
	defer func() { _ = recover() }()
	f()
}

func (e *Engine) release(key sourceKey) {
	var files func()
	e.mu.Lock()
	if s := e.sources[key]; s != nil {
		if s.uses--; s.uses == 0 {
			delete(e.sources, key)
			files = s.files
		}
	}
	e.mu.Unlock()
	if files != nil {
		files()
	}
}

// check asks the host whether versions fit together.
func (e *Engine) check(f check) {
	var candidates []Candidate
	e.mu.Lock()
	for _, v := range f.versions {
		c := Candidate{Version: v}
		if s := e.sources[sourceKey{v.Plugin, v.Generation}]; s != nil {
			c.Source = s.value
		}
		candidates = append(candidates, c)
	}
	e.mu.Unlock()
	reason := "the check panicked"
	e.contain(func() {
		err := e.config.Check(f.set, candidates)
		reason = ""
		if err != nil {
			reason = err.Error()
		}
	})
	_ = e.input(checked{f.id, reason})
}

// tell gives the host an outcome, after those before it.
func (e *Engine) tell(o Outcome) {
	if e.config.Outcome == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.outcomes = append(e.outcomes, o)
	if !e.telling {
		e.telling = true
		go e.tellAll()
	}
}

func (e *Engine) tellAll() {
	for {
		e.mu.Lock()
		if len(e.outcomes) == 0 {
			e.outcomes, e.telling = nil, false
			over := e.ended
			e.mu.Unlock()
			if over {
				close(e.done)
			}
			return
		}
		o := e.outcomes[0]
		e.outcomes = e.outcomes[1:]
		e.mu.Unlock()
		e.contain(func() { e.config.Outcome(o) })
	}
}

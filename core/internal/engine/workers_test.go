// SPDX-License-Identifier: MIT

package engine

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pool is workers under test, with the mounts /a and /b.
type pool struct {
	workers
	mu     sync.Mutex
	events []string
	done   []string
}

func newPool() *pool {
	p := &pool{}
	p.start = func(f func()) { go f() }
	p.mountOf = func(path string) string { return path[:2] }
	p.hangs = func(mount string, hangs bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if hangs {
			p.events = append(p.events, mount+" hangs")
		} else {
			p.events = append(p.events, mount+" answers")
		}
	}
	return p
}

func (p *pool) ask(path string, wait <-chan struct{}) {
	p.do(path, func(at func(string)) {
		at(path)
		if wait != nil {
			<-wait
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.done = append(p.done, path)
	})
}

func (p *pool) took(what *[]string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := strings.Join(*what, " ")
	*what = nil
	return s
}

func TestMountThatHangsHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool()
		release := make(chan struct{})
		for range 2 * maxWorkers { // however many
			p.ask("/a/hangs", release)
		}
		time.Sleep(10 * hangsAfter)
		p.ask("/a/next", nil)
		p.ask("/b/other", nil)
		synctest.Wait()
		if got := p.took(&p.done); got != "/b/other" {
			t.Errorf("done: %q, want the task of the other mount alone", got)
		}
		if got := p.took(&p.events); got != "/a hangs" {
			t.Errorf("events: %q", got)
		}
		close(release)
		time.Sleep(10 * hangsAfter)
		synctest.Wait()
		if got := strings.Count(p.took(&p.done), "/a/"); got != 2*maxWorkers+1 {
			t.Errorf("%d tasks of the mount that answers again were done, want all %d", got, 2*maxWorkers+1)
		}
		if got := p.took(&p.events); got != "/a answers" {
			t.Errorf("events: %q", got)
		}
		if !p.idle() {
			t.Error("not idle")
		}
	})
}

func TestHangIsReportedBeforeItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool()
		report := p.hangs
		p.hangs = func(mount string, hangs bool) {
			if hangs {
				time.Sleep(time.Minute) // the engine is busy
			}
			report(mount, hangs)
		}
		release := make(chan struct{})
		p.ask("/a/hangs", release)
		time.Sleep(10 * hangsAfter)
		close(release)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := p.took(&p.events); got != "/a hangs /a answers" {
			t.Errorf("events: %q", got)
		}
	})
}

func TestTaskThatPanicsDoesNotPassForHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool()
		p.start = func(f func()) {
			go func() {
				defer func() { _ = recover() }()
				f()
			}()
		}
		p.do("/a/panics", func(func(string)) { panic("for the test") })
		time.Sleep(10 * hangsAfter)
		synctest.Wait()
		if got := p.took(&p.events); got != "" || !p.idle() {
			t.Errorf("events: %q, idle: %v", got, p.idle())
		}
	})
}

func TestLongTaskThatGoesOnDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool()
		p.do("/a/large", func(at func(string)) {
			for range 100 {
				at("/a/large")
				time.Sleep(hangsAfter / 2)
			}
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := p.took(&p.events); got != "" {
			t.Errorf("events: %q, want none: the file system answers", got)
		}
	})
}

func TestClosedWorkersBeginNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool()
		release := make(chan struct{})
		for range maxWorkers {
			p.ask("/a/hangs", release)
		}
		p.ask("/a/never", nil)
		synctest.Wait()
		p.close()
		p.ask("/b/never", nil)
		close(release)
		synctest.Wait()
		if got := p.took(&p.done); strings.Contains(got, "never") {
			t.Errorf("done: %q", got)
		}
	})
}

func TestWorkerThatHasNotBegunYetDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool()
		var late func() // on a starved computer a goroutine begins late
		p.start = func(f func()) { late = f }
		p.ask("/a/1", nil)
		p.start = func(f func()) { go f() }
		for range 3 {
			p.supervise()
		}
		late()
		synctest.Wait()
		if events, done := p.took(&p.events), p.took(&p.done); events != "" || done != "/a/1" || !p.idle() {
			t.Errorf("events %q, done %q, idle %v", events, done, p.idle())
		}
	})
}

func TestLongTasksHoldUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool()
		var stop atomic.Bool
		for range maxWorkers {
			p.do("/a/large", func(at func(string)) {
				for range 100 {
					at("/a/large")
					time.Sleep(hangsAfter / 2)
				}
				stop.Store(true)
			})
		}
		p.ask("/a/next", nil)
		time.Sleep(10 * hangsAfter)
		synctest.Wait()
		if got := p.took(&p.done); got != "/a/next" || stop.Load() {
			t.Errorf("done: %q, the long tasks have ended: %v; want the short task to be done meanwhile", got, stop.Load())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !p.idle() {
			t.Error("not idle after the long tasks")
		}
		p.ask("/a/later", nil)
		synctest.Wait()
		if got := p.took(&p.done); got != "/a/later" {
			t.Errorf("done: %q", got)
		}
	})
}

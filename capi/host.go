// SPDX-License-Identifier: MIT

package main

// #include "host.h"
import "C"

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qtforge/hotreload/core/reload"
)

// cHost is a host of the C interface: reload.Host, whose steps are C's.
type cHost struct {
	host    *reload.Host
	manager uintptr // the handle of its manager
	manual  bool
	code    C.hrmc_host_code
	outcome C.uintptr_t
	destroy C.uintptr_t

	ending atomic.Bool
	told   chan struct{} // holds one token while an outcome callback runs

	jobs jobs

	mu      sync.Mutex
	plugins map[string]*cPlugin // that are open, or being opened
	loaded  map[uint64]*cVersion
	checks  map[string]check // by set
}

// cPlugin is a plugin from its opening until its last version has ended.
type cPlugin struct {
	host      *cHost
	id        string
	c         *C.hrmc_plugin
	handle    uintptr
	validator C.uintptr_t
	data      C.uintptr_t
	init      string
	canary    C.int32_t // milliseconds; 0: none
	program   *string   // of the canary; nil: a fork
	file      bool      // it is no library
	unload    bool      // also what the image says to keep
	stays     bool      // nothing of it is unloaded
	uses      int       // that it is open, and each version; behind cHost.mu
}

// cVersion is a version from its loading until it is forgotten.
type cVersion struct {
	c *C.hrmc_loaded
	p *cPlugin
	// waits is held while the end of its calls is awaited. A wait that was given up may
	// still be returning when the next one begins, or when the version is forgotten.
	waits sync.Mutex
}

// release gives one use of a plugin back. The host's lock is held.
func (p *cPlugin) release() {
	if p.uses--; p.uses == 0 {
		C.hrmc_plugin_free(p.c)
	}
}

// forgetPlugin ends what is open of a plugin; its versions may still be in use.
func (h *cHost) forgetPlugin(p *cPlugin) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.plugins[p.id] != p {
		return
	}
	delete(h.plugins, p.id)
	openPlugins.Delete(p.handle)
	C.hrmc_plugin_close(p.c)
	p.release()
}

// key returns the host's key; 0 for no host.
func (h *cHost) key() C.uintptr_t {
	if h == nil {
		return 0
	}
	return h.code.key
}

// hostOfManager returns the host whose manager a handle leads to, if it is a host's.
func hostOfManager(handle uintptr) *cHost {
	if m := findHandle(handle); m != nil {
		return m.host
	}
	return nil
}

// end closes everything. Inside of the host's own code it waits for nothing.
func (h *cHost) end(ctx context.Context, inside bool) error {
	h.ending.Store(true)
	ended, cancel := context.WithCancel(ctx)
	defer cancel()
	if inside {
		cancel() // the rest ends by itself
	} else {
		select { // an outcome callback that runs
		case h.told <- struct{}{}:
			<-h.told
		case <-ctx.Done():
		}
	}
	if h.manual && !inside {
		h.jobs.workUntil(h.host, ctx)
	}
	h.jobs.orphan()
	err := h.host.Shutdown(ended)
	finish := func() {
		<-h.host.Closed()
		if h.destroy != 0 {
			C.hrmc_call_plain(h.destroy, h.code.user_data, h.code.key, h.code.mask)
		}
	}
	if inside {
		go finish()
		return nil
	}
	if err != nil {
		go finish()
		return err
	}
	finish()
	return nil
}

// within returns a context for a time in milliseconds; less than 0 is without limit.
func within(ms C.int32_t) (context.Context, context.CancelFunc) {
	if ms < 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), milliseconds(ms))
}

// limit is a limit of time, of which 0 is the default.
func limit(ms C.int32_t, usual time.Duration) time.Duration {
	if ms == 0 {
		return usual
	}
	return milliseconds(ms)
}

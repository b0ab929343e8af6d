// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/settle"
)

// This file is about writers that hold a plugin's file open and write no more. The host
// hears of each once, with the process's name. A scan of all processes finds that, for all
// plugins that ask meanwhile.

// holders are the plugins whose writers are to be found.
type holders struct {
	asked   map[*plugin]heldFile
	looking bool // a scan is under way
}

// heldFile is what the search for a plugin's writers needs.
type heldFile struct {
	files   pluginFiles
	unknown bool // the system does not say that there is a writer: only notifications do
}

// noteHeld notes whether a file is held open for long, after a check of it.
func (m *Engine) noteHeld(c *check, d settle.Decision, probed bool) {
	w := c.work
	switch {
	case d == settle.Wait && w.machine.Held(time.Now()), probed && w.machine.PassedOver():
		m.heldOpen(w.p, heldFile{m.filesOf(w.p), w.machine.IsUnknown()})
	case d == settle.Wait && w.machine.Writing():
	case d == settle.Removed, probed:
		m.forgetHeld(w.p)
	case d == settle.Unchanged && w.p.rare != nil && w.p.rare.held:
		m.findRelease(w.p)
	}
}

// heldOpen reports, once, that a writer holds a file open without writing.
func (m *Engine) heldOpen(p *plugin, f heldFile) {
	if p.state().held {
		return
	}
	p.state().held = true
	m.stats.HeldOpen++
	h := &m.intake.holders
	if h.asked == nil {
		h.asked = map[*plugin]heldFile{}
	}
	h.asked[p] = f
	m.findHolders()
}

// forgetHeld notes that nobody holds the file open any more.
func (m *Engine) forgetHeld(p *plugin) {
	if p.rare == nil || !p.rare.held {
		return
	}
	p.rare.held = false
	p.tidy()
	m.stats.HeldOpen--
	delete(m.intake.holders.asked, p)
}

// findRelease finds out whether a file is held open still that has not changed.
func (m *Engine) findRelease(p *plugin) {
	files := m.filesOf(p)
	m.workers.do(files.fileAt, func(at func(string)) {
		held := m.hasWriter(&files, at)
		m.step(func() {
			if !held {
				m.forgetHeld(p)
			}
		})
	})
}

// findHolders has the processes found for all plugins that ask. One search is under way
// at a time.
func (m *Engine) findHolders() {
	h := &m.intake.holders
	if h.looking || len(h.asked) == 0 {
		return
	}
	h.looking = true
	asked := h.asked
	h.asked = nil
	m.workers.do("/proc", func(at func(string)) {
		ids := map[*plugin][]fsys.ID{}
		var all []fsys.ID
		for p, f := range asked {
			ids[p] = m.idsOf(&f.files, at)
			all = append(all, ids[p]...)
		}
		found := m.opts.writers(all, func() bool {
			at("/proc")
			return m.isClosing()
		})
		m.step(func() {
			h.looking = false
			for p, f := range asked {
				if !p.disabled() && p.rare != nil && p.rare.held {
					m.reportHeld(p, &f, ids[p], found)
				}
			}
			m.findHolders()
		})
	})
}

// idsOf is which files a plugin consists of.
func (m *Engine) idsOf(f *pluginFiles, at func(string)) (ids []fsys.ID) {
	for i, path := range append([]string{f.path}, f.companions...) {
		if i == 0 {
			at(f.fileAt)
		} else {
			at(f.companionAt(i - 1))
		}
		if in, err := m.opts.disk.Stat(path); err == nil {
			ids = append(ids, in.ID())
		}
	}
	return ids
}

// reportHeld is the event about it.
func (m *Engine) reportHeld(p *plugin, f *heldFile, ids []fsys.ID, found map[fsys.ID][]fsys.Process) {
	var by []fsys.Process
	for _, id := range ids {
		by = append(by, found[id]...)
	}
	m.healthLocked(HealthHeldOpen, p.id, p.registeredPath(), m.heldMessage(f.unknown, by))
}

func (m *Engine) heldMessage(unknown bool, by []fsys.Process) string {
	what, whose := "held open for writing", ""
	if unknown {
		what = "written and, as far as notifications say, not closed"
	}
	if len(by) > 0 {
		whose = " by " + namesOf(by)
	} else {
		whose = " by no process that this one may examine"
	}
	next := "delivered when it is closed; close it there, or rename a complete file over it"
	if m.opts.DeliverHeld {
		next = "delivered while it is open, because it does not change"
	}
	return fmt.Sprintf("the file is %s, and has not changed for %v:%s; %s", what, m.opts.HeldAfter, whose, next)
}

// maxListed is how many processes a message names.
const maxListed = 3

func namesOf(all []fsys.Process) string {
	var names []string
	for i, p := range all {
		if i == maxListed {
			return fmt.Sprintf("%s and %d more", strings.Join(names, ", "), len(all)-i)
		}
		names = append(names, p.String())
	}
	return strings.Join(names, ", ")
}

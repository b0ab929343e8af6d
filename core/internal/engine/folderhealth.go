// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"io/fs"
	"time"
)

// This file is what the host hears of a folder that has a fault or reaches a limit: each is
// said once, and again after it was over.

// noteReadable says that a directory below a folder, or the folder, cannot be listed, or
// can be again.
func (m *Engine) noteReadable(d *listedDir, err error) {
	cannot := err != nil && !isMissing(err)
	if cannot == d.unread {
		return
	}
	d.unread = cannot
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	if cannot {
		d.of.report(HealthFolderUnreadable, d.of.path(d.path), "the directory cannot be listed, and is tried again: %v", err)
	} else {
		d.of.report(HealthFolderReadable, d.of.path(d.path), "the directory can be listed again")
	}
}

// noteMissing says that a folder's directory is missing for more than a moment, or there
// again.
func (m *Engine) noteMissing(f *folderState, err error) {
	now := time.Now()
	root := f.dirs[""]
	switch {
	case err == nil || !isMissing(err):
		f.missing = time.Time{}
		if f.lost {
			f.lost = false
			f.report(HealthFolderReadable, f.path(""), "the directory is there again")
		}
	case f.lost || !f.known: // the host allows it to be missing at first
		f.lost = true
	case f.missing.IsZero():
		f.missing = now
		m.listIn(root, f.removalHold())
	case now.Sub(f.missing) < f.removalHold():
		m.listIn(root, f.removalHold()-now.Sub(f.missing))
	default:
		f.lost = true
		f.report(HealthFolderUnreadable, f.path(""), "the directory is missing; its plugins are removed, and it is waited for")
	}
}

// removalHold is for how long something must be missing to count as removed.
func (f *folderState) removalHold() time.Duration { return max(f.options.Quiet, DefaultQuiet) }

func (m *Engine) noteDeep(f *folderState, path string) {
	if path != "" && !f.deep {
		f.deep = true
		f.report(HealthFolderLimit, f.path(path), "the directory is deeper than max_depth (%d); no plugins are looked for in it, nor in others so deep", f.options.MaxDepth)
	}
}

func (m *Engine) noteFull(f *folderState) {
	if !f.full {
		f.full = true
		f.report(HealthFolderLimit, f.path(""), "the folder has more plugins or directories than max_files (%d); the others are not watched", f.options.MaxFiles)
	}
}

// noteSkipped says, once, that files could not be enabled. Of a file that waits for the id
// of another one the host hears only if that does not go soon.
func (m *Engine) noteSkipped(d *listedDir, skipped []*foundFile) {
	f, now := d.of, time.Now()
	f.skipped += len(skipped) - len(d.skipped)
	before := d.skipped
	d.skipped = nil
	if len(skipped) == 0 {
		d.told = 0
		return
	}
	d.skipped = map[string]time.Time{}
	var lasting []*foundFile
	again := skippedAgain
	for _, c := range skipped {
		since, known := before[c.name]
		if !known {
			since = now
		}
		d.skipped[c.name] = since
		if f.waiting[c.id] == nil || now.Sub(since) >= 2*f.removalHold() {
			lasting = append(lasting, c)
		} else {
			again = 2 * f.removalHold()
		}
	}
	m.listIn(d, again)
	if len(lasting) == d.told {
		return
	}
	if d.told = len(lasting); d.told > 0 {
		c := lasting[0]
		if len(lasting) == 1 {
			f.report(HealthFolderSkipped, f.path(d.inside(c.name)), "the file is not enabled: %s", c.why)
		} else {
			f.report(HealthFolderSkipped, f.path(d.inside(c.name)), "the file and %d others in its directory are not enabled: %s", len(lasting)-1, c.why)
		}
	}
}

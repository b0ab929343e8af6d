// SPDX-License-Identifier: MIT

package engine

import (
	"crypto/sha256"
	"io"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// readContents reads the file's content, as far as options ask for it.
func (m *Engine) readContents(c *check, f fsys.File, size int64, isNew bool, at func(string)) {
	stopped := func() bool {
		at(c.files.fileAt)
		return m.isOutdated(c)
	}
	if m.opts.CheckImage && isNew {
		if c.image = m.opts.checkImage(&stoppableFile{f, stopped}, size); c.image != nil {
			return
		}
	}
	if m.opts.IgnoreUnchangedContent && size <= maxCompared {
		if _, sum, err := fsys.HashOf(io.LimitReader(f, size+1), stopped); err == nil {
			c.sum = &sum
		}
	}
}

// contentOf is the hash of all files of a plugin, f being its own; nil if one is too large
// or cannot be read, or the check is outdated.
func (m *Engine) contentOf(c *check, f fsys.File, size int64, at func(string)) *fsys.Hash {
	stopped := func() bool {
		at(c.files.fileAt)
		return m.isOutdated(c)
	}
	if c.sum != nil && len(c.files.companions) == 0 {
		return c.sum
	}
	if size > maxCompared {
		return nil
	}
	_, own, err := fsys.HashOf(io.NewSectionReader(f, 0, size+1), stopped)
	if err != nil {
		return nil
	}
	all := own[:]
	for i, path := range c.files.companions {
		at(c.files.companionAt(i))
		h, err := m.opts.hashAt(path, stopped)
		if err != nil {
			return nil
		}
		all = append(all, h[:]...)
	}
	h := fsys.Hash(sha256.Sum256(all))
	return &h
}

// stoppableFile is read until it is stopped.
type stoppableFile struct {
	fsys.File
	stopped func() bool
}

func (f *stoppableFile) ReadAt(b []byte, at int64) (int, error) {
	if f.stopped() {
		return 0, fsys.ErrStopped
	}
	return f.File.ReadAt(b, at)
}

// isOutdated reports whether the answer to a check would be dropped.
func (m *Engine) isOutdated(c *check) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed || c.epoch != c.work.epoch || m.intake.settling[c.work.p] != c.work
}

func (m *Engine) isClosing() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// maxCompared is how large a file may be to be read for IgnoreUnchangedContent. A sparse
// file (truncate -s 15T) would keep a worker for hours.
const maxCompared = DefaultMaxSize

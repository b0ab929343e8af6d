// SPDX-License-Identifier: MIT

package engine

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// A host may put another directory in the place of its root (chroot, pivot_root). No
// notification says so, and every path leads elsewhere from then on.

// rootOf is the directory at the root of a path. It is asked on a worker.
func (m *Engine) rootOf(path string, known fsys.ID, at func(string)) fsys.ID {
	root, _ := fsys.SplitRoot(path)
	if root != "/" {
		return fsys.ID{} // a volume of Windows
	}
	at(root)
	in, err := m.opts.disk.Lstat(root)
	switch {
	case err != nil:
		return fsys.ID{}
	case known == (fsys.ID{}), in.ID() == known:
		return in.ID()
	}
	at(root)
	if m.opts.disk.Silent(root) != "" {
		return fsys.ID{} // such file systems give other numbers now and then
	}
	return in.ID()
}

// noteRoot has everything compared if the root is another one than before.
func (m *Engine) noteRoot(root fsys.ID) {
	e := &m.intake
	if root == (fsys.ID{}) {
		return
	}
	if e.root != (fsys.ID{}) && e.root != root {
		e.overflow.request(time.Now())
	}
	e.root = root
}

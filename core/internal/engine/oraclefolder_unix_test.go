// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"os"
	"time"
)

// The folder of the oracle: drop, a link to drop-1 or drop-2, in which files appear and go.
// A host has loaded what is in it: of each file its last version, and of none that is gone.

// folderNames are the files that may be in the folder.
var folderNames = []string{"1", "2", "3", "4", "5"}

// startFolder makes the folder's plugins known, and enables it.
func (c *oracle) startFolder() {
	for _, name := range folderNames {
		c.subj["drop/"+name] = &subject{path: c.at("drop/" + name), inFolder: true}
	}
	c.must(c.enableFolder())
}

// enableFolder enables the folder by the path that the host knows.
func (c *oracle) enableFolder() error {
	c.mu.Lock()
	for _, name := range folderNames {
		s := c.subj["drop/"+name]
		s.loaded, s.moved = checksum(s.path), time.Now()
	}
	c.mu.Unlock()
	dir := c.at("drop")
	if c.seen != nil {
		dir = c.seen(dir)
	}
	return c.w.enableFolder("drop", dir)
}

// hears notes an event of a plugin of the folder that is no change.
func (c *oracle) hears(kind Kind, id string, generation uint64, loaded uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.subj[id]
	switch kind {
	case Discovered:
		if s.found {
			c.violated(id, "found, although it was not disabled since it was found before")
		}
		if s.found = true; generation == 0 {
			s.loaded = loaded
		}
	case FileRemoved:
		if s.loaded = 0; !s.found {
			c.violated(id, "removed, although no folder has found it")
		}
	case Disabled:
		if !s.found {
			c.violated(id, "disabled, although no folder has found it")
		}
		s.found = false
	}
}

// folderStep does something to the folder.
func (c *oracle) folderStep() {
	name := folderNames[c.r.IntN(len(folderNames))]
	id, path := "drop/"+name, c.at("drop/"+name)
	isThere := func(path string) bool { _, err := os.Stat(path); return err == nil }
	c.cause(path)
	type operation struct {
		name string
		do   func()
	}
	ops := []operation{
		{"rename into the folder", func() { c.replace(path) }},
		{"write in the folder", func() { c.rewrite(path, 0) }},
		{"write slowly in the folder", func() { c.rewrite(path, 1+c.r.IntN(3)) }},
		{"noise in the folder", func() {
			for _, noise := range []string{".1.swp", "4913", "1~", "x.tmp"} {
				c.must(os.WriteFile(c.at("drop/"+noise), []byte("x"), 0o644))
			}
			c.must(os.Mkdir(c.at("drop/dir"), 0o755))
			c.must(os.Remove(c.at("drop/dir")))
		}},
		{"swap the folder", func() {
			c.causeInFolder()
			c.swapLink("drop", []string{"drop-1", "drop-2"}, path)
			c.moveFolder()
		}},
		{"disable and enable the folder", func() {
			c.must(c.w.disableFolder("drop"))
			c.setFolderOff(true)
			if c.r.IntN(2) == 0 {
				c.replace(path)
			}
			c.setFolderOff(false)
			c.must(c.enableFolder())
		}},
		{"remove and make the folder", func() {
			c.causeInFolder()
			dir := c.end(c.at("drop"))
			c.must(os.RemoveAll(dir))
			c.pause(12)
			c.must(os.Mkdir(dir, 0o755))
			c.moveFolder()
			if c.r.IntN(2) == 0 {
				c.replace(path)
			}
		}},
	}
	if isThere(path) {
		ops = append(ops, operation{"remove in the folder", func() { c.must(os.Remove(path)) }},
			operation{"unpack in the folder", func() { c.unpack(path) }},
			operation{"delete and re-create in the folder", func() {
				c.must(os.Remove(path))
				c.pause(12)
				c.replace(path)
			}},
			operation{"rename in the folder", func() {
				other := folderNames[c.r.IntN(len(folderNames))]
				c.cause(c.at("drop/" + other))
				c.must(os.Rename(path, c.at("drop/"+other)))
			}})
	}
	op := ops[c.r.IntN(len(ops))]
	c.note(op.name, id)
	op.do()
}

// causeInFolder counts one operation for all plugins of the folder.
func (c *oracle) causeInFolder() {
	for _, name := range folderNames {
		c.cause(c.at("drop/" + name))
	}
}

// moveFolder notes that the folder's path leads elsewhere.
func (c *oracle) moveFolder() {
	for _, name := range folderNames {
		c.moves(c.at("drop/" + name))
	}
}

func (c *oracle) setFolderOff(off bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range folderNames {
		c.subj["drop/"+name].off = off
	}
}

// SPDX-License-Identifier: MIT

package snapshot

import (
	"path/filepath"
	"testing"
)

func TestBelow(t *testing.T) {
	for _, c := range []struct{ root, path, rel string }{
		{"/a", "/a/b", "b"},
		{"/a", "/a/b/c", "b/c"},
		{"/", "/a", "a"},
		{"/a", "/a", ""},
		{"/a", "/ab", ""},
		{"/a", "/b/a", ""},
		{"/a/b", "/a", ""},
		{"/a", "/a/..b", "..b"},
	} {
		rel, ok := Below(filepath.FromSlash(c.root), filepath.FromSlash(c.path))
		if filepath.ToSlash(rel) != c.rel || ok != (c.rel != "") {
			t.Errorf("%s below %s: %q, %v", c.path, c.root, rel, ok)
		}
	}
}

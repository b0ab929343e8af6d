// SPDX-License-Identifier: MIT

package snapshot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qtforge/hotreload/core/internal/testns"
)

// In a user namespace without root everything of root's looks like somebody's, and
// perhaps like one's own. /tmp will do all the same; what lies deeper is not known to be
// root's.
func TestSnapshotDirectoryInAUserNamespaceWithoutRoot(t *testing.T) {
	if theirs, child := testns.Argument(); child {
		_, err := openAndTake(t, filepath.Join(realTempDir(t), "snapshots"))
		must(t, err)
		if _, err := openAndTake(t, filepath.Join(theirs, "snapshots")); !insecurely(err) || !strings.Contains(err.Error(), `"`+theirs+`"`) {
			t.Errorf("below a directory of somebody outside: %v", err)
		}
		if _, err := openAndTake(t, filepath.Join(theirs, "private")); !insecurely(err) || !strings.Contains(err.Error(), `"`+theirs+`"`) {
			t.Errorf("a directory of somebody outside: %v", err)
		}
		return
	}
	needRoot(t)
	theirs, err := os.MkdirTemp("/tmp", "theirs")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(theirs) })
	must(t, os.Chmod(theirs, 0o755))
	must(t, os.Mkdir(filepath.Join(theirs, "private"), 0o700))
	for _, inside := range []int{1000, 65534} {
		testns.AsUser(t, t.Name(), inside, 12345, theirs)
	}
}

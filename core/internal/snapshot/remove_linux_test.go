// SPDX-License-Identifier: MIT

package snapshot

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/testns"
)

// What is mounted inside a store is somebody's: of another file system or of the
// same one, a directory or a file.
func TestRemovalEntersNoMount(t *testing.T) {
	if !testns.InNamespace(t, t.Name()) {
		return
	}
	base := privateBase(t)
	bound := filepath.Join(realTempDir(t), "bound")
	must(t, os.Mkdir(bound, 0o700))
	must(t, os.WriteFile(filepath.Join(bound, "file"), []byte("precious"), 0o500))
	mounted := leftover(t, base, "11111-0123abcd")
	must(t, os.Mkdir(filepath.Join(mounted, deep, "8"), 0o700))
	must(t, unix.Mount(bound, filepath.Join(mounted, deep, "8"), "", unix.MS_BIND, ""))
	other := leftover(t, base, "22222-0123abcd")
	must(t, os.Mkdir(filepath.Join(other, deep, "8"), 0o700))
	must(t, unix.Mount("tmpfs", filepath.Join(other, deep, "8"), "tmpfs", 0, "mode=700"))
	must(t, os.WriteFile(filepath.Join(other, deep, "8", "file"), []byte("precious"), 0o500))
	whole := filepath.Join(base, "33333-0123abcd")
	must(t, os.Mkdir(whole, 0o700))
	aside := leftover(t, bound, "44444-0123abcd")
	must(t, unix.Mount(aside, whole, "", unix.MS_BIND, ""))
	t.Cleanup(func() {
		for _, at := range []string{filepath.Join(mounted, deep, "8"), filepath.Join(other, deep, "8"), whole} {
			_ = unix.Unmount(at, unix.MNT_DETACH)
		}
	})
	sweptBy(t, base)
	for _, path := range []string{filepath.Join(bound, "file"), filepath.Join(other, deep, "8", "file"), filepath.Join(aside, deep, "7", "plugin.so")} {
		if noFile(path) {
			t.Errorf("%s is gone", path)
		}
	}
}

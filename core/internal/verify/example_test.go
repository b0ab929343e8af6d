// SPDX-License-Identifier: MIT

package verify_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/verify"
)

// A file whose sum is not in the allow-list is rejected.
func ExamplePolicy_Check() {
	dir, err := os.MkdirTemp("", "verify")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	list := filepath.Join(dir, "SHA256SUMS")
	if err := os.WriteFile(list, []byte("# nothing is allowed\n"), 0o644); err != nil {
		panic(err)
	}
	p := verify.Policy{AllowList: list}
	err = p.Check([]verify.File{{Path: list, Name: "plugin.so", Hash: fsys.Hash{1}}}, func() bool { return false })
	rejection, ok := err.(*verify.Rejection)
	fmt.Println(ok, rejection.Passing, rejection.Why[:22])
	// Output: true false plugin.so (SHA-256 010
}

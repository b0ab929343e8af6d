// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/qtforge/hotreload/core/internal/printabletest"
)

var (
	hostile      = printabletest.Hostile
	notPrintable = printabletest.Fault
)

// Whatever is in the text that an error is made of.
func TestEveryErrorIsPrintable(t *testing.T) {
	for _, in := range hostile {
		for _, err := range []error{
			fail(ErrIO, "%q and %s and %v: what to do", in, in, errors.New(in)),
			&Error{Kind: ErrIO, Msg: in, Err: &fs.PathError{Op: "open", Path: in, Err: fs.ErrNotExist}},
			pathError(in, in, &fs.PathError{Op: "open", Path: in, Err: fs.ErrPermission}),
		} {
			if why := notPrintable(err.Error()); why != "" {
				t.Errorf("%T %q: %s", err, err, why)
			}
		}
	}
}

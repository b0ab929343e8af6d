// SPDX-License-Identifier: MIT

package verify

import (
	"errors"
	"testing"

	"github.com/qtforge/hotreload/core/internal/printabletest"
)

func TestEveryRejectionIsPrintable(t *testing.T) {
	for _, in := range printabletest.Hostile {
		err := Reject("%s: %v", in, errors.New(in))
		if why := printabletest.Fault(err.Error()); why != "" {
			t.Errorf("%T %q: %s", err, err, why)
		}
	}
}

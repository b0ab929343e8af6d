// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"strings"
	"testing"
)

// On Windows a path may have more than 32 kB, and what is longer than any name may
// be answered "not found". The length of a name has 15 bits in an entry.
func TestPathWithANameThatNoFileSystemHasIsRejected(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		for _, path := range []string{
			"/plugins/" + strings.Repeat("n", 1025),
			"/plugins/" + strings.Repeat("n", 1<<15),
			"/plugins/" + strings.Repeat("n", 1<<16),
			"/" + strings.Repeat("n", 1<<16) + "/a.so",
		} {
			err := h.m.Enable("long", path, EnableOptions{AllowMissing: true})
			if !errors.Is(err, ErrInvalidPath) || !strings.Contains(err.Error(), "nnn") || len(err.Error()) > 1000 {
				t.Errorf("a path of %d bytes: %.300v; want ErrInvalidPath", len(path), err)
			}
		}
		if err := h.m.Enable("long", "/plugins/"+strings.Repeat("n", 1024), EnableOptions{AllowMissing: true}); err != nil {
			t.Error(err)
		}
	})
}

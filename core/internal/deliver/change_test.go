// SPDX-License-Identifier: MIT

package deliver

import (
	"fmt"
	"testing"
)

// fakeChange is a change of a plugin.
type fakeChange struct {
	Place
	id       string
	disabled bool
	paused   bool
}

func (c *fakeChange) Disabled() bool { return c.disabled }
func (c *fakeChange) Paused() bool   { return c.paused }

// fakeHost has a gate with both callbacks set, and counts its announcements.
type fakeHost struct {
	Gate[*fakeChange]
	t         *testing.T
	announced int
}

func newHost(t *testing.T) *fakeHost {
	h := &fakeHost{t: t}
	h.Event, h.Reload = &Slot[func(Event)]{}, &Slot[func(string)]{}
	h.Announce = func() { h.announced++ }
	return h
}

func (h *fakeHost) put(id string) *fakeChange {
	h.t.Helper()
	c := &fakeChange{id: id}
	if !h.PutChange(c) {
		h.t.Fatalf("the change of %s was not taken", id)
	}
	return c
}

func (h *fakeHost) note(kind Kind, id string) { h.PutEvent(Event{Kind: kind, ID: id}) }

// drain takes all that may be delivered.
func (h *fakeHost) drain() (all []string) {
	for h.Ready() {
		if c, isChange := h.Next(); isChange {
			h.TakeChange()
			all = append(all, "change "+c.id)
			continue
		}
		ev := h.TakeEvent()
		names := map[Kind]string{Enabled: "enabled", Disabled: "disabled", Health: "health", Rejected: "rejected", Rollback: "rollback"}
		text := fmt.Sprintf("%s %s", names[ev.Kind], ev.ID)
		if ev.Kind == Health {
			text += fmt.Sprint(" ", ev.Health)
		}
		all = append(all, text)
	}
	return all
}

// SPDX-License-Identifier: MIT

package deliver

import (
	"fmt"
	"slices"
	"testing"
)

func (h *fakeHost) expect(want ...string) {
	h.t.Helper()
	if got := h.drain(); !slices.Equal(got, want) {
		h.t.Fatalf("delivered %q, want %q", got, want)
	}
}

func TestChangesAndEventsAreDeliveredInTheOrderTheyCame(t *testing.T) {
	h := newHost(t)
	h.note(Enabled, "a")
	h.put("a")
	h.note(Disabled, "b")
	h.put("c")
	h.expect("enabled a", "change a", "disabled b", "change c")
}

func TestWithdrawnChangeIsNotDelivered(t *testing.T) {
	h := newHost(t)
	h.put("a")
	b := h.put("b")
	h.put("c")
	h.Withdraw(b)
	if !b.Withdrawn() || h.Pending() != 2 {
		t.Fatalf("withdrawn: %v; %d wait, want 2", b.Withdrawn(), h.Pending())
	}
	var seen []string
	h.Changes(func(c *fakeChange) { seen = append(seen, c.id) })
	if !slices.Equal(seen, []string{"a", "c"}) {
		t.Fatalf("the changes that wait are %q", seen)
	}
	h.expect("change a", "change c")
	h.PutChange(b)
	if b.Withdrawn() {
		t.Fatal("a change that is put again counts as withdrawn")
	}
	h.expect("change b")
}

func TestChangeOfADisabledPluginIsNotTaken(t *testing.T) {
	h := newHost(t)
	if h.PutChange(&fakeChange{id: "a", disabled: true}) || h.Pending() != 0 || h.announced != 0 {
		t.Fatalf("%d wait, announced %d times", h.Pending(), h.announced)
	}
}

func TestClosedGateTakesNothingAndDropsWhatWaits(t *testing.T) {
	h := newHost(t)
	h.put("a")
	h.note(Enabled, "a")
	h.Close()
	if h.Pending() != 0 || h.Ready() {
		t.Fatalf("%d wait after Close", h.Pending())
	}
	h.note(Enabled, "b")
	if h.PutChange(&fakeChange{id: "b"}) || h.Pending() != 0 {
		t.Fatal("a closed gate takes something")
	}
}

func TestChangeOfAPausedPluginWaitsApart(t *testing.T) {
	h := newHost(t)
	h.put("a")
	b := &fakeChange{id: "b", paused: true}
	if !h.PutChange(b) {
		t.Fatal("the change of a paused plugin was not taken")
	}
	h.put("c")
	if h.Pending() != 3 {
		t.Fatalf("%d wait, want 3", h.Pending())
	}
	var seen []string
	h.Changes(func(c *fakeChange) { seen = append(seen, c.id) })
	if !slices.Equal(seen, []string{"a", "c", "b"}) {
		t.Fatalf("the changes that wait are %q", seen)
	}
	h.expect("change a", "change c")
	if h.Ready() || h.Pending() != 1 {
		t.Fatalf("ready %v, %d wait; want the one of the paused plugin", h.Ready(), h.Pending())
	}
	h.Withdraw(b)
	if !b.Withdrawn() || h.Pending() != 0 {
		t.Fatalf("withdrawn %v, %d wait", b.Withdrawn(), h.Pending())
	}
	h.put("b")
	h.expect("change b")
}

func TestClosedGateDropsWhatAPausedPluginHolds(t *testing.T) {
	h := newHost(t)
	h.PutChange(&fakeChange{id: "a", paused: true})
	h.Close()
	if h.Pending() != 0 {
		t.Fatalf("%d wait after Close", h.Pending())
	}
}

func TestPauseHoldsChangesBackAndLetsEventsPass(t *testing.T) {
	h := newHost(t)
	h.put("a")
	h.note(Enabled, "b")
	h.Pause(true)
	h.expect("enabled b")
	if !h.Paused() || h.Pending() != 1 || h.Ready() {
		t.Fatalf("paused %v, pending %d, ready %v", h.Paused(), h.Pending(), h.Ready())
	}
	h.Pause(false)
	h.expect("change a")
}

func TestFaultHoldsChangesBackAndLetsItsEventPass(t *testing.T) {
	h := newHost(t)
	h.put("a")
	h.PutEvent(Event{Kind: Health, Health: HealthPanic})
	h.Fail()
	h.expect(fmt.Sprint("health  ", HealthPanic))
	if h.Ready() {
		t.Fatal("a change is delivered after a fault")
	}
}

func TestChangesWaitForACallbackAndEventsAreDroppedWithoutOne(t *testing.T) {
	h := newHost(t)
	event := h.Event
	h.Event, h.Reload = nil, nil
	h.note(Enabled, "a")
	h.put("a")
	if h.Ready() || h.Pending() != 1 {
		t.Fatalf("ready %v, pending %d; want the change to wait and no event", h.Ready(), h.Pending())
	}
	h.Event = event
	h.CallbacksChanged()
	h.note(Enabled, "b")
	h.Event, h.Reload = nil, &Slot[func(string)]{}
	h.CallbacksChanged()
	h.expect("change a")
}

func TestEachThingThatCanBeDeliveredIsAnnounced(t *testing.T) {
	h := newHost(t)
	for what, do := range map[string]func(){
		"a change":    func() { h.put("a") },
		"an event":    func() { h.note(Enabled, "a") },
		"a pause":     func() { h.Pause(true) },
		"its end":     func() { h.Pause(false) },
		"a fault":     h.Fail,
		"a callback":  h.CallbacksChanged,
		"the closing": h.Close,
	} {
		before := h.announced
		if h.closed {
			h.Gate = Gate[*fakeChange]{Event: h.Event, Reload: h.Reload, Announce: h.Announce}
		}
		if do(); h.announced != before+1 {
			t.Errorf("%s was announced %d times, want once", what, h.announced-before)
		}
	}
}

func TestHostIsWokenOnceUntilItAsks(t *testing.T) {
	h := newHost(t)
	h.Wakeup = NewSlot(&Owner{}, func() {}, nil)
	if h.MustWake() || h.Wake() != nil {
		t.Fatal("the host is woken for nothing")
	}
	h.put("a")
	if !h.MustWake() || h.Wake() != h.Wakeup {
		t.Fatal("the host is not woken")
	}
	h.put("b")
	if h.MustWake() || h.Wake() != nil {
		t.Fatal("the host is woken again before it has asked")
	}
	h.Asked()
	if !h.MustWake() {
		t.Fatal("the host is not woken for what is left")
	}
	h.Pause(true)
	if h.MustWake() {
		t.Fatal("the host is woken while the gate is paused")
	}
	h.Pause(false)
	if !h.MustWake() {
		t.Fatal("the host is not woken when the gate opens")
	}
}

func TestOnlyTheLatestEventOfASubjectWaits(t *testing.T) {
	h := newHost(t)
	for _, code := range []HealthCode{HealthUnreadable, HealthReadable, HealthUnreadable, HealthReadable} {
		h.PutEvent(Event{Kind: Health, Health: code, ID: "a"})
	}
	h.PutEvent(Event{Kind: Health, Health: HealthPolling, Path: "/x"})
	h.PutEvent(Event{Kind: Health, Health: HealthPolling, Path: "/y"})
	h.PutEvent(Event{Kind: Health, Health: HealthWatching, Path: "/x"})
	h.note(Rejected, "a")
	h.note(Rejected, "b")
	h.note(Rejected, "a")
	h.expect(fmt.Sprint("health a ", HealthReadable), fmt.Sprint("health  ", HealthPolling), fmt.Sprint("health  ", HealthWatching), "rejected b", "rejected a")
}

func TestARollbackThatSupersedesAnotherNamesTheLatestFailure(t *testing.T) {
	h := newHost(t)
	h.PutEvent(Event{Kind: Rollback, ID: "a", Failed: 3})
	h.PutEvent(Event{Kind: Rollback, ID: "a", Failed: 2})
	if ev := h.TakeEvent(); ev.Failed != 3 {
		t.Errorf("generation %d failed, want 3", ev.Failed)
	}
	h.PutEvent(Event{Kind: Rollback, ID: "a", Failed: 2})
	if ev := h.TakeEvent(); ev.Failed != 2 {
		t.Errorf("after the delivery: generation %d failed, want 2", ev.Failed)
	}
}

func TestDisabledSupersedesWhatWaitsAboutItsPluginButEnabled(t *testing.T) {
	h := newHost(t)
	h.note(Enabled, "a")
	h.note(Rejected, "a")
	h.note(Rollback, "a")
	h.PutEvent(Event{Kind: Health, Health: HealthNoReport, ID: "a"})
	h.note(Rejected, "b")
	h.note(Disabled, "a")
	h.expect("enabled a", "rejected b", "disabled a")
}

func TestPluginThatWasDisabledUnheardIsForgottenWhenItIsEnabledAgain(t *testing.T) {
	h := newHost(t)
	for range 3 {
		h.note(Enabled, "a")
		h.note(Disabled, "a")
	}
	h.note(Enabled, "a")
	h.expect("enabled a")
}

func TestPluginThatTheHostKnowsIsDeliveredAsDisabledAndEnabledAgain(t *testing.T) {
	h := newHost(t)
	h.note(Enabled, "a")
	h.expect("enabled a")
	for range 3 {
		h.note(Disabled, "a")
		h.note(Enabled, "a")
	}
	h.expect("disabled a", "enabled a")
}

// A host that does not ask makes nothing grow, however long.
func TestWhatIsKeptStaysBounded(t *testing.T) {
	for name, step := range map[string]func(h *fakeHost, i int){
		"one plugin comes and goes": func(h *fakeHost, i int) { h.note(Enabled, "a"); h.note(Disabled, "a") },
		"many plugins come and go": func(h *fakeHost, i int) {
			id := fmt.Sprint(i)
			h.note(Enabled, id)
			h.note(Disabled, id)
		},
		"a change is replaced": func(h *fakeHost, i int) { h.Withdraw(h.put("a")) },
		"health":               func(h *fakeHost, i int) { h.PutEvent(Event{Kind: Health, Health: HealthOverflow}) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.put("first") // waits in front
			h.PutEvent(Event{Kind: Health, Health: HealthPolling})
			for i := range 20000 {
				step(h, i)
			}
			q := &h.queue
			if n := len(q.notes.items) + len(q.changes.items) + len(q.latest) + len(q.unheard); n > 8*maxUnheard {
				t.Fatalf("%d things are kept", n)
			}
		})
	}
}

func TestNothingIsKeptOfWhatWasDelivered(t *testing.T) {
	h := newHost(t)
	for i := range 1000 {
		h.note(Enabled, fmt.Sprint(i))
		h.put(fmt.Sprint(i))
	}
	if n := len(h.drain()); n != 2000 {
		t.Fatalf("%d delivered, want 2000", n)
	}
	q := &h.queue
	if q.latest != nil || cap(q.notes.items) > 2*manyTopics || cap(q.changes.items) > 2*manyTopics {
		t.Fatalf("an empty queue keeps a table of %d and room for %d notes and %d changes", len(q.latest), cap(q.notes.items), cap(q.changes.items))
	}
}

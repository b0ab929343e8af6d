// SPDX-License-Identifier: MIT

package core_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/qtforge/hotreload/core"
)

func ExampleManager() {
	plugin, remove := newPlugin("greeting.txt", "hello")
	defer remove()

	m, err := core.New(core.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	changed := make(chan string)
	m.SetReloadCallback(func(id string) { changed <- id }, nil)
	if err := m.Enable("greeting", plugin, core.EnableOptions{}); err != nil {
		fmt.Println(err)
		return
	}

	install(plugin, "good day")
	fmt.Println(await(changed), "needs a reload")
	// Output: greeting needs a reload
}

// Callbacks run where the host calls Dispatch, here with a wait of at most ten seconds.
func ExampleManager_Dispatch() {
	plugin, remove := newPlugin("greeting.txt", "hello")
	defer remove()
	m, err := core.New(core.Options{Dispatch: core.DispatchManual})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	m.SetReloadCallback(func(id string) { fmt.Println(id, "needs a reload") }, nil)
	if err := m.Enable("greeting", plugin, core.EnableOptions{}); err != nil {
		fmt.Println(err)
		return
	}

	install(plugin, "good day")
	n, err := m.Dispatch(1, patience)
	fmt.Println(n, err)
	// Output:
	// greeting needs a reload
	// 1 <nil>
}

// A loop of the host's is woken, and then asks for everything that waits.
func ExampleManager_SetWakeup() {
	plugin, remove := newPlugin("greeting.txt", "hello")
	defer remove()
	m, err := core.New(core.Options{Dispatch: core.DispatchManual})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	done := false
	m.SetReloadCallback(func(id string) { fmt.Println(id, "needs a reload"); done = true }, nil)
	wake := make(chan struct{}, 1)
	m.SetWakeup(func() {
		select {
		case wake <- struct{}{}:
		default: // the loop is about to dispatch anyway
		}
	}, nil)
	if err := m.Enable("greeting", plugin, core.EnableOptions{}); err != nil {
		fmt.Println(err)
		return
	}

	install(plugin, "good day")
	for giveUp := time.After(patience); !done; {
		select {
		case <-wake:
			if _, err := m.Dispatch(0, 0); err != nil {
				fmt.Println(err)
				return
			}
		case <-giveUp:
			fmt.Println("nothing has come in time")
			return
		}
	}
	// Output: greeting needs a reload
}

// A callback that panics ends its manager, not the program.
func ExampleManager_Fault() {
	plugin, remove := newPlugin("greeting.txt", "hello")
	defer remove()
	m, err := core.New(core.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	health := make(chan core.Event, 1)
	m.SetEventCallback(func(ev core.Event) {
		if ev.Kind == core.Health {
			health <- ev
		}
	}, nil)
	m.SetReloadCallback(func(string) { panic("a mistake") }, nil)
	if err := m.Enable("greeting", plugin, core.EnableOptions{}); err != nil {
		fmt.Println(err)
		return
	}

	install(plugin, "good day")
	fmt.Println(await(health).Health)
	_, err = m.Disable("greeting")
	fmt.Println(errors.Is(err, core.ErrPanic))
	s, err := m.Stats()
	fmt.Println(s.Failed, err)
	// Output:
	// Panic
	// true
	// true <nil>
}

// Files that are replaced in one step need no quiet period.
func ExampleOptions() {
	plugin, remove := newPlugin("greeting.txt", "hello")
	defer remove()
	m, err := core.New(core.Options{Dispatch: core.DispatchManual, Quiet: core.NoQuiet, IgnoreUnchangedContent: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	m.SetReloadCallback(func(id string) {
		text, err := os.ReadFile(plugin)
		fmt.Println(id, string(text), err)
	}, nil)
	if err := m.Enable("greeting", plugin, core.EnableOptions{}); err != nil {
		fmt.Println(err)
		return
	}

	install(plugin, "hello") // the same bytes: nothing is delivered
	install(plugin, "good day")
	m.Dispatch(1, patience)
	// Output: greeting good day <nil>
}

func ExampleDispatchMode() {
	for _, mode := range []core.DispatchMode{core.DispatchThread, core.DispatchManual} {
		m, err := core.New(core.Options{Dispatch: mode})
		if err != nil {
			fmt.Println(err)
			return
		}
		_, err = m.Dispatch(0, 0)
		fmt.Println(mode, errors.Is(err, core.ErrNotSupported))
		m.Close()
	}
	// Output:
	// Thread true
	// Manual false
}

// A plugin that does not exist yet is waited for.
func ExampleEnableOptions() {
	dir, remove := directory()
	defer remove()
	plugin := filepath.Join(dir, "greeting.txt")
	m, err := core.New(core.Options{Dispatch: core.DispatchManual})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	m.SetReloadCallback(func(id string) { fmt.Println(id, "is there") }, nil)
	if err := m.Enable("greeting", plugin, core.EnableOptions{AllowMissing: true}); err != nil {
		fmt.Println(err)
		return
	}

	install(plugin, "hello")
	m.Dispatch(1, patience)
	// Output: greeting is there
}

func ExampleEvent() {
	plugin, remove := newPlugin("greeting.txt", "hello")
	defer remove()
	m, err := core.New(core.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	events := make(chan core.Event, 10)
	m.SetEventCallback(func(ev core.Event) { events <- ev }, nil)
	if err := m.Enable("greeting", plugin, core.EnableOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	ev := await(events)
	fmt.Println(ev.Sequence, ev.Kind, ev.ID)

	install(plugin, "good day")
	ev = await(events)
	fmt.Println(ev.Sequence, ev.Kind, ev.ID, ev.Generation, ev.Path == plugin)
	// Output:
	// 1 Enabled greeting
	// 2 FileChanged greeting 1 true
}

func ExampleKind() {
	plugin, remove := newPlugin("greeting.txt", "hello")
	defer remove()
	m, err := core.New(core.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	events := make(chan core.Event, 10)
	m.SetEventCallback(func(ev core.Event) {
		switch ev.Kind {
		case core.FileChanged, core.FileRemoved, core.Disabled:
			events <- ev
		default: // others, and those of later versions
		}
	}, nil)
	if err := m.Enable("greeting", plugin, core.EnableOptions{}); err != nil {
		fmt.Println(err)
		return
	}

	os.Remove(plugin)
	fmt.Println(await(events).Kind)
	install(plugin, "good day")
	fmt.Println(await(events).Kind)
	m.Disable("greeting")
	fmt.Println(await(events).Kind)
	// Output:
	// FileRemoved
	// FileChanged
	// Disabled
}

// A file that is no library is waited for, and the host is informed.
func ExampleHealthCode() {
	plugin, remove := newPlugin("greeting.so", "not a library")
	defer remove()
	m, err := core.New(core.Options{CheckImage: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	health := make(chan core.Event, 10)
	m.SetEventCallback(func(ev core.Event) {
		if ev.Kind == core.Health {
			health <- ev
		}
	}, nil)
	if err := m.Enable("greeting", plugin, core.EnableOptions{}); err != nil {
		fmt.Println(err)
		return
	}

	install(plugin, "not a library either")
	ev := await(health)
	fmt.Println(ev.Health, ev.ID)
	// Output: ImageIncomplete greeting
}

func ExampleStats() {
	plugin, remove := newPlugin("greeting.txt", "hello")
	defer remove()
	m, err := core.New(core.Options{Dispatch: core.DispatchManual})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	m.SetReloadCallback(func(string) {}, nil)
	if err := m.Enable("greeting", plugin, core.EnableOptions{}); err != nil {
		fmt.Println(err)
		return
	}

	install(plugin, "good day")
	m.Dispatch(1, patience)
	s, err := m.Stats()
	fmt.Println(s.Plugins, "plugin,", s.Deliveries, "change,", s.Pending, "pending,", err)
	// Output: 1 plugin, 1 change, 0 pending, <nil>
}

func ExampleError() {
	m, err := core.New(core.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	err = m.Enable("greeting", filepath.Join("no", "such", "file"), core.EnableOptions{})
	fmt.Println(errors.Is(err, core.ErrFileNotFound))
	fmt.Println(errors.Is(err, fs.ErrNotExist)) // the system's error
	if e, ok := errors.AsType[*core.Error](err); ok {
		fmt.Println(strings.HasPrefix(e.Msg, `plugin "greeting": `))
	}
	// Output:
	// true
	// true
	// true
}

// What is loaded is a private copy, which no build overwrites.
func ExampleSafe() {
	plugin, remove := newPlugin("greeting.txt", "hello")
	defer remove()
	snapshots := filepath.Join(filepath.Dir(plugin), "snapshots")
	m, err := core.New(core.Options{Safe: &core.Safe{MaxSize: 1 << 20, StrictModes: new(false)}, SnapshotDir: &snapshots})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	changed := make(chan core.Event, 1)
	m.SetEventCallback(func(ev core.Event) {
		if ev.Kind == core.FileChanged {
			changed <- ev
		}
	}, nil)
	if err := m.Enable("greeting", plugin, core.EnableOptions{DeliverPresent: true}); err != nil {
		fmt.Println(err)
		return
	}

	ev := await(changed)
	text, err := os.ReadFile(ev.Snapshot) // never ev.Path
	fmt.Println(ev.Generation, string(text), err)
	fmt.Println(m.ReportReload(ev.ID, ev.Generation, core.ReloadOK, ""))
	// Output:
	// 1 hello <nil>
	// <nil>
}

func ExampleValidator() {
	plugin, remove := newPlugin("greeting.txt", "hello")
	defer remove()
	m, events, err := safely(plugin, core.Safe{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	m.SetValidator(func(c core.Candidate) error {
		text, err := os.ReadFile(c.Snapshot)
		if err == nil && strings.Contains(string(text), "curse") {
			err = errors.New("it is impolite")
		}
		return err
	}, nil)
	if err := m.Enable("greeting", plugin, core.EnableOptions{}); err != nil {
		fmt.Println(err)
		return
	}

	install(plugin, "a curse")
	ev := await(events)
	fmt.Println(ev.Kind, ev.Message)
	// Output: Rejected it is impolite
}

func ExampleCandidate() {
	plugin, remove := newPlugin("greeting.txt", "hello")
	defer remove()
	m, events, err := safely(plugin, core.Safe{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	m.SetValidator(func(c core.Candidate) error {
		fmt.Println(c.ID, c.Generation, c.SnapshotSize, c.SnapshotHash[:8])
		return nil
	}, nil)
	if err := m.Enable("greeting", plugin, core.EnableOptions{DeliverPresent: true}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(await(events).Kind)
	// Output:
	// greeting 1 5 2cf24dba
	// FileChanged
}

// A version that does not work is reported, and the host goes back to the last good one.
func ExampleOutcome() {
	plugin, remove := newPlugin("greeting.txt", "hello")
	defer remove()
	m, events, err := safely(plugin, core.Safe{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	if err := m.Enable("greeting", plugin, core.EnableOptions{DeliverPresent: true}); err != nil {
		fmt.Println(err)
		return
	}
	ev := await(events)
	m.ReportReload(ev.ID, ev.Generation, core.ReloadOK, "")

	install(plugin, "helo")
	ev = await(events)
	m.ReportReload(ev.ID, ev.Generation, core.ReloadFailed, "it does not work")
	ev = await(events)
	text, err := os.ReadFile(ev.Snapshot)
	fmt.Println(ev.Kind, ev.Generation, string(text), err)
	fmt.Println(ev.Message)
	// Output:
	// Rollback 1 hello <nil>
	// generation 2 failed: it does not work; generation 1 is the last good one
}

// What the examples share.

// patience is how long an example waits for something before it gives up.
const patience = 10 * time.Second

// directory makes a directory for an example. remove removes it.
func directory() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }
}

// newPlugin makes a file with a text in a directory of its own. remove removes both.
func newPlugin(name, text string) (path string, remove func()) {
	dir, remove := directory()
	path = filepath.Join(dir, name)
	install(path, text)
	return path, remove
}

// install replaces a file in one step, as "install" and "mv" do.
func install(path, text string) {
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		panic(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		panic(err)
	}
}

// await returns the next thing from a channel.
func await[T any](c <-chan T) (x T) {
	select {
	case x = <-c:
	case <-time.After(patience):
		fmt.Println("nothing has come in time")
	}
	return x
}

// safely makes a manager with safe reload, and a channel of its events. Its snapshots are
// beside the plugin.
func safely(plugin string, s core.Safe) (*core.Manager, <-chan core.Event, error) {
	snapshots := filepath.Join(filepath.Dir(plugin), "snapshots")
	m, err := core.New(core.Options{Safe: &s, SnapshotDir: &snapshots})
	if err != nil {
		return nil, nil, err
	}
	events := make(chan core.Event, 10)
	err = m.SetEventCallback(func(ev core.Event) {
		if ev.Kind != core.Enabled {
			events <- ev
		}
	}, nil)
	return m, events, err
}

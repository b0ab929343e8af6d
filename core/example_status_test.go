// SPDX-License-Identifier: MIT

package core_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/qtforge/hotreload/core"
)

func ExamplePluginStatus() {
	m, plugin, remove, err := pausedManager()
	defer remove()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	install(plugin, "good day")
	s := awaitState(m, core.StateReady)
	fmt.Println(s.State, s.WaitsFor)
	fmt.Println(s.Generation, s.Paused)
	// Output:
	// Ready the plugin is paused
	// 0 true
}

func ExamplePluginState() {
	m, plugin, remove, err := pausedManager()
	defer remove()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	if err := os.Remove(plugin); err != nil {
		fmt.Println(err)
	}
	fmt.Println(awaitState(m, core.StateMissing).State)
	// Output: Missing
}

func ExampleWatching() {
	plugin, remove := newPlugin("greeting.txt", "hello")
	defer remove()
	m, err := core.New(core.Options{ForcePolling: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	if err := m.Enable("greeting", plugin, core.EnableOptions{}); err != nil {
		fmt.Println(err)
		return
	}

	s, err := m.PluginStatus("greeting")
	fmt.Println(s.Watching, s.WatchedBy, err)
	// Output: Polled polling is forced <nil>
}

// The last decisions say what happened to a plugin.
func ExamplePastDecision() {
	m, plugin, remove, err := pausedManager()
	defer remove()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	install(plugin, "good day")
	decisions := awaitState(m, core.StateReady).Decisions
	last := decisions[len(decisions)-1]
	fmt.Println(last.Decision, last.Reason)
	// Output: Complete a new version is complete
}

func ExampleDecision() {
	fmt.Println(core.DecisionDelivered, core.Decision(99))
	// Output: Delivered Decision(99)
}

func ExampleProcess() {
	s := core.PluginStatus{State: core.StateWriting, Writers: []core.Process{{PID: 1234, Program: "ld"}}}
	for _, p := range s.Writers {
		fmt.Printf("waits for %s (process %d)\n", p.Program, p.PID)
	}
	// Output: waits for ld (process 1234)
}

// Explain says the same for people.
func ExampleManager_Explain() {
	m, plugin, remove, err := pausedManager()
	defer remove()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	install(plugin, "good day")
	awaitState(m, core.StateReady)
	text, err := m.Explain("greeting")
	first, _, _ := strings.Cut(text, "\n")
	fmt.Println(first, err)
	fmt.Println(strings.Contains(text, "held back:         the plugin is paused"))
	// Output:
	// "greeting": a change waits to be delivered <nil>
	// true
}

func ExampleLogRecord() {
	plugin, remove := newPlugin("greeting.txt", "hello")
	defer remove()
	m, err := core.New(core.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	lines := make(chan core.LogRecord, 100)
	if err := m.SetLogCallback(core.LogInfo, func(r core.LogRecord) { lines <- r }, nil); err != nil {
		fmt.Println(err)
		return
	}
	if err := m.Enable("greeting", plugin, core.EnableOptions{}); err != nil {
		fmt.Println(err)
		return
	}

	line := await(lines)
	fmt.Println(line.Level, line.ID, strings.HasSuffix(line.Message, "greeting.txt: enabled"))
	// Output: Info greeting true
}

func ExampleLogLevel() {
	m, err := core.New(core.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	lines := make(chan core.LogRecord, 100)
	if err := m.SetLogCallback(core.LogError, func(r core.LogRecord) { lines <- r }, nil); err != nil {
		fmt.Println(err)
		return
	}

	m.Fault("the layer above has failed") // as it does after a panic of its own
	line := await(lines)
	fmt.Println(line.Level, line.Message)
	// Output: Error the layer above has failed; destroy the manager
}

// pausedManager watches the plugin "greeting", which is paused.
func pausedManager() (m *core.Manager, plugin string, remove func(), err error) {
	plugin, remove = newPlugin("greeting.txt", "hello")
	m, err = core.New(core.Options{Dispatch: core.DispatchManual})
	if err == nil {
		err = m.Enable("greeting", plugin, core.EnableOptions{Paused: true})
	}
	return m, plugin, remove, err
}

// awaitState waits until the plugin is in a state.
func awaitState(m *core.Manager, state core.PluginState) (s core.PluginStatus) {
	var err error
	for end := time.Now().Add(patience); s.State != state && err == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		s, err = m.PluginStatus("greeting")
	}
	if err != nil {
		fmt.Println(err)
	}
	return s
}

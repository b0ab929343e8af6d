// SPDX-License-Identifier: MIT

package reload_test

import (
	"context"
	"fmt"

	"github.com/qtforge/hotreload/core/reload"
)

// greetings is a language whose versions are strings.
type greetings struct {
	gate  reload.Gate
	texts map[uint64]string // by instance; one goroutine at a time uses it here
}

func (g *greetings) Load(_ context.Context, v reload.Version, source any) (reload.Hooks, error) {
	text := source.(string)
	if text == "" {
		return reload.Hooks{}, fmt.Errorf("the file is empty")
	}
	g.texts[v.Instance] = text
	return reload.Hooks{}, nil // no hooks: Init, Exit, Save, Restore and Prepare are not called
}

func (g *greetings) Init(context.Context, reload.Version, []reload.Version) error { return nil }
func (g *greetings) Save(context.Context, reload.Version) (any, error)            { return nil, nil }
func (g *greetings) Restore(context.Context, reload.Version, any) error           { return nil }
func (g *greetings) Prepare(context.Context, reload.Version) error                { return nil }
func (g *greetings) Exit(context.Context, reload.Version) error                   { return nil }
func (g *greetings) Unload(context.Context, reload.Version) (string, error)       { return "", nil }

func (g *greetings) Activate(_ context.Context, versions []reload.Version) error {
	g.gate.Activate(versions[0]) // there is one plugin
	return nil
}
func (g *greetings) Quiesce(ctx context.Context, v reload.Version) error {
	return g.gate.Quiesce(ctx, v)
}
func (g *greetings) AwaitIdle(ctx context.Context, v reload.Version) error {
	return g.gate.AwaitIdle(ctx, v)
}
func (g *greetings) Shut(_, reason string)   { g.gate.Shut(reason) }
func (g *greetings) Forget(v reload.Version) {}

func (g *greetings) greet() {
	v, release, err := g.gate.Acquire(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer release()
	fmt.Println(g.texts[v.Instance])
}

// A version that does not load changes nothing.
func ExampleEngine() {
	language := &greetings{texts: map[uint64]string{}}
	outcomes := make(chan reload.Outcome)
	engine := reload.New(reload.Config{Steps: language, Outcome: func(o reload.Outcome) { outcomes <- o }})
	if err := engine.Add([]reload.Plugin{{ID: "greeter"}}); err != nil {
		fmt.Println(err)
		return
	}
	for i, source := range []string{"Hello", "", "Good day"} { // what the manager delivers
		if err := engine.Offer("greeter", uint64(i+1), source); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(<-outcomes)
		language.greet()
	}
	engine.Close()
	<-engine.Done()
	language.greet()
	// Output:
	// greeter: generation 1 answers now
	// Hello
	// greeter: generation 2 failed: load: the file is empty; generation 1 goes on
	// Hello
	// greeter: generation 3 answers now
	// Good day
	// no version answers: the engine was closed
}

// SPDX-License-Identifier: MIT

package reload

import (
	"context"
	"errors"
)

// Steps is what a language supplies. Each method may be called from any goroutine,
// but for the same version never two of Load to Unload at the same time. Load to
// Unload run where [Config].Run puts them; they may block. A step that returns an
// error which wraps [ErrNotNow] has done nothing, and is tried again. ctx ends when
// nobody waits for the step any more.
type Steps interface {
	// Load loads a version from what was given to [Engine.Offer], and finds its
	// hooks. After an error nothing of it is loaded.
	Load(ctx context.Context, v Version, source any) (Hooks, error)
	// Init initialises a loaded version. needs are the versions of the plugins that
	// it needs, sorted by ID: it is to use these, also if others still answer. After
	// an error it is loaded but not initialised.
	Init(ctx context.Context, v Version, needs []Version) error
	// Save returns the state of a version. No call of it is under way.
	Save(ctx context.Context, v Version) (state any, err error)
	// Restore gives a version the state that another one has saved, or itself.
	Restore(ctx context.Context, v Version, state any) error
	// Prepare makes what the host needs of a version before it answers, an instance of
	// an audio plugin for example. No caller has to wait for that. It comes after Init
	// and Restore, only if [Hooks].Prepare is set.
	Prepare(ctx context.Context, v Version) error
	// Exit ends what Init and Prepare began. After an error the version counts as exited, too.
	Exit(ctx context.Context, v Version) error
	// Unload unloads a version that is not initialised. kept says why it stays in
	// memory, if it does.
	Unload(ctx context.Context, v Version) (kept string, err error)

	// Activate makes versions answer, one of each plugin, and lets callers go on that
	// wait. It must not wait for calls. After an error nothing has changed.
	Activate(ctx context.Context, versions []Version) error
	// Quiesce has new callers of the version's plugin wait, until Activate or Shut,
	// and returns when no call is under way in the version. When ctx ends before, it
	// returns, and callers go on waiting; if ctx has ended already, nobody must wait.
	Quiesce(ctx context.Context, v Version) error
	// AwaitIdle returns when no call is under way in a version that does not answer. A wait
	// whose ctx has ended, of Quiesce too, may still be returning when the next one of the
	// same version begins, or after Forget.
	AwaitIdle(ctx context.Context, v Version) error
	// Shut has callers of a plugin get no version, those that wait included. It must
	// return at once.
	Shut(plugin, reason string)
	// Forget says that a version has ended: what stands for it may go. It must return
	// at once.
	Forget(v Version)
}

// ErrNotNow is wrapped by the error of a step that was not possible at the moment,
// and that has done nothing.
var ErrNotNow = errors.New("not possible at the moment")

// Config configures an [Engine].
type Config struct {
	Steps Steps
	// Outcome receives what became of each version, one call at a time; nil if nobody
	// wants to know. It may call every method but [Engine.Wait].
	Outcome func(Outcome)
	// Check says whether versions of a [Set] with Check fit together; an error says
	// why not. It runs on a goroutine of its own.
	Check func(set string, candidates []Candidate) error
	// Run runs a function on the thread where the language has its steps Load to
	// Unload run; nil means a goroutine for each. It must return at once, and the
	// function be called later, once. If it returns an error, the function is never
	// called, and the step was not possible.
	Run func(step Step, v Version, f func()) error
	// RunRetired is Run for the end of versions that were replaced or whose plugin was
	// closed; nil means Run.
	RunRetired func(step Step, v Version, f func()) error
	// RunQuiesce has Quiesce run where Run puts it, too: for a language whose steps run on
	// a thread that also calls the plugins. It must not go back to these calls before
	// Activate or Shut ends the hold.
	RunQuiesce bool
}

// Candidate is a version and what was given to [Engine.Offer] for it.
type Candidate struct {
	Version Version
	Source  any
}

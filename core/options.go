// SPDX-License-Identifier: MIT

package core

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/engine"
)

// DispatchMode says where callbacks run.
type DispatchMode int32

// The dispatch modes.
const (
	DispatchThread DispatchMode = 0 // on one goroutine locked to its own thread
	DispatchManual DispatchMode = 1 // inside Manager.Dispatch only
)

// Defaults of the options.
const (
	DefaultQuiet        = engine.DefaultQuiet
	DefaultMaxDelay     = engine.DefaultMaxDelay
	DefaultPollInterval = engine.DefaultPollInterval
	// NoQuiet, as a quiet period: deliver as soon as the file is complete.
	NoQuiet time.Duration = engine.NoQuiet
)

// Options configure a manager. The zero value means all defaults.
type Options struct {
	Dispatch     DispatchMode
	Quiet        time.Duration // the quiet period: 0 = DefaultQuiet, NoQuiet, or up to one hour
	MaxDelay     time.Duration // when a file that is rewritten without pause is delivered: 0 = DefaultMaxDelay, or up to 24 hours
	PollInterval time.Duration // for what must be polled: 0 = DefaultPollInterval, or up to 24 hours

	CheckImage             bool // deliver only complete ELF, PE and Mach-O images for this machine
	IgnoreUnchangedContent bool // deliver neither a touch nor a byte-identical rewrite
	ForcePolling           bool // compare files every PollInterval, use no notifications

	Safe        *Safe   // safe reload for every plugin; nil = none
	SnapshotDir *string // absolute; nil = a directory of the user's own

	// ThreadStart, if set, runs first on the thread of DispatchThread.
	ThreadStart func()

	// Bulk, if set, is called when thousands of plugins are being enabled or disabled,
	// and again when the manager has come to rest after that: a moment to give memory
	// back to the system. It must neither wait nor call the manager.
	Bulk func(under bool)
}

// EnableOptions configure one plugin. The zero value means all defaults.
type EnableOptions struct {
	Quiet          time.Duration // the quiet period: 0 = the manager's, NoQuiet, or up to one hour
	AllowMissing   bool          // a file that does not exist yet is not an error
	DeliverPresent bool          // the present version is delivered too, as the first change
	Safe           *Safe         // its named fields replace the manager's
}

// Safe asks for safe reload: the host is told of snapshots that were validated,
// and reports how their loading went.
//
// A manager has one (Options.Safe), a plugin may have another
// (EnableOptions.Safe). A safeguard of the manager's holds for every plugin
// unless the plugin's own Safe names the same field. A field is named when it is
// not nil and not 0. A safeguard that is named but empty (an empty string, a list
// without entries or with an empty one) is ErrInvalidArgument.
//
// AllowList, PublicKeys and Symbols of the manager can be replaced for a plugin,
// not switched off.
type Safe struct {
	Files       []string // what else belongs to the plugin, relative to its directory; may be empty
	Image       *bool    // reject files that are not complete images for this machine
	Symbols     []string // that the image must export
	AllowList   *string  // a file of SHA-256 sums
	PublicKeys  []string // minisign's; one of them must have signed
	Signature   *string  // not named: the plugin's path + ".minisig"
	StrictModes *bool    // nobody else may be able to exchange the file
	MaxSize     int64    // bytes of all files of the plugin, a larger version is rejected; SafeNone: no limit; by default DefaultMaxSize

	ValidatorTimeout time.Duration // SafeNone: none, the default
	AcceptOnTimeout  *bool         // what a timeout means; otherwise the version is rejected
	ReportTimeout    time.Duration // when a missing report is noted; SafeNone: never, the default
	Retries          int           // how often a failed version is offered again; SafeNone: never, the default
	RetryDelay       time.Duration // before the first retry, then doubling; by default DefaultRetryDelay
	Keep             int           // good generations kept beside the present one; by default 1; KeepNone
}

// Defaults and special values of [Safe].
const (
	DefaultRetryDelay = engine.DefaultRetryDelay
	DefaultMaxSize    = engine.DefaultMaxSize
	KeepNone          = engine.KeepNone
	// SafeNone, as a timeout, a number of retries or a size: none, whatever the manager has.
	SafeNone = engine.SafeNone
)

func (o *Options) engine() engine.Options {
	return engine.Options{Dispatch: engine.DispatchMode(o.Dispatch), Quiet: o.Quiet, MaxDelay: o.MaxDelay, PollInterval: o.PollInterval,
		CheckImage: o.CheckImage, IgnoreUnchangedContent: o.IgnoreUnchangedContent, ForcePolling: o.ForcePolling,
		Safe: (*engine.Safe)(o.Safe), SnapshotDir: o.SnapshotDir, ThreadStart: o.ThreadStart, Bulk: o.Bulk}
}

func (o *EnableOptions) engine() engine.EnableOptions {
	return engine.EnableOptions{Quiet: o.Quiet, AllowMissing: o.AllowMissing, DeliverPresent: o.DeliverPresent, Safe: (*engine.Safe)(o.Safe)}
}

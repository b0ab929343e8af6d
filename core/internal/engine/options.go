// SPDX-License-Identifier: MIT

package engine

import (
	"io"
	"time"

	"github.com/qtforge/hotreload/core/internal/watch"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/image"
	"github.com/qtforge/hotreload/core/internal/verify"
)

// DispatchMode says where callbacks run.
type DispatchMode int32

// The dispatch modes.
const (
	DispatchThread DispatchMode = 0 // on one goroutine locked to its own thread
	DispatchManual DispatchMode = 1 // inside Engine.Dispatch only
)

// Defaults and limits of the options.
const (
	DefaultQuiet        = 100 * time.Millisecond
	DefaultMaxDelay     = 2 * time.Second
	DefaultPollInterval = time.Second
	DefaultSafetyCheck  = time.Minute
	// NoQuiet, as a quiet period: deliver as soon as the file is complete.
	NoQuiet time.Duration = -1
	// NoSafetyCheck, as an interval: rely on notifications everywhere.
	NoSafetyCheck time.Duration = -1

	// DefaultHeldAfter is Options.HeldAfter's default; NeverHeld, as its value: report no
	// writer.
	DefaultHeldAfter               = 10 * time.Second
	NeverHeld        time.Duration = -1
	// DefaultMarkerAfter is Options.MarkerAfter's default; NeverMarked, as its value: report
	// no pause marker.
	DefaultMarkerAfter               = 10 * time.Minute
	NeverMarked        time.Duration = -1

	maxQuiet    = time.Hour
	maxInterval = 24 * time.Hour
	maxIDLen    = 255
)

// Options configure a manager. The zero value means all defaults.
type Options struct {
	Dispatch     DispatchMode
	Quiet        time.Duration // the quiet period; 0 = DefaultQuiet, or NoQuiet
	MaxDelay     time.Duration // when a file that is rewritten without pause is delivered
	PollInterval time.Duration // for what must be polled
	SafetyCheck  time.Duration // for what may change without notifications; 0 = DefaultSafetyCheck, or NoSafetyCheck

	// HeldAfter is for how long a writer must hold a file open without a change to be
	// reported; 0 = DefaultHeldAfter, or NeverHeld. With DeliverHeld the file is delivered
	// then.
	HeldAfter   time.Duration
	DeliverHeld bool
	// MarkerAfter is for how long a pause marker must be there to be reported; 0 =
	// DefaultMarkerAfter, or NeverMarked.
	MarkerAfter time.Duration

	CheckImage             bool // deliver only complete ELF, PE and Mach-O images for this machine
	IgnoreUnchangedContent bool // deliver neither a touch nor a byte-identical rewrite
	ForcePolling           bool // compare files every PollInterval, use no notifications

	Safe        *Safe   // safe reload for every plugin; nil = none
	SnapshotDir *string // absolute; nil = a directory of the user's own

	// ThreadStart, if set, runs first on the thread of DispatchThread.
	ThreadStart func()

	// Bulk, if set, is called with Engine.mu held when thousands of plugins are being
	// enabled or disabled, and again when the manager has come to rest after that: a
	// moment to give memory back to the system. It must neither wait nor call the Engine.
	Bulk func(under bool)

	// Seams for tests: where notifications come from, and the disk.
	newSource  func() (watch.Source, error)
	step       func(string) // called by the worker between its steps
	strict     func(path string) (why string)
	disk       fsys.Disk
	mountOf    func(path string) string
	checkImage func(io.ReaderAt, int64) error
	mayRead    func(dir string) bool
	writers    func(files []fsys.ID, stopped func() bool) map[fsys.ID][]fsys.Process
}

// EnableOptions configure one plugin. The zero value means all defaults.
type EnableOptions struct {
	Quiet          time.Duration // 0 = the manager's, or NoQuiet
	AllowMissing   bool          // a file that does not exist yet is not an error
	DeliverPresent bool          // the present version is delivered too, as the first change
	Paused         bool          // as SetPluginPaused
	PauseMarker    *string       // a file that pauses the plugin while it is there; nil = none
	Safe           *Safe         // its named fields replace the manager's
}

func (o *Options) normalize() error {
	if o.Dispatch != DispatchThread && o.Dispatch != DispatchManual {
		return fail(ErrInvalidArgument, "dispatch mode %d is neither 0 (thread) nor 1 (manual)", o.Dispatch)
	}
	if err := checkQuiet(o.Quiet); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		d    *time.Duration
		def  time.Duration
	}{{"max_delay", &o.MaxDelay, DefaultMaxDelay}, {"poll_interval", &o.PollInterval, DefaultPollInterval}} {
		if *f.d == 0 {
			*f.d = f.def
		}
		if *f.d < 0 || *f.d > maxInterval {
			return fail(ErrInvalidArgument, "%s of %d ms is out of range: 0 (default) or 1 to %d ms", f.name, f.d.Milliseconds(), maxInterval.Milliseconds())
		}
	}
	switch d := o.SafetyCheck; {
	case d == 0:
		o.SafetyCheck = DefaultSafetyCheck
	case d != NoSafetyCheck && (d < 0 || d > maxInterval):
		return fail(ErrInvalidArgument, "safety_check of %d ms is out of range: 0 (default), -1 (none), or 1 to %d ms", d.Milliseconds(), maxInterval.Milliseconds())
	}
	if err := o.normalizeHeld(); err != nil {
		return err
	}
	if err := o.normalizeMarker(); err != nil {
		return err
	}
	if o.Safe != nil {
		if err := o.Safe.checkForAll(); err != nil {
			return err
		}
		safe := *o.Safe
		for _, path := range []**string{&safe.AllowList, &safe.VersionDir} {
			if *path == nil {
				continue
			}
			abs, err := resolve(**path) // now, or a later chdir would move it
			if err != nil {
				return err
			}
			*path = &abs
		}
		o.Safe = &safe
	}
	if o.SnapshotDir != nil && *o.SnapshotDir == "" {
		return fail(ErrInvalidArgument, "snapshot_dir is an empty string; name a directory, or leave the field out")
	}
	if o.Quiet == 0 {
		o.Quiet = DefaultQuiet
	}
	if o.newSource == nil {
		o.newSource = watch.Open
	}
	if o.disk == nil {
		o.disk = systemDisk
	}
	if o.mountOf == nil {
		o.mountOf = fsys.MountOf
	}
	if o.checkImage == nil {
		o.checkImage = image.Check
	}
	if o.mayRead == nil {
		o.mayRead = fsys.MayReadDirectory
	}
	if o.writers == nil {
		o.writers = fsys.Writers
	}
	if o.strict == nil {
		o.strict = verify.StrictPath
	}
	return nil
}

func (o *Options) normalizeHeld() error {
	switch {
	case o.HeldAfter == 0:
		o.HeldAfter = DefaultHeldAfter
	case o.HeldAfter == NeverHeld && o.DeliverHeld:
		return fail(ErrInvalidArgument, "held_after of -1 ms (never) cannot be combined with deliver_held, which delivers after that time")
	case o.HeldAfter != NeverHeld && (o.HeldAfter < 0 || o.HeldAfter > maxInterval):
		return fail(ErrInvalidArgument, "held_after of %d ms is out of range: 0 (default), -1 (never), or 1 to %d ms", o.HeldAfter.Milliseconds(), maxInterval.Milliseconds())
	}
	return nil
}

func (o *Options) normalizeMarker() error {
	switch d := o.MarkerAfter; {
	case d == 0:
		o.MarkerAfter = DefaultMarkerAfter
	case d != NeverMarked && (d < 0 || d > maxInterval):
		return fail(ErrInvalidArgument, "marker_after of %d ms is out of range: 0 (default), -1 (never), or 1 to %d ms", d.Milliseconds(), maxInterval.Milliseconds())
	}
	return nil
}

func checkQuiet(d time.Duration) error {
	if d != NoQuiet && (d < 0 || d > maxQuiet) {
		return fail(ErrInvalidArgument, "a quiet period of %d ms is out of range: 0 (default), -1 (none), or 1 to %d ms", d.Milliseconds(), maxQuiet.Milliseconds())
	}
	return nil
}

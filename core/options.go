// SPDX-License-Identifier: MIT

package core

import (
	"time"

	"github.com/qtforge/hotreload/core/internal/engine"
)

// DispatchMode says where callbacks run. The values are those of the C header.
//
// Since 1.0.0. See also [Options].
type DispatchMode int32

// The dispatch modes.
//
// Since 1.0.0. See also [Manager.Dispatch].
const (
	// DispatchThread: on one goroutine of the manager, which is locked to a thread of its
	// own and lives until Close. It is the default.
	DispatchThread DispatchMode = 0
	// DispatchManual: only inside [Manager.Dispatch], on the goroutine that calls it.
	// [Manager.EventFD] and [Manager.SetWakeup] say when to call it.
	DispatchManual DispatchMode = 1
)

// String returns the mode's name without "Dispatch", "DispatchMode(2)" for one that is not
// known.
func (d DispatchMode) String() string { return nameOf(modeNames, d, "DispatchMode") }

var modeNames = map[DispatchMode]string{DispatchThread: "Thread", DispatchManual: "Manual"}

// Defaults and special values of [Options] and [EnableOptions].
//
// Since 1.0.0.
const (
	DefaultQuiet        = engine.DefaultQuiet        // 100 ms
	DefaultMaxDelay     = engine.DefaultMaxDelay     // 2 s
	DefaultPollInterval = engine.DefaultPollInterval // 1 s
	DefaultSafetyCheck  = engine.DefaultSafetyCheck  // 1 min
	// NoQuiet, as a quiet period: deliver as soon as the file is complete. It is right for
	// files that are replaced in one step (rename), and for writers of one pass where the
	// system reports open writers.
	NoQuiet time.Duration = engine.NoQuiet
	// NoSafetyCheck, as Options.SafetyCheck: rely on notifications everywhere.
	NoSafetyCheck    time.Duration = engine.NoSafetyCheck
	DefaultHeldAfter               = engine.DefaultHeldAfter // 10 s
	// NeverHeld, as HeldAfter: report no writer.
	NeverHeld          time.Duration = engine.NeverHeld
	DefaultMarkerAfter               = engine.DefaultMarkerAfter // 10 min
	// NeverMarked, as MarkerAfter: report no pause marker.
	NeverMarked time.Duration = engine.NeverMarked
)

// Options configure a manager. The zero value means all defaults. [New] copies them; it
// keeps what their pointers and slices lead to, which must not be changed afterwards.
//
// Since 1.0.0. See also [EnableOptions], whose fields hold for one plugin.
type Options struct {
	Dispatch DispatchMode // where callbacks run
	// Quiet is the quiet period: how long a file must be without activity before it is
	// delivered. 0: DefaultQuiet; NoQuiet: none; else up to 1 hour, in steps of 1 µs.
	Quiet time.Duration
	// MaxDelay is when a file that is rewritten without pause is delivered all the same,
	// at a moment when it is complete. It counts from the first notification. A file that
	// a process holds open for writing is waited for without limit. 0: DefaultMaxDelay;
	// else up to 24 hours.
	MaxDelay time.Duration
	// PollInterval is how often directories are compared that cannot be watched. 0:
	// DefaultPollInterval; else up to 24 hours.
	PollInterval time.Duration
	// SafetyCheck is how often files are compared that are watched, but may change without
	// a notification: on overlayfs, aufs, eCryptfs and ZFS, whose content may change below
	// them, and files that are mount points. Other files are never compared for safety. 0:
	// DefaultSafetyCheck; NoSafetyCheck: never; else up to 24 hours.
	SafetyCheck time.Duration
	// HeldAfter is for how long a process must hold a file open for writing, without a
	// change of the file, to be reported by HealthHeldOpen: it may have leaked the descriptor
	// into a process that never closes it. 0: DefaultHeldAfter; NeverHeld; else up to 24
	// hours.
	HeldAfter time.Duration
	// DeliverHeld delivers such a file although it is open, if its times and its content
	// (which is hashed twice) stay the same for HeldAfter. A writer that only pauses for so
	// long is then delivered half-written.
	DeliverHeld bool
	// MarkerAfter is for how long a pause marker (EnableOptions.PauseMarker) must be there to
	// be reported by HealthPauseMarker: its build may have died. 0: DefaultMarkerAfter;
	// NeverMarked; else up to 24 hours.
	MarkerAfter time.Duration

	// CheckImage delivers only files that are complete ELF, PE or Mach-O images for this
	// machine. Others are waited for, with HealthImageIncomplete. With safe reload it is
	// Safe.Image.
	CheckImage bool
	// IgnoreUnchangedContent delivers neither a touch nor a byte-identical rewrite. Each
	// changed file is read and hashed, if it has at most 1 GiB (with safe reload: at most
	// Safe.MaxSize); of a larger one size and times decide.
	IgnoreUnchangedContent bool
	// ForcePolling uses no notifications of the system: files are compared every
	// PollInterval.
	ForcePolling bool

	// Safe asks for safe reload of every plugin; nil: only of those whose EnableOptions
	// ask for it.
	Safe *Safe
	// SnapshotDir is where the snapshots of safe reload are kept: an absolute path. The
	// directory is made if it is missing; one that exists must belong to the user and be
	// closed to others. It is used when the first plugin with safe reload is enabled. nil:
	// /run/user/UID/hotreload or /tmp/hotreload-UID; on Windows the temporary directory.
	SnapshotDir *string

	// ThreadStart, if it is not nil, runs once on the thread of DispatchThread, before any
	// callback. With DispatchManual it is not called.
	ThreadStart func()

	// Bulk, if it is not nil, is called with true when thousands of plugins are being
	// enabled or disabled, and with false when the manager has come to rest after that: a
	// moment to give memory back to the system. It must neither wait nor call the manager.
	Bulk func(under bool)
}

// EnableOptions configure one plugin. The zero value means all defaults.
//
// Since 1.0.0. See also [Manager.Enable].
type EnableOptions struct {
	// Quiet is the plugin's quiet period. 0: the manager's; NoQuiet: none; else up to 1
	// hour.
	Quiet time.Duration
	// AllowMissing permits that the file, or a directory of its path, does not exist yet.
	// Its first version is then delivered as a change.
	AllowMissing bool
	// DeliverPresent delivers the version that is there now as well, as generation 1.
	// Without it that version counts as known.
	DeliverPresent bool
	// Paused enables the plugin paused: see [Manager.SetPluginPaused].
	Paused bool
	// PauseMarker is a file that pauses the plugin while it is there: a build makes it before
	// it writes the first file, and removes it when all are complete. Changes that come
	// meanwhile are delivered once it is gone, each plugin's latest version once. A path that
	// is not absolute is relative to the plugin's directory: ".building". Several plugins may
	// have the same one. nil: none.
	PauseMarker *string
	// Safe asks for safe reload of this plugin; the fields that it names replace those of
	// Options.Safe. nil: all of the manager's.
	Safe *Safe
}

// Safe asks for safe reload: the host is given private copies (snapshots) that were
// validated, and reports with [Manager.ReportReload] how their loading went. &Safe{}
// asks for snapshots alone.
//
// A manager has one (Options.Safe), a plugin may have another
// (EnableOptions.Safe). A safeguard of the manager's holds for every plugin
// unless the plugin's own Safe names the same field. A field is named when it is
// not nil and not 0. A safeguard that is named but empty (an empty string, a list
// without entries or with an empty one) is ErrInvalidArgument. AllowList, PublicKeys
// and Symbols of the manager can be replaced for a plugin, not switched off.
//
// A version is validated in this order, and the first rejection counts: StrictModes,
// MaxSize, the copy, AllowList, PublicKeys, Image, NoUnique, Symbols, the [Validator]. Nothing parses
// a file before AllowList and PublicKeys have accepted it. With AllowList, PublicKeys or
// StrictModes an image is also rejected if it has the loader look for libraries where
// others could put theirs: see docs/safe-reload.md. A rejected version is a [Rejected]
// event.
//
// Since 1.0.0. See also [Manager.SetValidator] and docs/safe-reload.md.
type Safe struct {
	// Files are the companion files of a plugin: absolute paths, or paths relative to its
	// directory. They are copied with it, keep their places relative to it, and a change of
	// one of them is a change of the plugin. The list may be empty. Not for Options.Safe.
	Files []string
	// Image, if true, rejects files that are not complete images for this machine.
	Image *bool
	// Symbols are names that the image must export.
	Symbols []string
	// NoUnique, if true, rejects an ELF image with symbols that the process has once
	// (STB_GNU_UNIQUE): all versions would share the objects of the first one. g++ makes
	// them unless it is given -fno-gnu-unique.
	NoUnique *bool
	// AllowList is a file of SHA-256 sums as sha256sum writes it, at most 16 MiB. A
	// relative path is resolved when it is given.
	AllowList *string
	// ListNames, if true, rejects a file that AllowList has for another name: the last part
	// of the name in its line must be the file's own.
	ListNames *bool
	// PublicKeys are keys of minisign, in base64. One of them must have signed each file.
	PublicKeys []string
	// Signature is the file of the plugin's signature; nil: its path + ".minisig". With
	// Manifest it is that of the manifest. It needs PublicKeys. Not for Options.Safe.
	Signature *string
	// Manifest is a file that lists the plugin and all its companion files, and nothing
	// else, as sha256sum writes it in the plugin's directory: at most 1 MiB. It is signed
	// in their place, with a trusted comment that begins with "manifest:" and the plugin's
	// name. It needs PublicKeys. Not for Options.Safe.
	Manifest *string
	// PluginName, if it is not nil, rejects a version whose signature is not for the plugin
	// of this name: its trusted comment must begin with the word "plugin:" + PluginName,
	// that of a manifest with "manifest:" + PluginName.
	// It needs PublicKeys. Not for Options.Safe.
	PluginName *string
	// MinVersion, if it is not nil, rejects a version that is older: 1 to 8 numbers with
	// dots between them. The trusted comment must give the version among its first words:
	// "version:1.2.3". It needs PublicKeys.
	MinVersion *string
	// RisingVersion, if true, rejects a version that is older than one that was delivered
	// and did not fail, and one with the same number and another content. It needs
	// PublicKeys, and the trusted comment as MinVersion does.
	RisingVersion *bool
	// VersionDir is where RisingVersion remembers, across restarts, the versions that were
	// reported as ReloadOK. The directory is made if it is missing. One
	// that exists must belong to the user and be closed to others. A file in it that is
	// damaged, or that cannot be written, is an error of Enable and of ReportReload, and
	// rejects. A relative path is resolved when it is given.
	VersionDir *string
	// StrictModes, if true, rejects a version if another user than this one or root owns,
	// or may write to, the file, the allow-list, the manifest, a signature, or a directory
	// or link on the way to one of them.
	StrictModes *bool
	// MaxSize limits all files of the plugin together, in bytes. A larger version is
	// rejected before it is read. 0: DefaultMaxSize; SafeNone: no limit; else 1 or more.
	MaxSize int64

	// ValidatorTimeout limits one call of the Validator. 0 or SafeNone: no limit; else up
	// to 24 hours. A call that takes longer rejects the version, unless AcceptOnTimeout is
	// true; its later answer is ignored.
	ValidatorTimeout time.Duration
	AcceptOnTimeout  *bool
	// ReportTimeout is after which time a missing ReportReload is said, with
	// HealthNoReport. 0 or SafeNone: never; else up to 24 hours.
	ReportTimeout time.Duration
	// Retries is how often a version that failed is delivered again, as a new generation. 0
	// or SafeNone: never; else up to 1000.
	Retries int
	// RetryDelay is the time before the first retry; it doubles for each further one. 0:
	// DefaultRetryDelay; else up to 24 hours.
	RetryDelay time.Duration
	// Keep is how many good generations are kept beside the latest good one. 0: one;
	// KeepNone: none; else up to 1000.
	Keep int
}

// Defaults and special values of [Safe]. In EnableOptions.Safe the special values switch
// off what the manager's Safe has.
//
// Since 1.0.0.
const (
	DefaultRetryDelay = engine.DefaultRetryDelay // 1 s
	DefaultMaxSize    = engine.DefaultMaxSize    // 1 GiB, in bytes
	KeepNone          = engine.KeepNone          // as Keep: no good generation but the latest
	SafeNone          = engine.SafeNone          // as a timeout, Retries or MaxSize: none
)

func (o *Options) engine() engine.Options {
	return engine.Options{Dispatch: engine.DispatchMode(o.Dispatch), Quiet: o.Quiet, MaxDelay: o.MaxDelay, PollInterval: o.PollInterval,
		SafetyCheck: o.SafetyCheck, HeldAfter: o.HeldAfter, DeliverHeld: o.DeliverHeld, MarkerAfter: o.MarkerAfter,
		CheckImage: o.CheckImage, IgnoreUnchangedContent: o.IgnoreUnchangedContent, ForcePolling: o.ForcePolling,
		Safe: (*engine.Safe)(o.Safe), SnapshotDir: o.SnapshotDir, ThreadStart: o.ThreadStart, Bulk: o.Bulk}
}

func (o *EnableOptions) engine() engine.EnableOptions {
	return engine.EnableOptions{Quiet: o.Quiet, AllowMissing: o.AllowMissing, DeliverPresent: o.DeliverPresent, Paused: o.Paused,
		PauseMarker: o.PauseMarker, Safe: (*engine.Safe)(o.Safe)}
}

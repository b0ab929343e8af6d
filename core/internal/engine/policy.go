// SPDX-License-Identifier: MIT

package engine

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/qtforge/hotreload/core/internal/verify"
)

// Safe asks for safe reload: the host is given snapshots that were validated,
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
	Files      []string // what else belongs to the plugin, relative to its directory; may be empty
	Image      *bool    // reject files that are not complete images for this machine
	Symbols    []string // that the image must export
	NoUnique   *bool    // reject ELF images with symbols that the process has once
	AllowList  *string  // a file of SHA-256 sums
	ListNames  *bool    // the allow-list must give the file's name, too
	PublicKeys []string // minisign's; one of them must have signed
	Signature  *string  // not named: the path of the plugin, or of the manifest, + ".minisig"
	Manifest   *string  // a signed list of all files of the plugin, in place of their signatures
	PluginName *string  // that the trusted comment must give
	MinVersion *string  // the oldest version that is accepted
	// RisingVersion rejects a version that is older than one that was accepted, or
	// has its number and another content.
	RisingVersion *bool
	VersionDir    *string // where the accepted versions are remembered across restarts; it is made if it is missing
	StrictModes   *bool   // nobody else may be able to exchange the file
	MaxSize       int64   // bytes of all files of the plugin, a larger version is rejected; SafeNone: no limit; by default DefaultMaxSize

	ValidatorTimeout time.Duration // SafeNone: none, the default
	AcceptOnTimeout  *bool         // what a timeout means; otherwise the version is rejected
	ReportTimeout    time.Duration // when a missing report is noted; SafeNone: never, the default
	Retries          int           // how often a failed version is offered again; SafeNone: never, the default
	RetryDelay       time.Duration // before the first retry, then doubling; by default DefaultRetryDelay
	Keep             int           // good generations kept beside the present one; by default 1; KeepNone
}

// Defaults and limits of Safe.
const (
	DefaultRetryDelay = time.Second
	DefaultMaxSize    = 1 << 30
	KeepNone          = -1
	// SafeNone, as a timeout, a number of retries or a size: none, whatever the manager has.
	SafeNone = -1

	maxKeep    = 1000
	maxRetries = 1000
)

// policy is what holds for one plugin: the manager's Safe and the plugin's own,
// merged, with the defaults in place.
type policy struct {
	files       []string
	image       bool
	symbols     []string
	noUnique    bool
	allowList   string // "" = none
	listNames   bool
	publicKeys  []string
	signature   string // "" = beside each file
	manifest    string // "" = none
	pluginName  string // "" = any
	minVersion  string // "" = any
	rising      bool
	risingNamed bool   // rising, or its opposite, was asked for
	versionDir  string // "" = not remembered
	strictModes bool
	maxSize     int64 // 0 = no limit

	validatorTimeout time.Duration // 0 = none
	acceptOnTimeout  bool
	reportTimeout    time.Duration // 0 = never
	retries          int
	retryDelay       time.Duration
	keep             int
}

// mergeSafe is the rule that Safe documents; both are checked, and may be nil.
// There is no safe reload (nil) if neither asks for it.
func mergeSafe(manager, plugin *Safe) *policy {
	if manager == nil && plugin == nil {
		return nil
	}
	m, p := &Safe{}, &Safe{}
	if manager != nil {
		m = manager
	}
	if plugin != nil {
		p = plugin
	}
	return &policy{
		files:       list(p.Files, m.Files),
		image:       value(p.Image, m.Image),
		symbols:     list(p.Symbols, m.Symbols),
		noUnique:    value(p.NoUnique, m.NoUnique),
		allowList:   value(p.AllowList, m.AllowList),
		listNames:   value(p.ListNames, m.ListNames),
		publicKeys:  list(p.PublicKeys, m.PublicKeys),
		signature:   value(p.Signature, m.Signature),
		manifest:    value(p.Manifest, m.Manifest),
		pluginName:  value(p.PluginName, m.PluginName),
		minVersion:  value(p.MinVersion, m.MinVersion),
		rising:      value(p.RisingVersion, m.RisingVersion),
		risingNamed: p.RisingVersion != nil || m.RisingVersion != nil,
		versionDir:  value(p.VersionDir, m.VersionDir),
		strictModes: value(p.StrictModes, m.StrictModes),
		maxSize:     number(p.MaxSize, m.MaxSize, DefaultMaxSize),

		validatorTimeout: number(p.ValidatorTimeout, m.ValidatorTimeout, 0),
		acceptOnTimeout:  value(p.AcceptOnTimeout, m.AcceptOnTimeout),
		reportTimeout:    number(p.ReportTimeout, m.ReportTimeout, 0),
		retries:          number(p.Retries, m.Retries, 0),
		retryDelay:       number(p.RetryDelay, m.RetryDelay, DefaultRetryDelay),
		keep:             number(p.Keep, m.Keep, 1),
	}
}

// value is the plugin's if it is named, else the manager's, else zero.
func value[T any](plugin, manager *T) (v T) {
	switch {
	case plugin != nil:
		v = *plugin
	case manager != nil:
		v = *manager
	}
	return v
}

func list(plugin, manager []string) []string {
	if plugin != nil {
		return plugin
	}
	return manager
}

// number is the same for numbers: 0 does not name them, and SafeNone and KeepNone are 0.
func number[T int | int64 | time.Duration](plugin, manager, otherwise T) T {
	for _, n := range []T{plugin, manager} {
		if n != 0 {
			return max(n, 0)
		}
	}
	return otherwise
}

// check says what is wrong with the fields that are named.
func (s *Safe) check() error {
	for _, t := range []struct {
		name  string
		d     time.Duration
		least time.Duration
	}{{"validator_timeout", s.ValidatorTimeout, SafeNone}, {"report_timeout", s.ReportTimeout, SafeNone}, {"retry_delay", s.RetryDelay, 0}} {
		switch {
		case t.d == SafeNone && t.least == SafeNone:
		case t.d < 0 || t.d > maxInterval:
			none := ""
			if t.least == SafeNone {
				none = "-1 (none), "
			}
			return fail(ErrInvalidArgument, "%s of %d ms is out of range: %s0 (not named) or 1 to %d ms", t.name, t.d.Milliseconds(), none, maxInterval.Milliseconds())
		}
	}
	if s.Retries < SafeNone || s.Retries > maxRetries {
		return fail(ErrInvalidArgument, "retries of %d is out of range: -1 (none), 0 (not named) or 1 to %d", s.Retries, maxRetries)
	}
	if s.MaxSize < SafeNone {
		return fail(ErrInvalidArgument, "max_size of %d is out of range: -1 (no limit), 0 (not named) or 1 or more bytes", s.MaxSize)
	}
	if s.Keep < KeepNone || s.Keep > maxKeep {
		return fail(ErrInvalidArgument, "keep_generations of %d is out of range: -1 (none), 0 (not named) or 1 to %d", s.Keep, maxKeep)
	}
	for _, t := range []struct {
		name string
		text *string
	}{{"allow_list", s.AllowList}, {"signature", s.Signature}, {"manifest", s.Manifest}, {"version_dir", s.VersionDir}} {
		if t.text != nil && *t.text == "" {
			return fail(ErrInvalidArgument, "%s is an empty string; name a file or directory, or leave the field out", t.name)
		}
	}
	if err := s.checkStatement(); err != nil {
		return err
	}
	for _, l := range []struct {
		name    string
		entries []string
		empty   bool // is allowed
	}{{"files", s.Files, true}, {"symbols", s.Symbols, false}, {"public_keys", s.PublicKeys, false}} {
		if l.entries != nil && len(l.entries) == 0 && !l.empty {
			return fail(ErrInvalidArgument, "%s is an empty list; give it at least one entry, or leave the field out", l.name)
		}
		if i := slices.Index(l.entries, ""); i >= 0 {
			return fail(ErrInvalidArgument, "%s contains an empty entry (number %d of %d); remove it or fill it in", l.name, i+1, len(l.entries))
		}
	}
	for _, k := range s.PublicKeys {
		if _, err := verify.ParseKey(k); err != nil {
			return fail(ErrInvalidArgument, "%v", err)
		}
	}
	return nil
}

// checkForAll is check for the Safe of a manager.
func (s *Safe) checkForAll() error {
	if len(s.Files) > 0 || s.Signature != nil || s.Manifest != nil || s.PluginName != nil {
		return fail(ErrInvalidArgument, "files, signature, manifest and plugin_name belong to one plugin; give them when enabling it")
	}
	return s.check()
}

// checkStatement is check for what a trusted comment is compared with.
func (s *Safe) checkStatement() error {
	if s.PluginName != nil && !isWord(*s.PluginName) {
		return fail(ErrInvalidArgument, "plugin_name is %q; give a name of 1 to %d characters without spaces and control characters, as it stands in the trusted comment", *s.PluginName, maxIDLen)
	}
	if s.MinVersion != nil {
		if _, err := verify.ParseVersion(*s.MinVersion); err != nil {
			return fail(ErrInvalidArgument, "min_version: %v", err)
		}
	}
	return nil
}

// isWord reports whether a text can be a word of a trusted comment.
func isWord(text string) bool {
	return text != "" && len(text) <= maxIDLen && utf8.ValidString(text) &&
		!strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

// checkTogether says which field of a policy needs another one. Each was checked.
func (o *policy) checkTogether() error {
	statement := ""
	for _, f := range []struct {
		name  string
		given bool
	}{{"plugin_name", o.pluginName != ""}, {"min_version", o.minVersion != ""}, {"rising_version", o.rising}} {
		if f.given && statement == "" {
			statement = f.name
		}
	}
	switch {
	case o.signature != "" && o.publicKeys == nil:
		return fail(ErrInvalidArgument, "signature is %q, but there are no public_keys", o.signature)
	case o.manifest != "" && o.publicKeys == nil:
		return fail(ErrInvalidArgument, "manifest is %q, but there are no public_keys, so that nobody could have signed it", o.manifest)
	case statement != "" && o.publicKeys == nil:
		return fail(ErrInvalidArgument, "%s is compared with the trusted comment of a signature, but there are no public_keys", statement)
	case statement != "" && len(o.files) > 0 && o.manifest == "":
		return fail(ErrInvalidArgument, "%s with companion files needs a manifest, which is signed for all of them together", statement)
	case o.listNames && o.allowList == "":
		return fail(ErrInvalidArgument, "list_names is asked for, but there is no allow_list")
	case o.versionDir != "" && !o.risingNamed:
		return fail(ErrInvalidArgument, "version_dir is %q, but nothing is remembered there without rising_version", o.versionDir)
	}
	return nil
}

// SPDX-License-Identifier: MIT

package engine

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
	snapshots "github.com/qtforge/hotreload/core/internal/snapshot"
	"github.com/qtforge/hotreload/core/internal/verify"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// Limits of safe reload.
const (
	signatureSuffix = ".minisig"
	maxFailures     = 4096 // contents that are remembered as bad, per plugin: 160 kB
	minAgain        = time.Second
	maxAgain        = time.Minute
)

// Outcome is what a host reports of a generation. The values are those of the C
// header.
type Outcome int32

// The outcomes.
const (
	ReloadOK       Outcome = 1 // loaded; it is the good one now
	ReloadFailed   Outcome = 2 // it does not work
	ReloadReleased Outcome = 3 // its snapshot is needed no more
)

// safeState is what an entry with safe reload has beside the others.
type safeState struct {
	o              *policy
	checks         verify.Policy
	files          []snapshots.Member // the plugin's own first
	listed         []string           // their names in a manifest
	signatures     []string           // of each of them
	evidence       []string           // signatures and allow-list: their change is a reason to check again
	companionPaths []string           // companion files and evidence, in the order of files and evidence

	// Behind Engine.mu.
	companions []*watch.Leaf       // of companionPaths, while the plugin is enabled
	delivered  []*deliveredVersion // generations whose snapshots exist, oldest first
	loadable   fsys.Info           // stat of the files that the host loads (not the evidence), as last delivered
	failures   []failure
	rejected   string // the latest rejection, reported already
	trouble    string // the latest failure to make a snapshot, reported already
	again      time.Duration
	dueAgain   time.Time   // when timer has it checked
	timer      *time.Timer // when to check again
	discarded  bool
	failing    bool // the host's latest report is of a failure

	accepted *accepted // versions that may only rise; nil = any
}

// deliveredVersion is a generation that was delivered.
type deliveredVersion struct {
	generation uint64
	snap       *snapshot
	good       bool
	watchdog   *time.Timer
}

// failure is a content that the host could not use.
type failure struct {
	sum   fsys.Hash
	times int32
}

// makeSafe makes what a new entry needs for safe reload, if it is asked for.
func (m *Engine) makeSafe(id, abs string, own *Safe) (*safeState, error) {
	if own != nil {
		if err := own.check(); err != nil {
			return nil, err
		}
	}
	o := mergeSafe(m.opts.Safe, own)
	if o == nil {
		return nil, nil
	}
	if err := o.checkTogether(); err != nil {
		return nil, err
	}
	if err := m.openStore(); err != nil {
		return nil, err
	}
	s, err := m.newSafeState(id, strings.Clone(abs), o)
	if err != nil {
		return nil, err
	}
	for _, f := range s.files[1:] {
		s.companionPaths = append(s.companionPaths, f.Path)
	}
	s.companionPaths = append(s.companionPaths, s.evidence...)
	if s.accepted, err = openAccepted(id, o); err != nil {
		return nil, err
	}
	return s, nil
}

// newSafeState prepares safe reload of the plugin at abs; o is checked.
func (m *Engine) newSafeState(id, abs string, o *policy) (*safeState, error) {
	s := &safeState{o: o}
	paths := []string{filepath.Clean(abs)}
	for _, f := range o.files {
		full := f
		if !filepath.IsAbs(f) {
			full = filepath.Join(filepath.Dir(abs), f)
		}
		full = filepath.Clean(full)
		if err := checkNames(id, full); err != nil {
			return nil, err
		}
		if in, err := m.opts.disk.Stat(full); err == nil && in.Kind != fsys.Regular {
			return nil, fail(ErrInvalidPath, "plugin %q: %q, named as one of its files, is no file", id, f)
		}
		if !slices.Contains(paths, full) {
			paths = append(paths, full)
		}
	}
	var err error
	if s.files, err = snapshots.Layout(paths); err != nil {
		return nil, fail(ErrInvalidPath, "%v", err)
	}
	for _, f := range s.files {
		name, err := filepath.Rel(filepath.Dir(paths[0]), f.Path)
		if err != nil {
			return nil, fail(ErrInvalidPath, "plugin %q: %v", id, err)
		}
		s.listed = append(s.listed, filepath.ToSlash(name))
	}
	s.files[0].Path = abs // as it is walked: not cleaned across links
	for _, k := range o.publicKeys {
		key, err := verify.ParseKey(k)
		if err != nil {
			return nil, fail(ErrInvalidArgument, "%v", err)
		}
		s.checks.Keys = append(s.checks.Keys, key)
	}
	switch {
	case o.manifest != "":
		sig := o.signature
		if sig == "" {
			sig = o.manifest + signatureSuffix
		}
		s.evidence = append(s.evidence, o.manifest, sig)
	case len(s.checks.Keys) > 0:
		for i, f := range s.files {
			sig := f.Path + signatureSuffix
			if i == 0 && o.signature != "" {
				sig = o.signature
			}
			s.signatures = append(s.signatures, sig)
		}
		s.evidence = append(s.evidence, s.signatures...)
	}
	if o.allowList != "" {
		s.evidence = append(s.evidence, o.allowList)
	}
	for i, p := range s.evidence {
		if s.evidence[i], err = resolve(p); err != nil {
			return nil, err
		}
		if err := checkNames(id, s.evidence[i]); err != nil {
			return nil, err
		}
	}
	if o.manifest != "" {
		s.checks.Manifest, s.checks.ManifestSignature = s.evidence[0], s.evidence[1]
	}
	copy(s.signatures, s.evidence)
	if o.allowList != "" {
		s.checks.AllowList = s.evidence[len(s.evidence)-1]
	}
	s.checks.ListNames, s.checks.Name, s.checks.Versions = o.listNames, o.pluginName, o.rising || o.minVersion != ""
	if o.minVersion != "" {
		if s.checks.MinVersion, err = verify.ParseVersion(o.minVersion); err != nil {
			return nil, fail(ErrInvalidArgument, "%v", err)
		}
	}
	s.checks.Image, s.checks.NoUnique, s.checks.Symbols = o.image || m.opts.CheckImage, o.noUnique, o.symbols
	if o.strictModes {
		s.checks.Strict = m.opts.strict
	}
	return s, nil
}

// checkNames says why no file can have this path. What is watched may be missing,
// so that the system has not said so.
func checkNames(id, path string) error {
	if strings.IndexByte(path, 0) >= 0 {
		return fail(ErrInvalidPath, "plugin %q: the path %q contains a NUL byte", id, path)
	}
	_, rest := fsys.SplitRoot(path)
	for name, rest := fsys.NextName(rest); name != ""; name, rest = fsys.NextName(rest) {
		if len(name) > maxNameLen {
			return fail(ErrInvalidPath, "plugin %q: %s, in the path of one of its files, is longer than any file's name (%d bytes; at most %d are allowed)", id, abbreviate(name), len(name), maxNameLen)
		}
	}
	return nil
}

// resolve makes a path absolute.
func resolve(path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	wd, err := fsys.WorkingDirectory()
	if err != nil {
		return "", &Error{Kind: ErrIO, Msg: "cannot resolve the relative path " + abbreviate(path), Err: err}
	}
	return fsys.JoinPath(wd, path), nil
}

// statLoadable stats the files that the host loads: all but signatures and the allow-list.
func (m *Engine) statLoadable(s *safeState, files *pluginFiles, remote bool, at func(string)) fsys.Info {
	at(files.fileAt)
	path := s.files[0].Path
	in := m.statFile(path)
	if remote && in.Kind == fsys.Regular {
		if f, fresh, err := m.opts.openFile(path); err == nil {
			in = fresh
			_ = f.Close()
		}
	}
	for i, f := range s.files[1:] {
		at(files.companionAt(i))
		in.Fold(m.statFile(f.Path))
	}
	return in
}

// matchesVersion reports whether loadable belongs to the version seen: a path may have
// led elsewhere for a moment.
func (m *Engine) matchesVersion(s *safeState, files *pluginFiles, loadable fsys.Info, seen *fsys.Info, at func(string)) bool {
	for i, path := range s.evidence {
		at(files.companionAt(len(s.files) - 1 + i))
		loadable.Fold(m.statFile(path))
	}
	return loadable.Fingerprint == seen.Fingerprint
}

// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qtforge/hotreload/core/internal/record"
	"github.com/qtforge/hotreload/core/internal/signtest"
	"github.com/qtforge/hotreload/core/internal/verify"
)

var testKey = signtest.KeyOf(1)

// sign puts a version of the plugin in place, with a trusted comment.
func (h *safeHost) sign(content, comment string) {
	h.t.Helper()
	testKey.Put(h.t, h.file, content, comment)
}

// rejectedFor expects a rejection with this reason.
func (h *safeHost) rejectedFor(want string) Event {
	h.t.Helper()
	for {
		ev := h.next(Rejected)
		if strings.Contains(ev.Message, "does not hold") && want != "does not hold" {
			continue // the signature was there before its file
		}
		if !strings.Contains(ev.Message, want) {
			h.t.Fatalf("rejected with %q, want %q", ev.Message, want)
		}
		return ev
	}
}

// accepted is change, after rejections for a moment.
func (h *safeHost) accepts(content string) Event {
	h.t.Helper()
	for {
		select {
		case ev := <-h.events:
			if ev.Kind == Rejected && strings.Contains(ev.Message, "does not hold") {
				continue
			}
			if ev.Kind != FileChanged || h.read(ev.Snapshot) != content {
				h.t.Fatalf("event %+v, want a change to %q", ev, content)
			}
			return ev
		case <-time.After(bound):
			h.t.Fatalf("no change to %q within %v", content, bound)
		}
	}
}

func rising(more Safe) Safe {
	more.PublicKeys, more.RisingVersion = []string{testKey.Public()}, new(true)
	return more
}

func TestATrustedCommentReachesTheHost(t *testing.T) {
	h := quietSafe(t, Options{})
	var asked Candidate
	h.must(h.m.SetValidator(func(c Candidate) error {
		asked = c
		if h.read(c.Snapshot) == "v2" {
			return errors.New("not this one")
		}
		return nil
	}, nil))
	h.sign("v1", "plugin:greeter\tversion:1")
	h.enable(Safe{PublicKeys: []string{testKey.Public()}})
	if ev := h.accepts("v1"); ev.TrustedComment != "plugin:greeter version:1" || asked.TrustedComment != ev.TrustedComment {
		t.Errorf("%+v, asked about %+v", ev, asked)
	}
	h.report(1, ReloadOK)
	h.sign("v2", "any text")
	if ev := h.rejectedFor("not this one"); ev.TrustedComment != "any text" {
		t.Errorf("%+v", ev)
	}
	h.sign("v3", "")
	if ev := h.accepts("v3"); ev.TrustedComment != "" {
		t.Errorf("%+v", ev)
	}
	h.report(2, ReloadFailed)
	if ev := h.next(Rollback); ev.TrustedComment != "plugin:greeter version:1" {
		t.Errorf("%+v", ev)
	}
}

func TestAnotherPluginsFileIsRejected(t *testing.T) {
	h := quietSafe(t, Options{})
	h.sign("v1", "plugin:greeter version:1")
	h.enable(Safe{PublicKeys: []string{testKey.Public()}, PluginName: new("greeter"), MinVersion: new("1")})
	h.accepts("v1")
	h.sign("other", "plugin:painter version:2")
	if ev := h.rejectedFor(`is for plugin "painter"`); ev.TrustedComment != "plugin:painter version:2" {
		t.Errorf("%+v", ev)
	}
	h.sign("v0", "plugin:greeter version:0.9")
	h.rejectedFor("version 0.9 is older than 1")
	h.sign("v2", "plugin:greeter version:2")
	h.accepts("v2")
}

func TestAVersionMayOnlyRise(t *testing.T) {
	h := quietSafe(t, Options{})
	h.sign("v2", "version:2")
	h.enable(rising(Safe{}))
	h.accepts("v2") // and is not reported on
	h.sign("v1", "version:1.9.9")
	h.rejectedFor("version 1.9.9 is older than version 2, which was accepted before")
	h.sign("v2, built anew", "version:2.0")
	h.rejectedFor("version 2 was accepted before with another content")
	h.sign("v2", "version:2")
	h.until("the same version is no news", func() bool { return h.stats().Pending == 0 })
	h.sign("v3", "version:3")
	ev := h.accepts("v3")
	h.report(ev.Generation, ReloadOK)
	h.report(ev.Generation, ReloadReleased)
	h.sign("v2", "version:2")
	h.rejectedFor("version 2 is older than version 3")
}

func TestAVersionThatFailedDoesNotCount(t *testing.T) {
	h := quietSafe(t, Options{})
	h.sign("v1", "version:1")
	h.enable(rising(Safe{}))
	h.report(h.accepts("v1").Generation, ReloadOK)
	h.sign("v9", "version:9")
	h.report(h.accepts("v9").Generation, ReloadFailed)
	h.next(Rollback)
	h.sign("v2", "version:2")
	ev := h.accepts("v2")
	h.report(ev.Generation, ReloadOK)
	h.report(ev.Generation, ReloadFailed) // it was in use
	h.next(Rollback)
	h.sign("v1.5", "version:1.5")
	h.rejectedFor("version 1.5 is older than version 2")
}

// A host that is slow to report has only the newest snapshots kept.
func TestAVersionWithoutAReportCountsAfterItsSnapshotIsGone(t *testing.T) {
	h := quietSafe(t, Options{})
	h.sign("v1", "version:1")
	h.enable(rising(Safe{}))
	h.report(h.accepts("v1").Generation, ReloadOK)
	var failing []uint64
	for _, v := range []string{"3", "4", "5"} {
		h.sign("v"+v, "version:"+v)
		failing = append(failing, h.accepts("v"+v).Generation)
	}
	for _, generation := range failing[1:] {
		h.report(generation, ReloadFailed)
		h.next(Rollback)
	}
	h.sign("v2", "version:2")
	h.rejectedFor("version 2 is older than version 3")
}

// Each manager reads the file, and replaces it if its own version is newer.
func TestManagersAtTheSameTimeRememberTheHighestVersion(t *testing.T) {
	dir := filepath.Join(realTempDir(t), "versions")
	const managers = 4
	var all []*accepted
	for range managers {
		a, err := openAccepted("p", &policy{rising: true, versionDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	for round := range uint64(20) {
		var wait sync.WaitGroup
		for i, a := range all {
			wait.Go(func() {
				if err := a.accept(mark{version: verify.Version{round, uint64(i)}, known: true}); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		want := verify.Version{round, managers - 1}.String()
		if e, _, err := record.Read(dir, "p"); err != nil || e.Version != want {
			t.Fatalf("version %q is remembered, %v; version %s was accepted", e.Version, err, want)
		}
	}
}

func TestAcceptedVersionsAreRememberedAcrossRestarts(t *testing.T) {
	dir := filepath.Join(realTempDir(t), "versions")
	h := quietSafe(t, Options{})
	safe := rising(Safe{VersionDir: &dir})
	h.sign("v2", "version:2")
	h.enable(safe)
	first := h.accepts("v2")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("before the report there are %v, %v", entries, err)
	}
	h.report(first.Generation, ReloadOK)
	for path, mode := range map[string]os.FileMode{dir: os.ModeDir | 0o700, record.Path(dir, "p"): 0o600} {
		if st, err := os.Stat(path); err != nil || st.Mode() != mode {
			t.Errorf("%s: %v, %v", path, st.Mode(), err)
		}
	}
	again := func() {
		t.Helper()
		_, err := h.m.Disable("p")
		h.must(err)
		h.enable(safe)
	}
	h.sign("v1", "version:1")
	h.rejectedFor("version 1 is older than version 2")
	again()
	h.rejectedFor("version 1 is older than version 2")
	h.sign("v2", "version:2") // the same as before
	h.accepts("v2")
	again()
	h.accepts("v2")
	h.sign("v3", "version:3")
	h.report(h.accepts("v3").Generation, ReloadFailed)
	h.next(Rollback)
	again()
	h.report(h.accepts("v3").Generation, ReloadReleased) // it was never reported good, and neither is it known to fail any more
	h.sign("v2", "version:2")
	h.rejectedFor("version 2 is older than version 3")
	again()
	h.accepts("v2") // only what was reported good is remembered
}

// What cannot be remembered is no pass.
func TestAVersionFileThatIsDamagedOrCannotBeWrittenIsAnError(t *testing.T) {
	dir := filepath.Join(realTempDir(t), "versions")
	h := quietSafe(t, Options{})
	safe := rising(Safe{VersionDir: &dir})
	h.sign("v2", "version:2")
	h.enable(safe)
	h.report(h.accepts("v2").Generation, ReloadOK)
	file := record.Path(dir, "p")
	good := h.read(file)
	for what, content := range map[string]string{"empty": "", "cut": good[:len(good)-1], "more": good + "\n", "another plugin's": strings.Replace(good, "plugin p", "plugin q", 1), "no version": strings.Replace(good, "version 2", "version x", 1)} {
		h.put(file, content)
		h.sign("v3 "+what, "version:3")
		h.rejectedFor("cannot be remembered")
		_, err := h.m.Disable("p")
		h.must(err)
		if err := h.m.Enable("p", h.file, EnableOptions{Safe: &safe}); !errors.Is(err, ErrIO) || !strings.Contains(err.Error(), "remembered") {
			t.Errorf("%s: %v", what, err)
		}
		h.put(file, good)
		h.sign("v2", "version:2")
		h.enable(safe)
		h.accepts("v2")
	}
	// The file of a running plugin is removed: it is made again.
	h.must(os.Remove(file))
	h.sign("v1", "version:1")
	h.rejectedFor("is older than version 2")
	if got := h.read(file); got != good {
		t.Errorf("the file holds %q", got)
	}
	h.sign("v3", "version:3")
	ev := h.accepts("v3")
	h.must(os.RemoveAll(dir))
	h.put(dir, "no directory")
	if err := h.m.ReportReload("p", ev.Generation, ReloadOK, ""); !errors.Is(err, ErrIO) || !strings.Contains(err.Error(), "version 3 cannot be remembered") {
		t.Errorf("%v", err)
	}
	h.sign("v4", "version:4")
	h.rejectedFor("cannot be remembered")
	h.must(os.Remove(dir))
	h.must(os.Mkdir(dir, 0o700))
	h.accepts("v4") // tried again
	if got := h.read(file); !strings.Contains(got, "version 3") {
		t.Errorf("the file holds %q", got)
	}
}

func TestAVersionDirectoryThatIsOpenToOthersIsRejected(t *testing.T) {
	h := quietSafe(t, Options{})
	h.put(h.file, "v1")
	open := h.mkdir("open", 0o755)
	for dir, want := range map[string]string{open: "is open to others", h.link("link", h.mkdir("other", 0o700)): "is no directory", filepath.Join(h.mkdir("wide", 0o777), "v"): "could be exchanged"} {
		safe := rising(Safe{VersionDir: &dir})
		err := h.m.Enable("p", h.file, EnableOptions{Safe: &safe})
		if !errors.Is(err, ErrPermissionDenied) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "version directory") {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestAManifestHoldsForPluginAndCompanionsTogether(t *testing.T) {
	h := quietSafe(t, Options{})
	words, manifest := filepath.Join(h.dir, "data", "words"), filepath.Join(h.dir, "manifest")
	h.must(os.Mkdir(filepath.Dir(words), 0o755))
	release := func(own, data, comment string) {
		h.put(words, data)
		h.put(h.file, own)
		testKey.Put(t, manifest, sha256Of(own)+"  plugin.so\n"+sha256Of(data)+"  data/words\n", comment)
	}
	// What a rejection says of a moment between two of the files.
	settled := func(want string) Event {
		t.Helper()
		for {
			if ev := h.next(Rejected); strings.Contains(ev.Message, want) {
				return ev
			}
		}
	}
	release("v1", "w1", "manifest:greeter version:1")
	h.enable(rising(Safe{Files: []string{"data/words"}, Manifest: &manifest, PluginName: new("greeter")}))
	if ev := h.accepts("v1"); ev.TrustedComment != "manifest:greeter version:1" || h.read(filepath.Join(filepath.Dir(ev.Snapshot), "data", "words")) != "w1" {
		t.Errorf("%+v", ev)
	}
	h.put(words, "w2")
	settled(`"data/words" (SHA-256`)
	h.put(h.file, "w1") // the companion in the plugin's place
	h.put(words, "v1")
	settled(`"plugin.so" (SHA-256`)
	h.put(h.file, "v2")
	h.put(words, "w2")
	settled(`"plugin.so" (SHA-256 ` + sha256Of("v2"))
	testKey.Put(t, manifest, sha256Of("v2")+"  plugin.so\n", "manifest:greeter version:2")
	settled(`does not list "data/words"`)
	testKey.Put(t, manifest, sha256Of("v2")+"  plugin.so\n"+sha256Of("w2")+"  data/words\n", "manifest:greeter version:2")
	for { // rejections of moments in between
		ev := <-h.events
		if ev.Kind == FileChanged {
			if h.read(ev.Snapshot) != "v2" || h.read(filepath.Join(filepath.Dir(ev.Snapshot), "data", "words")) != "w2" {
				t.Errorf("%+v", ev)
			}
			break
		}
	}
	release("v1", "w1", "manifest:greeter version:1")
	settled("version 1 is older than version 2")
}

func TestNamesInAnAllowListAreCheckedIfAskedFor(t *testing.T) {
	h := quietSafe(t, Options{})
	list := filepath.Join(h.dir, "SHA256SUMS")
	h.put(list, sha256Of("v1")+"  plugin.so\n"+sha256Of("other")+"  other.so\n")
	h.put(h.file, "v1")
	h.enable(Safe{AllowList: &list, ListNames: new(true)})
	h.change("v1")
	h.replace(h.file, "other")
	h.rejectedFor("not for a file of this name")
}

// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qtforge/hotreload/core/internal/verify"
)

// A signature that comes after its plugin is heard of; one of other bytes is refused.
func TestSignatureMayComeLater(t *testing.T) {
	h := quietSafe(t, Options{})
	h.put(h.file, signedText)
	h.enable(Safe{PublicKeys: []string{keyText}})
	if ev := h.next(Rejected); !strings.Contains(ev.Message, h.file+".minisig") {
		t.Fatalf("event %+v", ev)
	}
	h.put(h.file+".minisig", prehashed)
	h.change(signedText)
	h.report(1, ReloadOK)
	// A new signature of the same bytes is no new version.
	h.replace(h.file+".minisig", legacy)
	h.until("it was looked at", func() bool { return h.stats().Unchanged > 0 })
	h.replace(h.file, "tampered")
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "does not hold") {
		t.Fatalf("event %+v", ev)
	}
	h.replace(h.file, signedText)
	h.change(signedText)
}

func TestAllowList(t *testing.T) {
	h := quietSafe(t, Options{})
	list := filepath.Join(h.dir, "SHA256SUMS")
	h.put(h.file, "v1")
	h.put(list, "# allowed\n")
	h.enable(Safe{AllowList: new(list)})
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "3bfc269594ef649228e9a74bab00f042efc91d5acc6fbee31a382e80d42388fe") {
		t.Fatalf("event %+v", ev)
	}
	h.put(list, "# allowed\n3BFC269594EF649228E9A74BAB00F042EFC91D5ACC6FBEE31A382E80D42388FE *plugin.so\n\n")
	h.change("v1")
	h.put(list, "3bfc\n")
	h.replace(h.file, "v2")
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "line 1 does not begin") {
		t.Fatalf("event %+v", ev)
	}
	h.must(os.Remove(list))
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "no such file") {
		t.Fatalf("event %+v", ev)
	}
}

// Every file of a plugin needs its signature, its line in the list and to be whole.
func TestCompanionFilesAreValidated(t *testing.T) {
	h := quietSafe(t, Options{})
	more := filepath.Join(h.dir, "more.so")
	list := filepath.Join(h.dir, "SHA256SUMS")
	refused := func(want string) {
		t.Helper()
		if ev := h.next(Rejected); !strings.Contains(ev.Message, want) {
			t.Fatalf("refused with %q, want %q", ev.Message, want)
		}
	}
	h.put(h.file, signedText)
	h.put(h.file+signatureSuffix, prehashed)
	h.put(more, signedText)
	h.enable(Safe{Files: []string{"more.so"}, PublicKeys: []string{keyText}})
	refused(more + signatureSuffix)
	h.replace(more+signatureSuffix, prehashed)
	h.change(signedText)

	disable := func() {
		t.Helper()
		_, err := h.m.Disable("p")
		h.must(err)
	}
	disable()
	h.put(more, "more")
	h.put(list, sha256Of(signedText)+"  plugin.so\n")
	h.enable(Safe{Files: []string{"more.so"}, AllowList: new(list)})
	refused("more.so (SHA-256 " + sha256Of("more"))
	h.replace(list, sha256Of(signedText)+"  plugin.so\n\\"+sha256Of("more")+"  more\\\\.so\n") // as sha256sum escapes names
	h.change(signedText)

	disable()
	h.compile(h.file, "int x;")
	h.compile(more, "int y;")
	whole := h.read(more)
	h.put(more, whole[:len(whole)/2])
	h.enable(Safe{Files: []string{"more.so"}, Image: new(true)})
	refused("more.so: ")
	h.replace(more, whole)
	h.next(FileChanged)
}

func TestImageAndSymbols(t *testing.T) {
	h := quietSafe(t, Options{})
	h.compile(h.file, "int plugin_init(void) { return 0; } static int plugin_answer(void) { return 1; } int (*keep)(void) = plugin_answer;")
	h.enable(Safe{Image: new(true), Symbols: []string{"plugin_init", "plugin_answer", "plugin_exit"}})
	if ev := h.next(Rejected); ev.Message != "it does not export plugin_answer, plugin_exit" {
		t.Fatalf("event %+v", ev)
	}
	h.compile(h.file, "int plugin_init(void) { return 0; } int plugin_answer(void) { return 1; } int plugin_exit = 1;")
	ev := h.next(FileChanged)
	whole := h.read(ev.Snapshot)
	h.replace(h.file, whole[:len(whole)/2])
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "truncated") {
		t.Fatalf("event %+v", ev)
	}
	h.replace(h.file, "#!/bin/sh\n")
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "neither an ELF") {
		t.Fatalf("event %+v", ev)
	}
	// An undefined reference is no export.
	h.compile(h.file, "extern int plugin_answer(void); extern int plugin_exit; int plugin_init(void) { return plugin_answer() + plugin_exit; }")
	if ev := h.next(Rejected); ev.Message != "it does not export plugin_answer, plugin_exit" {
		t.Fatalf("event %+v", ev)
	}
}

// The temporary directory is open to all.
func TestStrictModesRejectAPluginBelowAnOpenDirectory(t *testing.T) {
	h := quietSafe(t, Options{})
	h.put(h.file, "v1")
	st, err := os.Stat("/tmp")
	if err != nil || st.Mode().Perm()&0o022 == 0 || !strings.HasPrefix(h.file, "/tmp/") {
		t.Skip("the test's directory is not below an open /tmp")
	}
	h.enable(Safe{StrictModes: new(true)})
	if ev := h.next(Rejected); !strings.Contains(ev.Message, `"/tmp" is writable by others`) {
		t.Errorf("event %+v", ev)
	}
}

// strictBelow is verify.StrictPath with the directories above h's trusted.
func strictBelow(h *safeHost) func(path string) string {
	return func(path string) string {
		trusted := map[string]bool{}
		for dir := filepath.Dir(h.dir); dir != "/"; dir = filepath.Dir(dir) {
			trusted[dir] = true
		}
		return verify.StrictFrom(path, trusted)
	}
}

// An administrator who mends the modes need not rebuild the plugin.
func TestStrictModesMended(t *testing.T) {
	for name, open := range map[string]func(h *safeHost) (mend func()){
		"file":      func(h *safeHost) func() { return h.chmod(h.file, 0o666, 0o644) },
		"directory": func(h *safeHost) func() { return h.chmod(h.dir, 0o777, 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h *safeHost
			h = quietSafe(t, Options{strict: func(path string) string { return strictBelow(h)(path) }})
			h.put(h.file, "v1")
			mend := open(h)
			h.enable(Safe{StrictModes: new(true)})
			if ev := h.next(Rejected); !strings.Contains(ev.Message, "writable by others") {
				t.Fatalf("event %+v", ev)
			}
			mend()
			h.change("v1")
			h.replace(h.file, "v2")
			h.change("v2")
		})
	}
}

// A file that belongs to a plugin and comes late is waited for.
func TestMissingCompanionComesLater(t *testing.T) {
	h := quietSafe(t, Options{})
	data := filepath.Join(h.dir, "data")
	h.put(h.file, "v1")
	h.enable(Safe{Files: []string{data}})
	if ev := h.next(Rejected); !strings.Contains(ev.Message, "is missing") {
		t.Fatalf("event %+v", ev)
	}
	h.put(data, "d1")
	h.change("v1")
}

func (h *safeHost) chmod(path string, to, back os.FileMode) (undo func()) {
	h.must(os.Chmod(path, to))
	return func() { h.must(os.Chmod(path, back)) }
}

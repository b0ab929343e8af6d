// SPDX-License-Identifier: MIT

package core_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core"
	"github.com/qtforge/hotreload/core/internal/signtest"
	"github.com/qtforge/hotreload/core/internal/testns"
)

// The attack suite: hosts with each safeguard watch one plugin in a directory that
// belongs to somebody else, who attacks it (attacker_linux_test.go). The somebody has
// every file that was ever signed, and runs as nobody if the tests run as root.
// docs/security-model.md says what is promised; here it is put to the test.

var attackTime = flag.Duration("attack.time", 2*time.Second, "how long the attacks are mixed at random")

const (
	bodySize       = 64 << 10 // of each file: large enough to be caught half written
	attackPatience = 30 * time.Second
	oldest         = 10       // the versions that the attacker has from the beginning
	firstGood      = oldest   // the one that is in place
	secret         = "SECRET" // what a link leads to that the host may read and the attacker may not
)

// body is a content of bodySize bytes that names itself.
func body(what string) string {
	return what + "\n" + strings.Repeat(what+" ", bodySize/(len(what)+1))[:bodySize-len(what)-1]
}

// origin is what a content is.
type origin struct {
	plugin  string // "" = nobody's: it was never signed
	version int
}

// field is the place of the fight.
type field struct {
	*testing.T
	base     string // of the host's user
	plugins  string // of the attacker: greeter.so, words, their signatures and manifest
	releases string // what the attacker has got hold of
	stranger bool   // the attacker is another user
	key      signtest.Key

	mu        sync.Mutex
	origins   map[string]origin // of each content, by its SHA-256
	delivered map[string]int    // the last version, by host
	rejected  map[string]string // the last reason
	verdicts  int
}

func newField(t *testing.T, stranger bool) *field {
	base, err := os.MkdirTemp("", "hotreload-attack-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	f := &field{T: t, base: base, stranger: stranger, plugins: filepath.Join(base, "others", "plugins"), releases: filepath.Join(base, "others", "releases"),
		key: signtest.KeyOf(7), origins: map[string]origin{}, delivered: map[string]int{}, rejected: map[string]string{}}
	for _, dir := range []string{"", "others", "others/plugins", "others/releases"} {
		f.must(os.MkdirAll(filepath.Join(base, dir), 0o755))
	}
	f.must(os.Chmod(base, 0o755))
	f.write(filepath.Join(base, "secret"), strings.Repeat(secret+"\n", 100), 0o600)
	f.write(f.list(), "# none yet\n", 0o644)
	for v := 1; v <= oldest; v++ {
		f.release(v)
	}
	f.sign("painter.so", body("painter 99"), "plugin:painter version:99", origin{"painter", 99})
	f.write(filepath.Join(f.releases, "evil.so"), body("evil"), 0o644)
	f.write(filepath.Join(f.releases, "evil.so.minisig"), signtest.KeyOf(8).Sign(body("evil"), "plugin:greeter version:100"), 0o644)
	if stranger {
		f.must(filepath.WalkDir(filepath.Join(base, "others"), func(path string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, nobody, nobody)
		}))
	}
	return f
}

func (f *field) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *field) write(path, content string, mode os.FileMode) {
	f.Helper()
	f.must(os.WriteFile(path, []byte(content), mode))
}

func (f *field) list() string { return filepath.Join(f.base, "SHA256SUMS") }

// release makes version v of the greeter: the attacker can read it from now on.
func (f *field) release(v int) {
	own, words := body(fmt.Sprintf("greeter %d", v)), body(fmt.Sprintf("words %d", v))
	comment := fmt.Sprintf("plugin:greeter version:%d", v)
	f.sign(fmt.Sprintf("greeter-%d.so", v), own, comment, origin{"greeter", v})
	f.sign(fmt.Sprintf("words-%d", v), words, comment, origin{"words", v})
	manifest := sumOf(own) + "  greeter.so\n" + sumOf(words) + "  words\n"
	f.write(filepath.Join(f.releases, fmt.Sprintf("manifest-%d", v)), manifest, 0o644)
	f.write(filepath.Join(f.releases, fmt.Sprintf("manifest-%d.minisig", v)), f.key.Sign(manifest, fmt.Sprintf("manifest:greeter version:%d", v)), 0o644)
	list, err := os.ReadFile(f.list())
	f.must(err)
	f.write(f.list()+".new", string(list)+sumOf(own)+"  greeter.so\n", 0o644)
	f.must(os.Rename(f.list()+".new", f.list()))
}

func (f *field) sign(name, content, comment string, o origin) {
	path := filepath.Join(f.releases, name)
	f.write(path, content, 0o644)
	f.write(path+".minisig", f.key.Sign(content, comment), 0o644)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.origins[sumOf(content)] = o
}

func sumOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// host is one way to be careful, and what it promises.
type host struct {
	safe core.Safe
	// allows says why a content must not be delivered after the version before; "" if it may.
	allows func(o origin, before int) string
	never  bool // nothing is delivered at all
}

func (f *field) hosts() map[string]host {
	keys := []string{f.key.Public()}
	risen := func(o origin, before int) string {
		switch {
		case o.plugin != "greeter":
			return "is not the greeter"
		case o.version < before:
			return fmt.Sprintf("is older than %d", before)
		}
		return ""
	}
	hosts := map[string]host{
		"signed": {safe: core.Safe{PublicKeys: keys}, allows: func(origin, int) string { return "" }},
		"rising": {safe: core.Safe{PublicKeys: keys, PluginName: new("greeter"), RisingVersion: new(true), VersionDir: new(filepath.Join(f.base, "versions"))}, allows: risen},
		"listed": {safe: core.Safe{AllowList: new(f.list()), ListNames: new(true)}, allows: func(o origin, _ int) string { return risen(o, 0) }},
		"whole": {safe: core.Safe{PublicKeys: keys, PluginName: new("greeter"), RisingVersion: new(true), Files: []string{"words"},
			Manifest: new(filepath.Join(f.plugins, "manifest"))}, allows: risen},
	}
	if f.stranger { // otherwise the attacker is the host's own user
		hosts["strict"] = host{safe: core.Safe{StrictModes: new(true)}, never: true}
	}
	return hosts
}

// watch begins to watch the plugin with each safeguard.
func (f *field) watch(hosts map[string]host) *core.Manager {
	m, err := core.New(core.Options{Quiet: 3 * time.Millisecond, MaxDelay: 20 * time.Millisecond, PollInterval: 100 * time.Millisecond,
		SnapshotDir: new(filepath.Join(f.base, "snapshots")), Safe: &core.Safe{MaxSize: 1 << 20}})
	f.must(err)
	f.Cleanup(m.Close)
	f.must(m.SetEventCallback(func(ev core.Event) { f.judge(m, hosts, ev) }, nil))
	for id, h := range hosts {
		f.must(m.Enable(id, filepath.Join(f.plugins, "greeter.so"), core.EnableOptions{Safe: &h.safe, DeliverPresent: true, AllowMissing: true}))
	}
	return m
}

// judge is the host: it "loads" what it is given.
func (f *field) judge(m *core.Manager, hosts map[string]host, ev core.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.Contains(ev.Message, secret) || strings.Contains(ev.TrustedComment, secret) {
		f.Errorf("%s: an event quotes a file that is nobody's business: %+v", ev.ID, ev)
	}
	switch h := hosts[ev.ID]; ev.Kind {
	case core.Rejected:
		f.rejected[ev.ID] = ev.Message
		f.verdicts++
	case core.FileChanged:
		f.verdicts++
		content, err := os.ReadFile(ev.Snapshot)
		o, known := f.origins[sumOf(string(content))]
		why := ""
		switch {
		case err != nil:
			why = err.Error()
		case h.never:
			why = "nothing may be delivered from this directory"
		case !known:
			why = "was never released"
		default:
			why = h.allows(o, f.delivered[ev.ID])
		}
		if why == "" && len(h.safe.Files) > 0 {
			words, err := os.ReadFile(filepath.Join(filepath.Dir(ev.Snapshot), "words"))
			if w := f.origins[sumOf(string(words))]; err != nil || w != (origin{"words", o.version}) {
				why = fmt.Sprintf("has the words of version %d: %v", w.version, err)
			}
		}
		if why != "" {
			f.Errorf("%s is to load %+v (%.20q), which %s", ev.ID, o, content, why)
		}
		f.delivered[ev.ID] = o.version
		if err := m.ReportReload(ev.ID, ev.Generation, core.ReloadOK, ""); err != nil {
			f.Errorf("%s: %v", ev.ID, err)
		}
	}
}

// settles waits until every host has version v: no attack blocks what is released later.
func (f *field) settles(hosts map[string]host, v int, after string) {
	f.Helper()
	missing := func() (ids []string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for id, h := range hosts {
			if !h.never && f.delivered[id] != v {
				ids = append(ids, fmt.Sprintf("%s has %d (last rejected: %.200s)", id, f.delivered[id], f.rejected[id]))
			}
		}
		return ids
	}
	for end := time.Now().Add(attackPatience); len(missing()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			f.Fatalf("after %s version %d is not delivered within %v: %s", after, v, attackPatience, strings.Join(missing(), "; "))
		}
	}
}

func TestWhateverAStrangerDoesOnlyWhatWasReleasedIsLoaded(t *testing.T) {
	f := newField(t, os.Geteuid() == 0)
	hosts := f.hosts()
	enemy := startAttacker(t, f)
	enemy.do("install", firstGood, 0)
	m := f.watch(hosts)
	f.settles(hosts, firstGood, "the first release")
	descriptors := openDescriptors(t)
	version := firstGood
	for _, a := range attacks {
		enemy.do(a.name, 0, rand.Uint64())
		version++
		f.release(version)
		enemy.do("install", version, 0)
		f.settles(hosts, version, a.name)
	}
	end := time.Now().Add(*attackTime)
	for round := 0; time.Now().Before(end); round++ {
		seed := rand.Uint64()
		enemy.do("mixed", 0, seed)
		version++
		f.release(version)
		enemy.do("install", version, 0)
		f.settles(hosts, version, fmt.Sprintf("a mixture of all (seed %d)", seed))
	}
	if got := openDescriptors(t); got > descriptors+8 {
		t.Errorf("%d descriptors are open, %d were at first", got, descriptors)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	if most := uint64(256 << 20); memory.HeapSys > most {
		t.Errorf("the heap has grown to %d bytes, more than %d", memory.HeapSys, most)
	}
	began := time.Now()
	m.Close()
	if took := time.Since(began); took > attackPatience {
		t.Errorf("closing the manager took %v", took)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t.Logf("%d versions were released, %d verdicts given", version, f.verdicts)
	if f.verdicts < 4*len(attacks) {
		t.Errorf("only %d verdicts were given on %d attacks", f.verdicts, len(attacks))
	}
}

// Whoever may mount puts a file system in the place of the plugin's directory.
func TestAMountBringsNothingThatWasNotReleased(t *testing.T) {
	if !testns.InNamespace(t, t.Name()) {
		return
	}
	f := newField(t, false)
	hosts := f.hosts()
	e := &enemy{plugins: f.plugins, releases: f.releases, secret: filepath.Join(f.base, "secret"), r: rand.New(rand.NewPCG(1, 2))}
	f.must(e.install(firstGood))
	f.watch(hosts)
	f.settles(hosts, firstGood, "the first release")
	for version := firstGood + 1; version < firstGood+6; version++ {
		f.must(unix.Mount("none", f.plugins, "tmpfs", 0, ""))
		e.put([]string{"evil.so", "painter.so", "greeter-1.so"}[version%3])
		e.wait()
		f.must(unix.Unmount(f.plugins, unix.MNT_DETACH))
		f.release(version)
		f.must(e.install(version))
		f.settles(hosts, version, "a mount")
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// reply reads a line of the attacker's.
func reply(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	return strings.TrimSpace(line), err
}

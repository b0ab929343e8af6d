// SPDX-License-Identifier: MIT

package core_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The attacker is a process of its own, which is told on its standard input what to do.

const (
	nobody       = 65534
	attackerMark = "-hotreload.attacker"
)

// attacker is the process.
type attacker struct {
	t       *testing.T
	process *os.Process
	to      io.Writer
	lines   *bufio.Reader
}

func startAttacker(t *testing.T, f *field) *attacker {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestTheAttackerItself$", "-test.timeout=0", "--", attackerMark, f.plugins, f.releases, filepath.Join(f.base, "secret"))
	cmd.Dir = "/"
	if f.stranger {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	in, err := cmd.StdinPipe()
	f.must(err)
	out, err := cmd.StdoutPipe()
	f.must(err)
	cmd.Stderr = os.Stderr
	f.must(cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the attacker: %v", err)
		}
	})
	return &attacker{t, cmd.Process, in, bufio.NewReader(out)}
}

// do has the attacker do something, and waits until it is done.
func (a *attacker) do(what string, version int, seed uint64) {
	a.t.Helper()
	if _, err := fmt.Fprintf(a.to, "%s %d %d\n", what, version, seed); err != nil {
		a.t.Fatal(err)
	}
	hung := time.AfterFunc(attackPatience, func() { _ = a.process.Kill() })
	defer hung.Stop()
	if line, err := reply(a.lines); err != nil || line != "done" {
		a.t.Fatalf("%s (seed %d): the attacker says %q, %v", what, seed, line, err)
	}
}

// enemy is the attacker, in its own process.
type enemy struct {
	plugins, releases, secret string
	r                         *rand.Rand
}

// attacks are what one step of the attacker does. Whatever fails is no matter.
var attacks = []struct {
	name string
	step func(e *enemy, victim string)
}{
	{"rename", func(e *enemy, victim string) { _ = os.Rename(e.copy(), victim) }},
	{"exchange", func(e *enemy, victim string) {
		other := e.copy()
		for range 3 {
			_ = unix.Renameat2(unix.AT_FDCWD, other, unix.AT_FDCWD, victim, unix.RENAME_EXCHANGE)
		}
	}},
	{"write in place", func(e *enemy, victim string) { e.overwrite(victim, os.O_WRONLY|os.O_CREATE|os.O_TRUNC) }},
	{"write in place, same size and times", func(e *enemy, victim string) {
		st, err := os.Stat(victim)
		if err != nil {
			return
		}
		e.overwrite(victim, os.O_WRONLY)
		_ = os.Chtimes(victim, st.ModTime(), st.ModTime())
	}},
	{"map", (*enemy).throughAMap},
	{"hard link", func(e *enemy, victim string) {
		other := e.copy()
		_ = os.Remove(victim)
		_ = os.Link(other, victim)
		e.overwrite(other, os.O_WRONLY)
	}},
	{"link", func(e *enemy, victim string) {
		_ = os.Remove(victim)
		_ = os.Symlink(e.pick(e.copy(), e.loot()), victim)
	}},
	{"link to a secret", func(e *enemy, victim string) {
		_ = os.Remove(victim)
		_ = os.Symlink(e.secret, victim)
	}},
	{"link loop", func(e *enemy, victim string) {
		_ = os.Remove(victim)
		_ = os.Symlink(filepath.Base(victim), victim)
	}},
	{"device", func(e *enemy, victim string) {
		_ = os.Remove(victim)
		_ = os.Symlink(e.pick("/dev/zero", "/dev/tty", "/proc/self/mem", "/dev/full"), victim)
	}},
	{"FIFO", func(e *enemy, victim string) {
		_ = os.Remove(victim)
		_ = unix.Mkfifo(victim, 0o666)
	}},
	{"socket", func(e *enemy, victim string) {
		_ = os.Remove(victim)
		if l, err := net.Listen("unix", victim); err == nil {
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			_ = l.Close()
		}
	}},
	{"directory", func(e *enemy, victim string) {
		_ = os.Remove(victim)
		_ = os.MkdirAll(filepath.Join(victim, "greeter.so"), 0o777)
	}},
	{"huge", func(e *enemy, victim string) {
		_ = os.Truncate(victim, 1<<40)
	}},
	{"empty", func(e *enemy, victim string) { _ = os.Truncate(victim, int64(e.r.IntN(2)*e.r.IntN(bodySize))) }},
	{"modes", func(e *enemy, victim string) {
		_ = os.Chmod(victim, os.FileMode(e.r.IntN(0o1000)))
		_ = os.Chmod(e.plugins, os.FileMode(0o300|e.r.IntN(0o1000)))
	}},
	{"times", func(e *enemy, victim string) {
		_ = os.Rename(e.copy(), victim)
		at := time.Unix(e.r.Int64N(1<<40)-1<<39, e.r.Int64N(1e9))
		_ = os.Chtimes(victim, at, at)
	}},
	{"remove", func(e *enemy, victim string) { _ = os.RemoveAll(victim) }},
	{"exchange the directory", func(e *enemy, victim string) {
		away := e.plugins + ".away"
		if os.Rename(e.plugins, away) != nil {
			return
		}
		if e.r.IntN(2) == 0 {
			_ = os.Mkdir(e.plugins, 0o777)
			e.overwrite(victim, os.O_WRONLY|os.O_CREATE)
			_ = os.RemoveAll(e.plugins)
		} else {
			_ = os.Symlink(e.releases, e.plugins)
			_ = os.Remove(e.plugins)
		}
		_ = os.Rename(away, e.plugins)
	}},
	{"an older release", func(e *enemy, _ string) { // whole, as it was signed
		_ = e.install(1 + e.r.IntN(oldest))
		e.wait()
	}},
	{"another plugin", func(e *enemy, _ string) { e.put("painter.so"); e.wait() }},
	{"a stranger's signature", func(e *enemy, _ string) { e.put("evil.so"); e.wait() }},
	{"a mixture of releases", func(e *enemy, _ string) {
		for _, file := range []string{"words-%d:words", "words-%d.minisig:words.minisig", "manifest-%d:manifest", "manifest-%d.minisig:manifest.minisig", "words-%d:greeter.so"} {
			from, to, _ := strings.Cut(file, ":")
			if e.r.IntN(3) == 0 {
				e.place(fmt.Sprintf(from, 1+e.r.IntN(oldest)), to)
			}
		}
		e.wait()
	}},
	{"a manifest as the plugin", func(e *enemy, _ string) {
		version := 1 + e.r.IntN(oldest)
		e.place(fmt.Sprintf("manifest-%d.minisig", version), "greeter.so.minisig")
		e.place(fmt.Sprintf("manifest-%d", version), "greeter.so")
		e.wait()
	}},
	{"changed while it is read", func(e *enemy, victim string) {
		other := e.copy()
		for range 200 {
			_ = unix.Renameat2(unix.AT_FDCWD, other, unix.AT_FDCWD, victim, unix.RENAME_EXCHANGE)
			time.Sleep(time.Duration(e.r.IntN(300)) * time.Microsecond) // so that a check falls in between
		}
	}},
	{"held open by a writer", func(e *enemy, victim string) {
		f, err := os.OpenFile(victim, os.O_RDWR|unix.O_NONBLOCK, 0)
		if err != nil {
			return
		}
		defer f.Close()
		for range 5 {
			_, _ = f.WriteAt(e.content(), 0)
			time.Sleep(time.Duration(e.r.IntN(4)) * time.Millisecond) // so that checks fall in between
		}
	}},
}

// waitsEachTime are the attacks after which a verdict is waited for each time.
var waitsEachTime = map[string]bool{"an older release": true, "another plugin": true, "a stranger's signature": true, "a mixture of releases": true, "changed while it is read": true}

// loot is a file that the attacker has got hold of.
func (e *enemy) loot() string {
	names, err := os.ReadDir(e.releases)
	if err != nil || len(names) == 0 {
		return e.secret
	}
	return filepath.Join(e.releases, names[e.r.IntN(len(names))].Name())
}

// readLoot reads a release. The attacker may have made it huge, through a link of its own.
func readLoot(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 2<<20))
}

func (e *enemy) content() []byte {
	b, err := readLoot(e.loot())
	if err != nil {
		return []byte("evil")
	}
	return b
}

// put places a plugin that the attacker has got hold of, with its signature.
func (e *enemy) put(name string) {
	e.place(name+".minisig", "greeter.so.minisig")
	e.place(name, "greeter.so")
}

func (e *enemy) place(loot, name string) {
	content, err := readLoot(filepath.Join(e.releases, loot))
	if err != nil {
		return
	}
	to := filepath.Join(e.plugins, name)
	if st, err := os.Lstat(to); err == nil && st.IsDir() {
		removeAll(to)
	}
	removeAll(to + ".new")
	_ = os.WriteFile(to+".new", content, 0o644)
	_ = os.Rename(to+".new", to)
}

// wait is long enough, mostly, for a verdict.
func (e *enemy) wait() { time.Sleep(time.Duration(10+e.r.IntN(30)) * time.Millisecond) }

// copy is a file with some content, in the plugin's directory.
func (e *enemy) copy() string {
	path := filepath.Join(e.plugins, ".new"+strconv.Itoa(e.r.IntN(4)))
	removeAll(path) // by now it may be a FIFO, whose opening waits
	_ = os.WriteFile(path, e.content(), 0o644)
	return path
}

func (e *enemy) pick(of ...string) string { return of[e.r.IntN(len(of))] }

// overwrite writes some content in pieces.
func (e *enemy) overwrite(path string, flags int) {
	f, err := os.OpenFile(path, flags|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	for b := e.content(); len(b) > 0; {
		n := min(len(b), 1+e.r.IntN(bodySize/2))
		if _, err := f.Write(b[:n]); err != nil {
			return
		}
		b = b[n:]
	}
}

// throughAMap changes the file through a map, after its descriptor was closed.
func (e *enemy) throughAMap(victim string) {
	f, err := os.OpenFile(victim, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() || st.Size() == 0 || st.Size() > 1<<20 {
		_ = f.Close()
		return
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	_ = f.Close()
	if err != nil {
		return
	}
	defer func() { _ = unix.Munmap(data) }()
	b := e.content()
	for range 4 {
		// Never beyond what the file has now, which would be a signal.
		if now, err := os.Stat(victim); err != nil || now.Size() < int64(len(data)) {
			return
		}
		at := e.r.IntN(len(data))
		copy(data[at:], b[min(at, len(b)):])
		time.Sleep(time.Duration(e.r.IntN(2)) * time.Millisecond) // so that checks fall in between
	}
}

// install puts a release in place, whatever stands there.
func (e *enemy) install(version int) error {
	_ = os.Chmod(e.plugins, 0o755)
	removeAll(e.plugins + ".away")
	if st, err := os.Lstat(e.plugins); err != nil || !st.IsDir() {
		removeAll(e.plugins)
		if err := os.Mkdir(e.plugins, 0o755); err != nil {
			return err
		}
	}
	var failed error
	for _, f := range []struct{ from, to string }{
		{"words-%d", "words"}, {"greeter-%d.so.minisig", "greeter.so.minisig"}, {"greeter-%d.so", "greeter.so"},
		{"manifest-%d", "manifest"}, {"manifest-%d.minisig", "manifest.minisig"},
	} {
		content, err := readLoot(filepath.Join(e.releases, fmt.Sprintf(f.from, version)))
		to := filepath.Join(e.plugins, f.to)
		if st, statErr := os.Lstat(to); statErr == nil && st.IsDir() {
			removeAll(to)
		}
		removeAll(to + ".release")
		failed = errors.Join(failed, err, os.WriteFile(to+".release", content, 0o644), os.Rename(to+".release", to))
	}
	return failed
}

// removeAll removes a tree whose modes it changes first.
func removeAll(path string) {
	_ = filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(path)
}

// attack does one kind of attack several times, on each of the files.
func (e *enemy) attack(name string) error {
	i := slices.IndexFunc(attacks, func(a struct {
		name string
		step func(e *enemy, victim string)
	}) bool {
		return a.name == name
	})
	if i < 0 && name != "mixed" {
		return fmt.Errorf("there is no attack %q", name)
	}
	rounds := 20
	if waitsEachTime[name] {
		rounds = 5
	}
	victims := []string{"greeter.so", "greeter.so.minisig", "words", "manifest", "manifest.minisig"}
	for n := range rounds {
		a := attacks[max(i, 0)]
		if i < 0 {
			a = attacks[e.r.IntN(len(attacks))]
		}
		victim := victims[0] // every other time
		if n%2 == 1 {
			victim = victims[e.r.IntN(len(victims))]
		}
		a.step(e, filepath.Join(e.plugins, victim))
		if e.r.IntN(3) == 0 {
			time.Sleep(time.Duration(e.r.IntN(8)) * time.Millisecond) // long enough, at times, for a verdict
		}
	}
	return nil
}

// TestTheAttackerItself is the attacker's process.
func TestTheAttackerItself(t *testing.T) {
	mark := slices.Index(os.Args, attackerMark)
	if mark < 0 {
		t.Skip("it is started by the attack suite")
	}
	e := &enemy{plugins: os.Args[mark+1], releases: os.Args[mark+2], secret: os.Args[mark+3]}
	if os.Geteuid() != os.Getuid() || os.Getuid() == 0 {
		t.Fatal("the attacker must not be root")
	}
	if _, err := os.ReadFile(e.secret); os.Geteuid() == nobody && !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("the attacker can read the secret: %v", err)
	}
	orders := make(chan string)
	go func() {
		for in := bufio.NewReader(os.Stdin); ; {
			line, err := reply(in)
			if err != nil {
				os.Exit(0) // whatever it waits for, and without what the test framework prints
			}
			orders <- line
		}
	}()
	for line := range orders {
		words := strings.Fields(line)
		numbers := words[len(words)-2:]
		version, err := strconv.Atoi(numbers[0])
		seed, err2 := strconv.ParseUint(numbers[1], 10, 64)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		e.r = rand.New(rand.NewPCG(seed, 0))
		if what := strings.Join(words[:len(words)-2], " "); what == "install" {
			err = e.install(version)
		} else {
			err = e.attack(what)
		}
		if err != nil {
			fmt.Println(strings.ReplaceAll(err.Error(), "\n", "; "))
			continue
		}
		fmt.Println("done")
	}
}

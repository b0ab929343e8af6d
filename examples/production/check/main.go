// SPDX-License-Identifier: MIT

// Command check runs a production example while its plugin is replaced by
// versions that work and by versions that are broken in every way, and compares
// what the host says: the one in C, whose plugin it compiles,
//
//	go run ./examples/production/check -host build/examples/production -source examples/production
//
// or, with -builds PREFIX, the one in Qt, whose plugin is there in builds named
// PREFIX1.so, PREFIXinit_fails.so and so on.
package main

import (
	"bufio"
	"crypto/ed25519"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/blake2b"
)

const bound = 20 * time.Second // far beyond what any step takes

var keyID = []byte("example!")

type example struct {
	source, builds, dir, plugin string
	key                         ed25519.PrivateKey
	lines                       chan string
	in                          io.WriteCloser
	cmd                         *exec.Cmd
}

// step is something that happens to the host, and what it says then.
type step struct {
	do   func() error
	want string
}

func main() {
	host := flag.String("host", "build/examples/production", "the host")
	source := flag.String("source", "examples/production", "the directory of plugin.c")
	builds := flag.String("builds", "", "what the names of the Qt plugin's builds begin with")
	flag.Parse()
	name, run := "examples/production", runC
	if *builds != "" {
		name, run = "examples/qt/production", runQt
	}
	if err := run(*host, &example{source: *source, builds: *builds}); err != nil {
		fmt.Fprintf(os.Stderr, "FAILED %s: %v\n", name, err)
		os.Exit(1)
	}
	fmt.Printf("ok %s: every broken version refused or rolled back, no request failed\n", name)
}

// runC has the versions exchanged side by side, and then the old one exit first.
func runC(host string, e *example) error {
	if err := runCIn(host, e); err != nil {
		return err
	}
	return runCIn(host, e, "--exit-first")
}

func runCIn(host string, e *example, options ...string) error {
	version := func(flags ...string) func() error {
		return func() error { return e.install(strings.Join(flags, " ")) }
	}
	answered, counted, err := e.run(host, "-DVERSION=1", []step{
		{version("-DVERSION=2"), "generation 2 answers"},
		{e.tamper("-DVERSION=3"), "refused, generation 2 still answers: the signature"},
		{version("-DVERSION=4", "-DWITHOUT_ANSWER"), "refused, generation 2 still answers: it does not export plugin_answer"},
		{version("-DVERSION=5", "-DINIT_CRASHES"), "refused, generation 2 still answers: in a child process it crashed: signal 11"},
		{version("-DVERSION=6", "-DINIT_HANGS"), "refused, generation 2 still answers: in a child process its init did not return"},
		{version("-DVERSION=7", "-DINIT_FAILS"), "refused, generation 2 still answers: in a child process: its init returned -7"},
		{e.truncate("-DVERSION=8"), "refused, generation 2 still answers: ELF: "},
		{version("-DVERSION=9", "-DRESTORE_FAILS"), "failed, generation 2 still answers: it returned -9"},
		{version("-DVERSION=10"), "generation 4 answers"},
	}, options...)
	if err == nil && counted != answered {
		err = fmt.Errorf("%d answered, %d counted: the state was not handed over", answered, counted)
	}
	return err
}

func runQt(host string, e *example) error {
	if err := runQtIn(host, e); err != nil {
		return err
	}
	if err := runQtIn(host, e, "--exit-first"); err != nil {
		return err
	}
	// With --strict it is not enough that the file is the right one: nobody else may be able to exchange it.
	done, err := e.start(host, "1", 0o777, "--strict")
	if err != nil {
		return err
	}
	defer done()
	return e.expect(" is writable by others")
}

func runQtIn(host string, e *example, options ...string) error {
	version := func(build string) func() error { return func() error { return e.install(build) } }
	const still = "generation 2 still answers: "
	answered, counted, err := e.run(host, "1", []step{
		{version("2"), "generation 2 answers"},
		{e.tamper("1"), "refused, " + still + "the signature"},
		{version("without_entry"), "refused, " + still + "it does not export qt_plugin_instance"},
		{version("other_interface"), "refused, " + still + `it implements "org.qtforge.hotreload.example.Other/1.0"`},
		{version("unresolved"), "refused, " + still + "in a child process: Cannot load library"},
		{version("init_crashes"), "refused, " + still + "in a child process it crashed"},
		{version("init_hangs"), "refused, " + still + "in a child process it did not start"},
		{version("init_fails"), "refused, " + still + "in a child process: its initialize() returned false"},
		{e.truncate("1"), "refused, " + still + "ELF: "},
		{version("restore_fails"), "failed, " + still + "it returned false"},
		{version("1"), "generation 4 answers"},
		{e.tell("roll back"), "generation 2 answers"},
	}, options...)
	if err == nil && counted != answered {
		err = fmt.Errorf("%d answered, %d counted: the state was not handed over", answered, counted)
	}
	return err
}

// run takes a host through the steps. It returns how many requests were answered,
// and how many the plugin has counted.
func (e *example) run(host, first string, steps []step, options ...string) (answered, counted int, err error) {
	done, err := e.start(host, first, 0o700, options...)
	if err != nil {
		return 0, 0, err
	}
	defer done()
	if err := e.expect("generation 1 answers"); err != nil {
		return 0, 0, err
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return 0, 0, err
		}
		if err := e.expect(step.want); err != nil {
			return 0, 0, err
		}
	}
	_ = e.in.Close()
	last, err := e.next()
	if err != nil {
		return 0, 0, err
	}
	fmt.Println(last)
	var failed int
	if n, err := fmt.Sscanf(last, "%d requests answered, %d failed; the plugin has counted %d", &answered, &failed, &counted); n < 3 {
		return 0, 0, fmt.Errorf("the host said %q (%v)", last, err)
	}
	if failed != 0 || answered == 0 {
		return 0, 0, fmt.Errorf("%d answered, %d failed", answered, failed)
	}
	return answered, counted, e.cmd.Wait()
}

// start installs a first version, signed with a new key, in a directory of that
// mode, and starts a host on it.
func (e *example) start(host, first string, mode os.FileMode, options ...string) (done func(), err error) {
	if e.dir, err = os.MkdirTemp("", "production-"); err != nil {
		return nil, err
	}
	dir := e.dir
	if err := os.Chmod(dir, mode); err != nil {
		return nil, err
	}
	done = func() { _ = os.RemoveAll(dir) }
	defer func() {
		if err != nil {
			done()
		}
	}()
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	e.plugin, e.key, e.lines = filepath.Join(dir, "plugin.so"), key, make(chan string, 100)
	if err := e.install(first); err != nil {
		return nil, err
	}
	cmd := exec.Command(host, append(options, e.plugin, base64.StdEncoding.EncodeToString(append(append([]byte("Ed"), keyID...), public...)))...)
	cmd.Stderr = os.Stderr
	if e.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	e.cmd = cmd
	done = func() {
		_ = cmd.Process.Kill()
		_ = os.RemoveAll(dir)
	}
	go e.read(out)
	return done, nil
}

// tell writes a line to the host.
func (e *example) tell(line string) func() error {
	return func() error {
		_, err := fmt.Fprintln(e.in, line)
		return err
	}
}

func (e *example) read(out io.Reader) {
	lines := e.lines
	defer close(lines)
	for s := bufio.NewScanner(out); s.Scan(); {
		lines <- s.Text()
	}
}

func (e *example) next() (string, error) {
	select {
	case line, ok := <-e.lines:
		if !ok {
			return "", fmt.Errorf("the host has ended")
		}
		return line, nil
	case <-time.After(bound):
		return "", fmt.Errorf("the host says nothing for %v", bound)
	}
}

func (e *example) expect(want string) error {
	line, err := e.next()
	if err != nil {
		return fmt.Errorf("waiting for %q: %w", want, err)
	}
	fmt.Println(line)
	if !strings.Contains(line, want) {
		return fmt.Errorf("the host said %q, want %q", line, want)
	}
	return nil
}

// bytes are those of a build of the plugin: the Qt plugin's by their name, the
// C plugin's by the compiler's flags.
func (e *example) bytes(build string) ([]byte, error) {
	if e.builds != "" {
		return os.ReadFile(e.builds + build + ".so")
	}
	cc := strings.Fields(os.Getenv("CC")) // may have options
	if len(cc) == 0 {
		cc = []string{"cc"}
	}
	built := filepath.Join(e.dir, "built.so")
	args := append(cc[1:], "-shared", "-fPIC", filepath.Join(e.source, "plugin.c"), "-o", built)
	if out, err := exec.Command(cc[0], append(args, strings.Fields(build)...)...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %v\n%s", strings.Join(cc, " "), err, out)
	}
	return os.ReadFile(built)
}

// install replaces the plugin as a deployment does: the signature first, then
// the file, each in one step.
func (e *example) install(build string) error {
	data, err := e.bytes(build)
	if err != nil {
		return err
	}
	return e.deploy(data, data)
}

func (e *example) deploy(data, signed []byte) error {
	for path, content := range map[string][]byte{"plugin.so.minisig": e.sign(signed), "plugin.so": data} {
		if err := os.WriteFile(filepath.Join(e.dir, path+".new"), content, 0o755); err != nil {
			return err
		}
	}
	for _, path := range []string{"plugin.so.minisig", "plugin.so"} {
		if err := os.Rename(filepath.Join(e.dir, path+".new"), filepath.Join(e.dir, path)); err != nil {
			return err
		}
	}
	return nil
}

// tamper leaves the signature of other bytes.
func (e *example) tamper(build string) func() error {
	return func() error {
		data, err := e.bytes(build)
		if err != nil {
			return err
		}
		return e.deploy(append(data[:len(data):len(data)], "tampered"...), data)
	}
}

// truncate signs half a library: a signature does not make it whole.
func (e *example) truncate(build string) func() error {
	return func() error {
		data, err := e.bytes(build)
		if err != nil {
			return err
		}
		return e.deploy(data[:len(data)/2], data[:len(data)/2])
	}
}

// sign is minisign -S.
func (e *example) sign(data []byte) []byte {
	sum := blake2b.Sum512(data)
	signature := ed25519.Sign(e.key, sum[:])
	const comment = "the production example"
	global := ed25519.Sign(e.key, append(append([]byte{}, signature...), comment...))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, "untrusted comment: signature\n%s\ntrusted comment: %s\n%s\n",
		b64(append(append([]byte("ED"), keyID...), signature...)), comment, b64(global))
}

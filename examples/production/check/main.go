// Command check runs the production example while its plugin is replaced by
// versions that work and by versions that are broken in every way, and compares
// what the host says.
//
//	go run ./examples/production/check -host build/examples/production -source examples/production
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
	source, dir, plugin string
	key                 ed25519.PrivateKey
	lines               chan string
}

func main() {
	host := flag.String("host", "build/examples/production", "the host")
	source := flag.String("source", "examples/production", "the directory of plugin.c")
	flag.Parse()
	if err := run(*host, *source); err != nil {
		fmt.Fprintln(os.Stderr, "FAILED examples/production:", err)
		os.Exit(1)
	}
	fmt.Println("ok examples/production: every broken version refused or rolled back, no request failed")
}

func run(host, source string) error {
	dir, err := os.MkdirTemp("", "production-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	e := &example{source: source, dir: dir, plugin: filepath.Join(dir, "plugin.so"), key: key, lines: make(chan string, 100)}
	if err := e.install("-DVERSION=1"); err != nil {
		return err
	}
	cmd := exec.Command(host, e.plugin, base64.StdEncoding.EncodeToString(append(append([]byte("Ed"), keyID...), public...)))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Kill() }()
	go e.read(out)

	if err := e.expect("generation 1 answers"); err != nil {
		return err
	}
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return e.install("-DVERSION=2") }, "generation 2 answers"},
		{e.tamper, "refused, generation 2 still answers: the signature"},
		{func() error { return e.install("-DVERSION=4", "-DWITHOUT_ANSWER") }, "refused, generation 2 still answers: it does not export plugin_answer"},
		{func() error { return e.install("-DVERSION=5", "-DINIT_CRASHES") }, "refused, generation 2 still answers: in a child process it crashed: signal 11"},
		{func() error { return e.install("-DVERSION=6", "-DINIT_HANGS") }, "refused, generation 2 still answers: in a child process its init did not return"},
		{func() error { return e.install("-DVERSION=7", "-DINIT_FAILS") }, "refused, generation 2 still answers: in a child process: its init returned -7"},
		{e.truncate, "refused, generation 2 still answers: ELF: "},
		{func() error { return e.install("-DVERSION=9", "-DRESTORE_FAILS") }, "failed, generation 2 still answers: it does not take the state over: restore returned -9"},
		{func() error { return e.install("-DVERSION=10") }, "generation 4 answers"},
	} {
		if err := step.do(); err != nil {
			return err
		}
		if err := e.expect(step.want); err != nil {
			return err
		}
	}
	in.Close()
	last, err := e.next()
	if err != nil {
		return err
	}
	fmt.Println(last)
	var answered, failed, counted int
	if n, err := fmt.Sscanf(last, "%d requests answered, %d failed; the plugin has counted %d", &answered, &failed, &counted); n != 3 {
		return fmt.Errorf("the host said %q (%v)", last, err)
	}
	if failed != 0 || answered == 0 || counted != answered {
		return fmt.Errorf("%d answered, %d failed, %d counted: requests failed, or the state was not handed over", answered, failed, counted)
	}
	return cmd.Wait()
}

func (e *example) read(out io.Reader) {
	defer close(e.lines)
	for s := bufio.NewScanner(out); s.Scan(); {
		e.lines <- s.Text()
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
	if !strings.HasPrefix(line, want) {
		return fmt.Errorf("the host said %q, want %q", line, want)
	}
	return nil
}

// compile builds a plugin beside the present one.
func (e *example) compile(flags ...string) (string, error) {
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	built := filepath.Join(e.dir, "built.so")
	args := append([]string{"-shared", "-fPIC", filepath.Join(e.source, "plugin.c"), "-o", built}, flags...)
	out, err := exec.Command(cc, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %v\n%s", cc, err, out)
	}
	return built, nil
}

// install replaces the plugin as a deployment does: the signature first, then
// the file, each in one step.
func (e *example) install(flags ...string) error {
	built, err := e.compile(flags...)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(built)
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
func (e *example) tamper() error {
	built, err := e.compile("-DVERSION=3")
	if err != nil {
		return err
	}
	data, err := os.ReadFile(built)
	if err != nil {
		return err
	}
	return e.deploy(append(data, "tampered"...), data)
}

// truncate signs half a library: a signature does not make it whole.
func (e *example) truncate() error {
	built, err := e.compile("-DVERSION=8")
	if err != nil {
		return err
	}
	data, err := os.ReadFile(built)
	if err != nil {
		return err
	}
	return e.deploy(data[:len(data)/2], data[:len(data)/2])
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

// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// hostProcess is a host in a process of its own, which speaks as capi/tests/oracle_host.c
// says.
type hostProcess struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan int
	ended   chan struct{}
	once    sync.Once
	t       *testing.T
}

// startHost starts a host by a command, to which it appends the options.
func startHost(t *testing.T, cmd *exec.Cmd, o Options, to listener) *hostProcess {
	t.Helper()
	quiet, flags := o.Quiet.Milliseconds(), int64(0)
	if o.Quiet == NoQuiet {
		quiet = -1
	}
	if o.ForcePolling {
		flags = 4
	}
	h := &hostProcess{t: t, cmd: cmd, answers: make(chan int, 1), ended: make(chan struct{})}
	for _, n := range []int64{quiet, o.MaxDelay.Milliseconds(), o.PollInterval.Milliseconds(), flags} {
		cmd.Args = append(cmd.Args, fmt.Sprint(n))
	}
	cmd.Stderr = os.Stderr
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(h.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var id string
			var when int64
			var crc uint32
			var code int
			var kind Kind
			var generation uint64
			if n, _ := fmt.Sscanf(lines.Text(), "T %s %d %x", &id, &when, &crc); n == 3 {
				to.told(id, time.Unix(0, when), crc)
			} else if n, _ := fmt.Sscanf(lines.Text(), "K %s %d %d %x", &id, &kind, &generation, &crc); n == 4 {
				to.hears(kind, id, generation, crc)
			} else if n, _ := fmt.Sscanf(lines.Text(), "R %d", &code); n == 1 {
				h.answers <- code
			}
		}
	}()
	if err := h.answer(); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *hostProcess) answer() error {
	select {
	case code := <-h.answers:
		if code < 0 {
			return fmt.Errorf("the host answers %d", code)
		}
		return nil
	case <-h.ended:
		return fmt.Errorf("the host has ended")
	case <-time.After(bound):
		return fmt.Errorf("the host does not answer within %v", bound)
	}
}

func (h *hostProcess) command(format string, args ...any) error {
	if _, err := fmt.Fprintf(h.in, format+"\n", args...); err != nil {
		return err
	}
	return h.answer()
}

func (h *hostProcess) enable(id, path string) error { return h.command("E %s %s", id, path) }

func (h *hostProcess) disable(id string) error { return h.command("D %s", id) }

func (h *hostProcess) enableFolder(id, dir string) error { return h.command("F %s %s", id, dir) }

func (h *hostProcess) disableFolder(id string) error { return h.command("X %s", id) }

func (h *hostProcess) setGlobal(on bool) error {
	n := 0
	if on {
		n = 1
	}
	return h.command("G %d", n)
}

func (h *hostProcess) stall() func() {
	_ = h.cmd.Process.Signal(syscall.SIGSTOP)
	return func() { _ = h.cmd.Process.Signal(syscall.SIGCONT) }
}

func (h *hostProcess) close() {
	h.once.Do(func() {
		h.in.Close()
		<-h.ended
		if err := h.cmd.Wait(); err != nil {
			h.t.Errorf("the host ended with %v", err)
		}
	})
}

func (h *hostProcess) describe() string {
	_ = h.command("S") // its statistics appear on standard error
	return "host process " + h.cmd.String()
}

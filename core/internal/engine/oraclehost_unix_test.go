// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// hostProcess is a host on the C library, in a process of its own: see
// capi/tests/oracle_host.c.
type hostProcess struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan int
	ended   chan struct{}
	once    sync.Once
	t       *testing.T
}

func startHost(t *testing.T, program string, o Options, told func(string, time.Time, uint32)) *hostProcess {
	t.Helper()
	quiet, flags := o.Quiet.Milliseconds(), 0
	if o.Quiet == NoQuiet {
		quiet = -1
	}
	if o.ForcePolling {
		flags = 4
	}
	h := &hostProcess{t: t, answers: make(chan int, 1), ended: make(chan struct{})}
	h.cmd = exec.Command(program, fmt.Sprint(quiet), fmt.Sprint(o.MaxDelay.Milliseconds()), fmt.Sprint(o.PollInterval.Milliseconds()), fmt.Sprint(flags))
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
			if n, _ := fmt.Sscanf(lines.Text(), "T %s %d %x", &id, &when, &crc); n == 3 {
				told(id, time.Unix(0, when), crc)
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

func (h *hostProcess) describe() string { return "host process " + h.cmd.String() }

// SPDX-License-Identifier: MIT

package engine

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/testfuse"
)

// The test program is also the oracle's host and its FUSE server: in a process of its own,
// as another user, or with system calls refused.

// The first argument of such a process.
const (
	childHost = "oracle-host" // REFUSED [PROGRAM] QUIET_MS MAX_DELAY_MS POLL_INTERVAL_MS FLAGS
	childFUSE = "oracle-fuse" // SOURCE MOUNT_POINT DRIFT_MS IGNORE_CASE
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case childHost:
			runHost(os.Args[2:])
			return
		case childFUSE:
			runFUSE(os.Args[2:])
			return
		}
	}
	os.Exit(m.Run())
}

// child is this program as one of these.
func child(args ...string) *exec.Cmd { return exec.Command("/proc/self/exe", args...) }

func endChild(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(2)
}

// runHost is a host as capi/tests/oracle_host.c, on the core. With PROGRAM it becomes that
// program. Every lease is refused with REFUSED, unless that is 0.
func runHost(args []string) {
	if errno, err := strconv.Atoi(args[0]); err != nil {
		endChild("%v", err)
	} else if errno != 0 {
		refuseLeases(syscall.Errno(errno))
	}
	awaitInstance()
	if program := args[1]; program != "" {
		endChild("%v", syscall.Exec(program, append([]string{program}, args[2:]...), os.Environ()))
	}
	var n [4]int64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseInt(args[2+i], 10, 64); err != nil {
			endChild("%v", err)
		}
	}
	o := Options{Quiet: time.Duration(n[0]) * ms, MaxDelay: time.Duration(n[1]) * ms, PollInterval: time.Duration(n[2]) * ms, ForcePolling: n[3] != 0}
	if n[0] < 0 {
		o.Quiet = NoQuiet
	}
	m, err := New(o)
	if err != nil {
		endChild("%v", err)
	}
	err = m.SetEventCallback(func(e Event) {
		if e.Kind == FileChanged {
			fmt.Printf("T %s %d %08x\n", e.ID, e.Time.UnixNano(), checksum(e.Path))
		} else if e.FolderID != "" {
			fmt.Printf("K %s %d %d %08x\n", e.ID, e.Kind, e.Generation, checksum(e.Path))
		}
	}, nil)
	if err != nil {
		endChild("%v", err)
	}
	obey(inProcess{m}, os.Stdin)
	m.Close()
}

// awaitInstance waits until this user may have one more inotify instance: other tests use
// some, and a host without one polls.
func awaitInstance() {
	for deadline := time.Now().Add(bound); ; {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err == nil {
			_ = unix.Close(fd)
			return
		}
		if err != unix.EMFILE || time.Now().After(deadline) {
			endChild("inotify_init1: %v; see /proc/sys/fs/inotify/max_user_instances", err)
		}
		<-time.After(10 * ms)
	}
}

// obey carries the oracle's commands out, and answers each.
func obey(w inProcess, commands io.Reader) {
	fmt.Println("R 0")
	for lines := bufio.NewScanner(commands); lines.Scan(); {
		fields := strings.SplitN(lines.Text(), " ", 3)
		var err error
		switch fields[0] {
		case "E":
			err = w.enable(fields[1], fields[2])
		case "D":
			err = w.disable(fields[1])
		case "F":
			err = w.enableFolder(fields[1], fields[2])
		case "X":
			err = w.disableFolder(fields[1])
		case "G":
			err = w.setGlobal(fields[1] == "1")
		case "S":
			fmt.Fprintln(os.Stderr, w.describe())
		default:
			err = fmt.Errorf("%q is no command", lines.Text())
		}
		code := 0
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = -1
		}
		fmt.Println("R", code)
	}
}

// refuseLeases makes every fcntl(F_SETLEASE) of this process fail.
func refuseLeases(errno syscall.Errno) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	load := func(offset int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: uint32(offset)}
	}
	unless := func(value, skip int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(value), Jf: uint8(skip)}
	}
	answer := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	const number, secondArgument = 0, 24 // in struct seccomp_data; the lower half where low bytes come first
	filter := []unix.SockFilter{
		load(number), unless(unix.SYS_FCNTL, 3),
		load(secondArgument), unless(unix.F_SETLEASE, 1),
		answer(unix.SECCOMP_RET_ERRNO | uint32(errno)),
		answer(unix.SECCOMP_RET_ALLOW),
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		endChild("%v", err)
	}
	if _, _, err := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program))); err != 0 {
		endChild("seccomp: %v", err)
	}
	if _, err := unix.FcntlInt(os.Stdin.Fd(), unix.F_SETLEASE, unix.F_RDLCK); err != errno {
		endChild("fcntl(F_SETLEASE): %v, want %v", err, errno)
	}
}

// runFUSE serves a file system until the end of its input.
func runFUSE(args []string) {
	drift, err := strconv.Atoi(args[2])
	if err != nil {
		endChild("%v", err)
	}
	_, err = testfuse.Serve(args[0], args[1], testfuse.Options{Drift: time.Duration(drift) * ms, IgnoreCase: args[3] == "true"})
	if err != nil {
		endChild("%v", err)
	}
	fmt.Println("served")
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = unix.Unmount(args[1], unix.MNT_DETACH)
}

// serveFUSE mounts a file system that shows source, until the test ends.
func serveFUSE(t *testing.T, source, mountPoint string, drift time.Duration, ignoreCase bool) error {
	cmd := child(childFUSE, source, mountPoint, fmt.Sprint(drift.Milliseconds()), fmt.Sprint(ignoreCase))
	var why strings.Builder
	cmd.Stderr = &why
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
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "served\n" {
		_ = cmd.Wait()
		return fmt.Errorf("%s", strings.TrimSpace(why.String()))
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the FUSE server ended with %v: %s", err, why.String())
		}
	})
	return nil
}

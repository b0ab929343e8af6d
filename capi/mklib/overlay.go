// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// patch is one change of Go's runtime. docs/go-runtime.md says which promise of
// the library each one keeps.
type patch struct {
	dir  string // below Go's src; "" = runtime
	file string
	goos string // the system that it is for; "" = every one
	libc string // the C library of Linux that it is for, "glibc" or "musl"; "" = every one
	old  string // must be in the file exactly once; "" = the file is new
	new  string
}

// original is where the file is in Go's source.
func (p *patch) original(goroot string) string {
	return filepath.Join(goroot, "src", filepath.FromSlash(cmp.Or(p.dir, "runtime")), p.file)
}

// patches are what a guest in a host's process cannot configure.
var patches = append(guestPatches, pollerPatches...)

var guestPatches = []patch{
	// No thread of the library takes a signal that the host waits for.
	{
		file: "sigtab_linux_generic.go", goos: "linux",
		old: `{_SigNotify + _SigUnblock + _SigIgn, "SIGCHLD: child status has changed"}`,
		new: `{_SigNotify + _SigIgn, "SIGCHLD: child status has changed"}`,
	},
	{
		file: "sigtab_linux_generic.go", goos: "linux",
		old: `{_SigNotify + _SigUnblock, "SIGPROF: profiling alarm clock"}`,
		new: `{_SigNotify, "SIGPROF: profiling alarm clock"}`,
	},
	{ // musl keeps this one for itself; with glibc it is the host's SIGRTMIN.
		file: "sigtab_linux_generic.go", goos: "linux", libc: "glibc",
		old: `{_SigSetStack + _SigUnblock, "signal 34"}`,
		new: `{_SigSetStack, "signal 34"}`,
	},
	// The runtime reads no environment: GODEBUG makes it print, and a malformed
	// GOMEMLIMIT ends the process. The variables are meant for other programs.
	{
		file: "runtime1.go",
		old: `	n := int32(0)
	for argv_index(argv, argc+1+n) != nil {
		n++
	}

	envs = make([]string, n)
`,
		new: `	n := int32(0)

	envs = make([]string, n)
`,
	},
	{
		file: "proc.go",
		old: `		n := int32(0)
		for argv_index(argv, argc+1+n) != nil {
			n++
		}
`,
		new: `		n := int32(0)
`,
	},
	{
		file: "os_windows.go", goos: "windows",
		old: `	envs = make([]string, n)
`,
		new: `	envs = make([]string, n)[:0]
`,
	},
	// musl calls constructors without the program's arguments, behind which the runtime
	// looks for the auxiliary vector. Where there is none it reads /proc/self/auxv.
	{
		file: "runtime1.go", goos: "linux", libc: "musl",
		old: `func args(c int32, v **byte) {
	argc = c
	argv = v
	sysargs(c, v)
`,
		new: `var noArguments [2]*byte // the end of the environment and the end of the vector

func args(c int32, v **byte) {
	argv = &noArguments[0]
	sysargs(-1, argv)
`,
	},
	// A thread of the host that ends keeps the signal mask and the signal stack that it
	// has, not those of its first call.
	{
		file: "proc.go",
		old: `	sigmask := mp.sigmask
	sigblock(false)
	unminit()

	setg(nil)
`,
		new: `	var sigmask sigset
	sigsave(&sigmask)
	sigblock(false)
	unminit()

	setg(nil)
`,
	},
	{
		file: "signal_unix.go", goos: "linux",
		old: `	if getg().m.newSigstack {
		st := stackt{ss_flags: _SS_DISABLE}
		sigaltstack(&st, nil)
	} else {
`,
		new: `	if getg().m.newSigstack {
		var st stackt
		sigaltstack(nil, &st)
		if uintptr(unsafe.Pointer(st.ss_sp)) == getg().m.gsignal.stack.lo {
			st = stackt{ss_flags: _SS_DISABLE}
			sigaltstack(&st, nil)
		}
	} else {
`,
	},
	// A short call leaves the signal stack of the host's thread alone (capi/thread.c). A handler
	// of the host may run on the goroutine's stack then, which is made large and stays so.
	{
		file: "proc.go", goos: "linux",
		old: `	gp := malg(4096)
	gp.sched.pc = abi.FuncPCABI0(goexit) + sys.PCQuantum
`,
		new: `	gp := malg(65536)
	gp.sched.pc = abi.FuncPCABI0(goexit) + sys.PCQuantum
`,
	},
	{
		file: "stack.go", goos: "linux",
		old: `	if debug.gcshrinkstackoff > 0 {
		return
	}
`,
		new: `	if debug.gcshrinkstackoff > 0 || gp.lockedm != 0 && gp.lockedm.ptr().isextra {
		return
	}
`,
	},
	{
		file: "signal_unix.go", goos: "linux",
		old: `	if sp >= mp.g0.stack.lo && sp < mp.g0.stack.hi {
`,
		new: `	if gp := mp.curg; gp != nil && mp.isextra && sp >= gp.stack.lo && sp < gp.stack.hi {
		st := stackt{ss_size: gp.stack.hi - gp.stack.lo}
		setSignalstackSP(&st, gp.stack.lo)
		setGsignalStack(&st, gsigStack)
		return true
	} else if sp >= mp.g0.stack.lo && sp < mp.g0.stack.hi {
`,
	},
	// A crash of the host is the host's, also inside a callback: without a handler
	// of the host the process ends by the signal itself, and the runtime prints
	// nothing. A signal that a process sent is no fault of the library either.
	{
		file: "signal_unix.go", goos: "linux",
		old: `	// If there is no handler to forward to, no need to forward.
	if fwdFn == _SIG_DFL {
		return false
	}

	c := &sigctxt{info, ctx}
	// Only forward synchronous signals and SIGPIPE.
	// Unfortunately, user generated SIGPIPEs will also be forwarded, because si_code
	// is set to _SI_USER even for a SIGPIPE raised from a write to a closed socket
	// or pipe.
	if (c.sigFromUser() || flags&_SigPanic == 0) && sig != _SIGPIPE {
		return false
	}
`,
		new: `	c := &sigctxt{info, ctx}
	sent := c.sigFromUser()
	if !sent && flags&_SigPanic == 0 && sig != _SIGPIPE {
		return false
	}
`,
	},
	{
		file: "signal_unix.go", goos: "linux",
		old: `	if gp != nil && gp.m != nil && gp.m.curg != nil && !gp.m.isExtraInC && !gp.m.incgo {
		return false
	}

	// Signal not handled by Go, forward it.
	if fwdFn != _SIG_IGN {
`,
		new: `	if !sent && gp != nil && gp.m != nil && gp.m.curg != nil && !gp.m.isExtraInC && !gp.m.incgo {
		return false
	}

	if fwdFn == _SIG_DFL {
		// What faulted runs again when the handler has returned, and ends the process.
		setsig(sig, _SIG_DFL)
		if sent {
			dieFromSignal(sig)
		}
		return true
	}
	// Signal not handled by Go, forward it.
	if fwdFn != _SIG_IGN {
`,
	},
	// A fault inside the runtime itself, which nothing can contain, ends the process on the
	// thread at fault. No other thread is sent SIGQUIT, which a host may handle.
	{
		file: "signal_unix.go", goos: "linux",
		old: `	if docrash {
		var crashSleepMicros uint32 = 5000
`,
		new: `	if docrash {
		crash()
		var crashSleepMicros uint32 = 5000
`,
	},
	// No thread wakes a host at rest: the runtime's monitor would wake every
	// minute to see whether the collection of every two minutes is due. The
	// growth of the heap alone asks for a collection here.
	{
		file: "proc.go",
		old: `var forcegcperiod int64 = 2 * 60 * 1e9
`,
		new: `var forcegcperiod int64 = 1 << 61 // 73 years
`,
	},
	// Nothing in the library decompresses a stranger's file. No section whose content is
	// read may be compressed (core/internal/image).
	{
		dir: "debug/elf", file: "file.go",
		old: `	"compress/zlib"
`,
	},
	{
		dir: "debug/elf", file: "file.go",
		old: `	"internal/zstd"
`,
	},
	{
		dir: "debug/elf", file: "file.go",
		old: `		zrd = zlib.NewReader

	} else if`,
		new: `
	} else if`,
	},
	{
		dir: "debug/elf", file: "file.go",
		old: `	case COMPRESS_ZLIB:
		zrd = zlib.NewReader
	case COMPRESS_ZSTD:
		zrd = func(r io.Reader) (io.ReadCloser, error) {
			return io.NopCloser(zstd.NewReader(r)), nil
		}
`,
	},
}

// overlay writes the patched copies of the runtime's files into dir and returns
// the file that "go build -overlay" takes. The copies are made of the installed
// Go's own source. A patch that does not match exactly once is an error: this
// version of Go differs from those that the patch was written for.
func overlay(goroot, goos, libc, dir string) (string, error) {
	replace := map[string]string{}
	for _, p := range patches {
		if p.goos != "" && p.goos != goos || p.libc != "" && p.libc != libc {
			continue
		}
		original := p.original(goroot)
		text, err := p.apply(original, cmp.Or(replace[original], original))
		if err != nil {
			return "", fmt.Errorf("patching Go's runtime: %w", err)
		}
		replace[original] = filepath.Join(dir, p.file)
		if err := os.WriteFile(replace[original], []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, list, 0o644)
}

// apply returns the text of a file of Go's, which is read from a copy, with the patch.
func (p *patch) apply(original, from string) (string, error) {
	text, err := os.ReadFile(from)
	if p.old == "" {
		if err == nil {
			return "", fmt.Errorf("%s is there already; give the file in capi/mklib another name", original)
		}
		return p.new, nil
	}
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), p.old); n != 1 {
		return "", fmt.Errorf("%s must contain the following text once, but contains it %d times; "+
			"adapt the patch in capi/mklib to this version of Go, or use the version that go.mod names:\n%s",
			original, n, p.old)
	}
	return strings.Replace(string(text), p.old, p.new, 1), nil
}

// goTool is the go command to build with, and its arguments and environment.
type goTool struct {
	path    string
	overlay string   // what -overlay takes
	env     []string // beside the process's own
}

// patchedGo is the installed Go with patches; what it needs is written to dir.
func patchedGo(c config, dir string) (goTool, error) {
	goroot, err := goEnv(c.root, "GOROOT")
	if err != nil {
		return goTool{}, err
	}
	g := goTool{path: filepath.Join(goroot, "bin", "go")}
	// A Go that another one has fetched lies among the modules, where go build
	// allows no overlay. By another path it does not.
	if goroot, err = outsideModules(c, goroot, dir); err != nil {
		return goTool{}, err
	}
	g.env = []string{"GOROOT=" + goroot, "GOTOOLCHAIN=local"}
	libc, err := libcOf(c, dir)
	if err != nil {
		return goTool{}, err
	}
	g.overlay, err = overlay(goroot, c.goos, libc, dir)
	return g, err
}

// outsideModules is a path of goroot that is not below the module cache.
func outsideModules(c config, goroot, dir string) (string, error) {
	modules, err := goEnv(c.root, "GOMODCACHE")
	if err != nil {
		return "", err
	}
	if inside, err := filepath.Rel(modules, goroot); err != nil || !filepath.IsLocal(inside) {
		return goroot, nil
	}
	link := filepath.Join(dir, "go")
	return link, os.Symlink(goroot, link)
}

// libcOf is the C library of Linux that the C compiler builds for, "glibc" or
// "musl", which alone has no macro of its own; "" on other systems. Cross compilers
// differ in what they tell of themselves, but each has the library's headers.
func libcOf(c config, dir string) (string, error) {
	if c.goos != "linux" {
		return "", nil
	}
	cc, err := compiler(c)
	if err != nil {
		return "", err
	}
	flags, err := goEnv(c.root, "CGO_CFLAGS")
	if err != nil {
		return "", err
	}
	options, err := split(flags)
	if err != nil {
		return "", fmt.Errorf("go env CGO_CFLAGS: %w", err)
	}
	probe := filepath.Join(dir, "libc.c")
	if err := os.WriteFile(probe, []byte("#include <stdlib.h>\n#ifdef __GLIBC__\nlibc_is_glibc\n#endif\n"), 0o644); err != nil {
		return "", err
	}
	args := append(append(cc[1:], options...), "-E", probe)
	cmd := exec.Command(cc[0], args...)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", cc[0], strings.Join(args, " "), err)
	}
	if strings.Contains(string(text), "libc_is_glibc") {
		return "glibc", nil
	}
	return "musl", nil
}

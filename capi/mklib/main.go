// SPDX-License-Identifier: MIT

// Command mklib builds the library from the capi package. It is the only place
// that knows how: the Makefile, CMake and the Python build all call it.
//
//	go run ./capi/mklib -out build/lib [-release] [-static] [-asan] [-race] [-tags list] [-q]
//
// On Linux it writes libhotreload.so.X.Y.Z with the links libhotreload.so.X and
// libhotreload.so, on macOS libhotreload.X.dylib with the link libhotreload.dylib,
// on Windows hotreload.dll with the import libraries libhotreload.dll.a (MinGW) and
// hotreload.lib (MSVC); with -static libhotreload.a. The version comes from
// include/hot_reload_manager.h. On Windows DLLTOOL is honoured, too.
// GOOS, GOARCH, CC and GOFLAGS of the environment are honoured; for another
// system, `go build` mklib first, because `go run` would build it for that one.
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

type config struct {
	root    string // the module's root directory
	header  string // the public header
	out     string // where the library goes, absolute
	pkg     string // the package to build
	goos    string // the target, not the machine mklib runs on
	tags    string // build tags; the tests' own
	release bool
	static  bool
	asan    bool
	race    bool
	quiet   bool
}

func main() {
	out := flag.String("out", "build/lib", "directory the library is written to")
	release := flag.Bool("release", false, "strip symbols and debug information")
	static := flag.Bool("static", false, "make a static archive instead of a shared library")
	asan := flag.Bool("asan", false, "instrument for AddressSanitizer (the host must be, too)")
	race := flag.Bool("race", false, "build with Go's race detector")
	tags := flag.String("tags", "", "build tags, as go build takes them")
	pkg := flag.String("pkg", "./capi", "package to build, as go build takes it from the module's root")
	quiet := flag.Bool("q", false, "do not print the path of what was built")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./capi/mklib [-out dir] [-release] [-static] [-asan] [-race] [-tags list] [-q]")
		flag.PrintDefaults()
	}
	flag.Parse()
	err := fmt.Errorf("unexpected argument %q", flag.Arg(0))
	if flag.NArg() == 0 {
		err = run(config{out: *out, pkg: *pkg, tags: *tags, release: *release, static: *static, asan: *asan, race: *race, quiet: *quiet}, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mklib:", err)
		os.Exit(1)
	}
}

func run(c config, stdout io.Writer) error {
	var err error
	if c.root, err = moduleRoot(); err != nil {
		return err
	}
	if c.goos, err = goEnv(c.root, "GOOS"); err != nil {
		return err
	}
	if c.out, err = filepath.Abs(c.out); err != nil {
		return err
	}
	c.header = filepath.Join(c.root, "include", "hot_reload_manager.h")
	v, err := readVersion(c.header)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.out, 0o755); err != nil {
		return err
	}
	n := namesFor(c.goos, c.static, v)
	if err := build(c, n); err != nil {
		return err
	}
	for _, l := range n.links {
		if err := symlink(l.target, filepath.Join(c.out, l.name)); err != nil {
			return err
		}
	}
	if !c.quiet {
		fmt.Fprintln(stdout, filepath.Join(c.out, n.file))
	}
	return noteMusl(c)
}

// noteMusl says on stderr what nobody expects of a shared library. The linker of musl
// says it in words that few understand.
func noteMusl(c config) error {
	dir, err := os.MkdirTemp("", "mklib-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	libc, err := libcOf(c, dir)
	if err == nil && libc == "musl" && !c.static && !c.quiet {
		fmt.Fprintln(os.Stderr, "mklib: musl cannot load this library with dlopen(); link programs to it, or start them with "+
			"it in LD_PRELOAD (docs/packaging.md)")
	}
	return err
}

// build compiles into a scratch directory beside the result and renames, so
// that a host that has the former library mapped keeps an intact one and an
// interrupted build leaves nothing half-written.
func build(c config, n names) error {
	scratch, err := os.MkdirTemp(c.out, ".mklib-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)

	// Go's own build ID depends on these flags and with them on directories;
	// without it the same source gives the same bytes everywhere.
	// Goroutines are not preempted by signals: none of the library's run long
	// without a call, and a signal would interrupt the host's system calls.
	finish := func() error { return nil }
	ld, mode := []string{"-buildid=", "-X=runtime.godebugDefault=asyncpreemptoff=1"}, "-buildmode=c-archive"
	if !c.static {
		// Not in scratch: flags are quoted, and the path of c.out may hold what cannot be.
		lists, err := os.MkdirTemp("", "mklib-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(lists)
		ext, err := linkerFlags(c, n, lists)
		if err != nil {
			return err
		}
		quoted, err := quote(ext)
		if err != nil {
			return err
		}
		ld, mode = append(ld, "-extldflags", quoted), "-buildmode=c-shared"
		if n.importGNU != "" {
			finish = func() error { return importLibraries(c, n, lists) }
		}
	}
	if c.release {
		ld = append([]string{"-s", "-w"}, ld...)
	}
	// GOFLAGS come before the command line's flags: a distribution's
	// -buildmode=pie in there loses against this one.
	patched, err := patchedGo(c, scratch)
	if err != nil {
		return err
	}
	args := []string{"build", "-trimpath", "-buildvcs=false", "-overlay=" + patched.overlay}
	if c.asan {
		args = append(args, "-asan")
	}
	if c.race {
		args = append(args, "-race")
	}
	if c.tags != "" {
		args = append(args, "-tags="+c.tags)
	}
	tmp := filepath.Join(scratch, n.file)
	args = append(args, "-ldflags="+strings.Join(ld, " "), mode, "-o", tmp, c.pkg)

	if err := command(c, patched.env, patched.path, args...); err != nil {
		return err
	}
	mask := os.FileMode(0o755)
	if c.static {
		mask = 0o644
		if err := hideSymbols(c, tmp); err != nil {
			return err
		}
	}
	if err := finish(); err != nil {
		return err
	}
	// go build also writes a C header; the hand-written one is the contract and
	// that one goes away with the scratch directory.
	if err := os.Chmod(tmp, mask); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(c.out, n.file))
}

// command runs a tool in the module's root, with these variables in its
// environment beside the process's own.
func command(c config, env []string, name string, args ...string) error {
	flags, err := cgoFlags(c)
	if err != nil {
		return err
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = c.root
	// C compilers translate names in debug information.
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=1", "CGO_CFLAGS="+flags, "LC_ALL=C"), env...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

// cgoFlags are the flags of the C compiler with the headers' digest among them:
// Go's build cache does not see files that C includes from other directories,
// and would go on using what was compiled with a former header.
func cgoFlags(c config) (string, error) {
	flags, err := goEnv(c.root, "CGO_CFLAGS")
	if err != nil {
		return "", err
	}
	headers, err := filepath.Glob(filepath.Join(filepath.Dir(c.header), "*.h"))
	if err != nil {
		return "", err
	}
	digest := sha256.New()
	for _, h := range headers {
		text, err := os.ReadFile(h)
		if err != nil {
			return "", err
		}
		digest.Write(text)
	}
	return fmt.Sprintf("%s -DHRM_HEADER_DIGEST=%x", flags, digest.Sum(nil)), nil
}

// symlink points link at target, replacing what is there in one step.
func symlink(target, link string) error {
	tmp := fmt.Sprintf("%s.%d.tmp", link, os.Getpid())
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, link); err != nil {
		os.Remove(tmp)
		return err
	}
	return nil
}

// moduleRoot is the directory of the go.mod above the working directory.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if mod == "" || mod == os.DevNull {
		return "", errors.New("the working directory is not inside the hotreload module")
	}
	return filepath.Dir(mod), nil
}

// goEnv is what the Go command takes for a variable: the environment's value,
// the one set by go env -w, or the default.
func goEnv(root, name string) (string, error) {
	cmd := exec.Command("go", "env", name)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go env %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

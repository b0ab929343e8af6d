// Command mklib builds the shared library from the capi package. It is the only
// place that knows how: the Makefile, CMake and the Python build all call it.
//
//	go run ./capi/mklib -out build/lib [-release] [-asan] [-q]
//
// On Linux it writes libhotreload.so.X.Y.Z with the links libhotreload.so.X and
// libhotreload.so, on macOS libhotreload.X.dylib with the link libhotreload.dylib,
// on Windows hotreload.dll. The version comes from include/hot_reload_manager.h.
// GOOS, GOARCH, CC and GOFLAGS of the environment are honoured.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

type config struct {
	root    string // the module's root directory
	out     string // where the library goes, absolute
	pkg     string // the package to build
	goos    string // the target, not the machine mklib runs on
	release bool
	asan    bool
	quiet   bool
}

func main() {
	out := flag.String("out", "build/lib", "directory the library is written to")
	release := flag.Bool("release", false, "strip symbols and debug information")
	asan := flag.Bool("asan", false, "instrument for AddressSanitizer (the host must be, too)")
	pkg := flag.String("pkg", "./capi", "package to build, as go build takes it from the module's root")
	quiet := flag.Bool("q", false, "do not print the path of what was built")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./capi/mklib [-out dir] [-release] [-asan] [-q]")
		flag.PrintDefaults()
	}
	flag.Parse()
	err := fmt.Errorf("unexpected argument %q", flag.Arg(0))
	if flag.NArg() == 0 {
		err = run(config{out: *out, pkg: *pkg, release: *release, asan: *asan, quiet: *quiet}, os.Stdout)
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
	if c.goos, err = targetOS(c.root); err != nil {
		return err
	}
	if c.out, err = filepath.Abs(c.out); err != nil {
		return err
	}
	v, err := readVersion(filepath.Join(c.root, "include", "hot_reload_manager.h"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.out, 0o755); err != nil {
		return err
	}
	n := namesFor(c.goos, v)
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
	return nil
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

	ext, err := linkerFlags(c, n, scratch)
	if err != nil {
		return err
	}
	// Go's own build ID depends on these flags and with them on directories;
	// without it the same source gives the same bytes everywhere.
	ld := []string{"-buildid=", "-extldflags", quote(ext)}
	if c.release {
		ld = append([]string{"-s", "-w"}, ld...)
	}
	// GOFLAGS come before the command line's flags: a distribution's
	// -buildmode=pie in there loses against this one.
	args := []string{"build", "-trimpath", "-buildvcs=false"}
	if c.asan {
		args = append(args, "-asan")
	}
	tmp := filepath.Join(scratch, n.file)
	args = append(args, "-ldflags="+strings.Join(ld, " "), "-buildmode=c-shared", "-o", tmp, c.pkg)

	cmd := exec.Command("go", args...)
	cmd.Dir = c.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	// go build also writes a C header; the hand-written one is the contract and
	// that one goes away with the scratch directory.
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(c.out, n.file))
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

func targetOS(root string) (string, error) {
	cmd := exec.Command("go", "env", "GOOS")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go env GOOS: %w", err)
	}
	if s := strings.TrimSpace(string(out)); s != "" {
		return s, nil
	}
	return runtime.GOOS, nil
}

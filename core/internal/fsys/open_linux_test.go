// SPDX-License-Identifier: MIT

package fsys

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/testns"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// opens counts how often what stands at a path is opened from now on, whatever names it
// is given.
func opens(t *testing.T, path string) (count func() int) {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	must(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	_, err = unix.InotifyAddWatch(fd, path, unix.IN_OPEN)
	must(t, err)
	return func() (n int) {
		buf := make([]byte, 4096)
		for {
			k, err := unix.Read(fd, buf)
			if err != nil {
				return n
			}
			for at := 0; at < k; n++ {
				at += unix.SizeofInotifyEvent + int((*unix.InotifyEvent)(unsafe.Pointer(&buf[at])).Len)
			}
		}
	}
}

// each is every way in which this package reads a file.
var each = map[string]func(path string) error{
	"Open": func(path string) error {
		f, err := OS{}.Open(path)
		if err == nil {
			err = f.Close()
		}
		return err
	},
	"OpenRegular": func(path string) error {
		f, _, err := OpenRegular(path)
		if err == nil {
			err = f.Close()
		}
		return err
	},
	"HashFile": func(path string) error {
		_, _, err := HashFile(path, func() bool { return false })
		return err
	},
	"MayRead": OS{}.MayRead,
}

// Opening alone wakes who waits to write to a FIFO, and may rewind a tape.
func TestWhatIsNoRegularFileIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	fifo, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "link")
	must(t, errors.Join(unix.Mkfifo(fifo, 0o600), os.Symlink(fifo, link)))
	opened := opens(t, fifo)
	for what, read := range each {
		for _, path := range []string{fifo, link} {
			err := read(path)
			if n := opened(); n != 0 {
				t.Errorf("%s opens %s %d times", what, path, n)
			}
			if what != "MayRead" && !errors.Is(err, ErrNotRegular) {
				t.Errorf("%s of %s: %v", what, path, err)
			}
		}
	}
	for _, path := range []string{dir, "/dev/zero"} {
		if _, _, err := OpenRegular(path); !errors.Is(err, ErrNotRegular) {
			t.Errorf("%s: %v", path, err)
		}
	}
	// The test itself would notice.
	fd, err := unix.Open(fifo, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	must(t, err)
	must(t, unix.Close(fd))
	if n := opened(); n != 1 {
		t.Fatalf("an open FIFO is counted %d times", n)
	}
}

// Whoever may write to the directory exchanges file and FIFO all the time.
func TestAFIFOThatIsExchangedForTheFileIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	must(t, errors.Join(os.WriteFile(file, []byte("content"), 0o600), unix.Mkfifo(fifo, 0o600)))
	opened := opens(t, fifo)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, file, unix.AT_FDCWD, fifo, unix.RENAME_EXCHANGE)
			}
		}
	}()
	read, rejected := 0, 0
	for range 20000 {
		f, _, err := OpenRegular(file)
		if err != nil {
			if !errors.Is(err, ErrNotRegular) {
				t.Fatal(err)
			}
			rejected++
			continue
		}
		text, err := io.ReadAll(f)
		must(t, errors.Join(err, f.Close()))
		if string(text) != "content" {
			t.Fatalf("read %q", text)
		}
		read++
	}
	close(stop)
	<-stopped
	if n := opened(); n != 0 || read == 0 || rejected == 0 {
		t.Errorf("the FIFO was opened %d times; the file was read %d times, the FIFO found %d times", n, read, rejected)
	}
}

func TestAFileIsReadWithoutProc(t *testing.T) {
	if !testns.InNamespace(t, t.Name()) {
		return
	}
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	must(t, errors.Join(os.WriteFile(file, []byte("content"), 0o600), unix.Mkfifo(fifo, 0o600)))
	must(t, unix.Mount("tmpfs", "/proc", "tmpfs", 0, ""))
	defer func() { must(t, unix.Unmount("/proc", unix.MNT_DETACH)) }()
	if _, err := os.Stat("/proc/self"); err == nil {
		t.Fatal("/proc is there")
	}
	opened := opens(t, fifo)
	if size, _, err := HashFile(file, func() bool { return false }); err != nil || size != 7 {
		t.Errorf("%d bytes, %v", size, err)
	}
	if _, _, err := OpenRegular(fifo); !errors.Is(err, ErrNotRegular) || opened() != 0 {
		t.Errorf("a FIFO: %v", err)
	}
}

// What the error says is of the path that the caller has given.
func TestErrorsOfOpeningNameThePath(t *testing.T) {
	dir := t.TempDir()
	closed := filepath.Join(dir, "closed")
	must(t, os.WriteFile(closed, nil, 0o000))
	for path, want := range map[string]error{filepath.Join(dir, "missing"): fs.ErrNotExist, filepath.Join(closed, "below"): unix.ENOTDIR, closed: fs.ErrPermission} {
		if path == closed && os.Geteuid() == 0 {
			continue // root may read it
		}
		_, _, err := OpenRegular(path)
		var of *fs.PathError
		if !errors.Is(err, want) || !errors.As(err, &of) || of.Path != path {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestOpeningKeepsNoDescriptor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	lowest := func() int {
		fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
		must(t, err)
		must(t, unix.Close(fd))
		return fd
	}
	before := lowest()
	for _, path := range []string{file, filepath.Dir(file), file + ".missing"} {
		for _, read := range each {
			_ = read(path)
		}
	}
	if after := lowest(); after != before {
		t.Errorf("the next descriptor is %d, it was %d", after, before)
	}
}

// SPDX-License-Identifier: MIT

package verify

import (
	"errors"
	"io"
	"os"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/printable"
)

// What is read of a file that others may have made. What is larger is rejected.
const (
	maxAllowList = 16 << 20 // the sums of 200,000 files
	maxSignature = 64 << 10 // minisign's have less than 10 kB
	maxLegacy    = 16 << 20 // of a plugin that must be in memory to be verified
)

// ErrExchanged says that another file stands at a path than the one that was opened
// there a moment ago.
var ErrExchanged = errors.New("the file was exchanged while it was opened")

// Opened says why an open file must not be read: a *Rejection if the modes are
// strict and others could exchange the file or write to it, or ErrExchanged. The
// question concerns the file that was opened, whatever stands at its path by then.
func (p *Policy) Opened(f *os.File) error {
	why, err := p.exchangeable(f)
	if why != "" {
		return RejectForNow("others could exchange the file: %s", why)
	}
	return err
}

// exchangeable says who else could exchange an open file or write to it; "" if
// nobody could. First its path is examined, then whether that path leads to the
// file: as long as the path is strict, only the user and root can change where it leads.
func (p *Policy) exchangeable(f *os.File) (why string, err error) {
	if p.Strict == nil {
		return "", nil
	}
	if why := p.Strict(f.Name()); why != "" {
		return why, nil
	}
	if why := strictFile(f); why != "" {
		return why, nil
	}
	opened, err := f.Stat()
	if err != nil {
		return "", err
	}
	if there, err := os.Stat(f.Name()); err != nil || !os.SameFile(opened, there) {
		return "", ErrExchanged
	}
	return "", nil
}

// openEvidence opens a file that others may have made: it waits for nothing, and
// what is no file is not opened. If the modes are strict, nobody else may be able to
// exchange it (a *Rejection). No error quotes its content, which may be that of another
// file: the path may be a link that a stranger has made.
func (p *Policy) openEvidence(what, path string) (*os.File, error) {
	for try := 0; ; try++ {
		f, _, err := fsys.OpenRegular(path)
		if errors.Is(err, fsys.ErrNotRegular) {
			err = printable.Errorf("%q is no regular file", path)
		}
		if err != nil {
			return nil, err
		}
		why, err := p.exchangeable(f)
		if why == "" && err == nil {
			return f, nil
		}
		_ = f.Close()
		switch {
		case why != "":
			return nil, RejectForNow("others could exchange the %s: %s", what, why)
		case errors.Is(err, ErrExchanged) && try < 2: // by its owner
		default:
			return nil, RejectForNow("the %s %q: %v", what, path, err)
		}
	}
}

// unreadable is why a version is rejected whose evidence cannot be read.
func unreadable(what string, err error) error {
	if _, ok := errors.AsType[*Rejection](err); ok || errors.Is(err, fsys.ErrStopped) {
		return err
	}
	return Reject("the %s cannot be read: %v", what, err)
}

// readAll reads a file that has no more than so many bytes.
func readAll(f *os.File, most int, stopped func() bool) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(&stoppable{f, stopped}, int64(most)+1))
	if err == nil && len(text) > most {
		err = tooLarge(f, most)
	}
	return text, err
}

func tooLarge(f *os.File, most int) error {
	return printable.Errorf("%q is larger than %d bytes", f.Name(), most)
}

// stoppable reads until it is stopped.
type stoppable struct {
	f interface {
		io.Reader
		io.ReaderAt
	}
	stopped func() bool
}

func (s *stoppable) Read(b []byte) (int, error) {
	if s.stopped() {
		return 0, fsys.ErrStopped
	}
	return s.f.Read(b)
}

func (s *stoppable) ReadAt(b []byte, off int64) (int, error) {
	if s.stopped() {
		return 0, fsys.ErrStopped
	}
	return s.f.ReadAt(b, off)
}

// SPDX-License-Identifier: MIT

package verify

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"path/filepath"
	"slices"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/printable"
)

// checkAllowList rejects files whose SHA-256 is not listed, or listed for other names
// only if the names count.
func (p *Policy) checkAllowList(files []File, stopped func() bool) error {
	f, err := p.openEvidence("allow-list", p.AllowList)
	if _, ok := errors.AsType[*Rejection](err); ok {
		return err
	}
	if err != nil {
		return &Rejection{Why: printable.Sprintf("the allow-list: %v", err), Passing: p.Strict != nil}
	}
	defer f.Close()
	// Only the sums that are asked for are kept, so that a long list takes no memory.
	wanted := map[fsys.Hash]*found{}
	for _, f := range files {
		if wanted[f.Hash] == nil {
			wanted[f.Hash] = &found{}
		}
		wanted[f.Hash].files = append(wanted[f.Hash].files, fileName(f))
	}
	// One byte more than is allowed, to notice that there is more.
	rest := &io.LimitedReader{R: &stoppable{f, stopped}, N: maxAllowList + 1}
	err = eachSum(rest, func(h fsys.Hash, line []byte) {
		if w := wanted[h]; w != nil {
			w.note(line)
		}
	})
	switch {
	case errors.Is(err, fsys.ErrStopped):
		return err
	case rest.N == 0:
		return Reject("the allow-list: %v", tooLarge(f, maxAllowList))
	case err != nil:
		return Reject("the allow-list %q: %v", p.AllowList, err)
	}
	for _, f := range files {
		w := wanted[f.Hash]
		switch {
		case !w.listed:
			return Reject("%s (SHA-256 %x) is not in the allow-list %q", f.Name, f.Hash, p.AllowList)
		case p.ListNames && !slices.Contains(w.named, fileName(f)):
			return Reject("the allow-list %q has the SHA-256 of %s (%x), but not for a file of this name", p.AllowList, f.Name, f.Hash)
		}
	}
	return nil
}

// found is what the list says of a sum that is asked for.
type found struct {
	files  []string // the names of the files that have it
	listed bool
	named  []string // those of files that it is listed for
}

// note takes a line of the list into account.
func (w *found) note(line []byte) {
	w.listed = true
	_, name, err := parseSum(line)
	if err != nil {
		return // the sum alone
	}
	if name = path.Base(name); slices.Contains(w.files, name) && !slices.Contains(w.named, name) {
		w.named = append(w.named, name)
	}
}

// fileName is the last part of a file's name, which is what counts in a list: it may
// have been written in any directory.
func fileName(f File) string { return path.Base(filepath.ToSlash(f.Name)) }

// eachSum calls do with each sum in what sha256sum writes, and its line.
func eachSum(r io.Reader, do func(h fsys.Hash, line []byte)) error {
	lines := bufio.NewScanner(r) // a line has at most 64 KiB, a path at most 4 or 32
	n := 1
	for ; lines.Scan(); n++ {
		line := bytes.TrimRight(bytes.TrimLeft(lines.Bytes(), " \t"), "\r")
		sum := bytes.TrimSpace(line)
		if i := bytes.IndexAny(sum, " \t"); i >= 0 {
			sum = sum[:i]
		}
		if len(sum) == 0 || sum[0] == '#' {
			continue
		}
		// sha256sum puts a backslash before a hash whose file has an unusual name.
		sum = bytes.TrimPrefix(sum, []byte(`\`))
		var h fsys.Hash
		if len(sum) != hex.EncodedLen(len(h)) {
			return errNoSum(n)
		}
		if _, err := hex.Decode(h[:], sum); err != nil {
			return errNoSum(n)
		}
		do(h, line)
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return printable.Errorf("line %d is longer than %d bytes; write the list with sha256sum", n, bufio.MaxScanTokenSize)
	}
	return lines.Err()
}

// errNoSum does not quote the line: it may be of a file that is nobody's business.
func errNoSum(line int) error {
	return printable.Errorf("line %d does not begin with a SHA-256 in hexadecimal (64 digits); write the list with sha256sum", line)
}

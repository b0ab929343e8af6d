// SPDX-License-Identifier: MIT

package verify

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/printable"
)

// checkAllowList rejects files whose SHA-256 is not listed.
func (p *Policy) checkAllowList(files []File, stopped func() bool) error {
	f, err := p.openAllowList()
	if err != nil {
		return err
	}
	defer f.Close()
	// Only the sums that are asked for are kept, so that a long list takes no memory.
	listed := map[fsys.Hash]bool{}
	for _, f := range files {
		listed[f.Hash] = false
	}
	// One byte more than is allowed, to notice that there is more.
	rest := &io.LimitedReader{R: &stoppable{f, stopped}, N: maxAllowList + 1}
	err = eachSum(rest, func(h fsys.Hash) {
		if _, wanted := listed[h]; wanted {
			listed[h] = true
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
		if !listed[f.Hash] {
			return Reject("%s (SHA-256 %x) is not in the allow-list %q", f.Name, f.Hash, p.AllowList)
		}
	}
	return nil
}

// eachSum calls do with each sum in what sha256sum writes.
func eachSum(r io.Reader, do func(fsys.Hash)) error {
	lines := bufio.NewScanner(r) // a line has at most 64 KiB, a path at most 4 or 32
	n := 1
	for ; lines.Scan(); n++ {
		sum := bytes.TrimSpace(lines.Bytes())
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
		do(h)
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

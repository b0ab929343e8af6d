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
)

// openEvidence opens a file that others may have made: it waits for nothing, and
// what is no file is not read.
func openEvidence(path string) (*os.File, error) {
	f, _, err := fsys.OpenRegular(path)
	if errors.Is(err, fsys.ErrNotRegular) {
		err = printable.Errorf("%q is no regular file", path)
	}
	return f, err
}

// readEvidence reads a file that has no more than so many bytes.
func readEvidence(path string, most int) ([]byte, error) {
	f, err := openEvidence(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, most)
}

// readAll reads a file that has no more than so many bytes.
func readAll(f *os.File, most int) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err == nil && len(text) > most {
		err = printable.Errorf("%q is larger than %d bytes", f.Name(), most)
	}
	return text, err
}

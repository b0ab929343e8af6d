package core

import (
	"io"

	"github.com/qtforge/hotreload/core/internal/image"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// checkImage says why the file is not a complete image for this machine; nil if it is one.
func checkImage(path string) error { return withFile(path, image.Check) }

// missingSymbols returns those of names that the image at path does not export.
func missingSymbols(path string, names []string) (missing []string, err error) {
	err = withFile(path, func(r io.ReaderAt, size int64) (err error) {
		if missing, err = image.Missing(r, size, names); err != nil {
			return reject("its exported symbols cannot be read: %v", err)
		}
		return nil
	})
	return missing, err
}

// withFile lets do read the file at path.
func withFile(path string, do func(r io.ReaderAt, size int64) error) error {
	f, in, err := fsys.OpenRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return do(f, in.Fingerprint.Size)
}

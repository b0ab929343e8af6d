// SPDX-License-Identifier: MIT

//go:build unix

package record

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncDir makes a rename outlive a crash of the system, where the file system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

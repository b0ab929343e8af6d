// SPDX-License-Identifier: MIT

//go:build unix

package fsys

import "golang.org/x/sys/unix"

const directoryOnly = unix.O_DIRECTORY

// SPDX-License-Identifier: MIT

//go:build !linux && !windows

package fsys

// Writer: these systems do not say who holds a file open for writing, so that the
// quiet period alone decides.
func (f osFile) Writer() Writer { return WriterUnknown }

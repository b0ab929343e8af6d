// SPDX-License-Identifier: MIT

package fsys

import "fmt"

// Process is a process that holds a file open for writing.
type Process struct {
	PID     int
	Program string // its name, as it says itself; "" if it may not be read
}

func (p Process) String() string {
	if p.Program == "" {
		return fmt.Sprintf("process %d", p.PID)
	}
	return fmt.Sprintf("process %d (%s)", p.PID, p.Program)
}

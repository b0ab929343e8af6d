// SPDX-License-Identifier: MIT

package deliver

// signal has no descriptor here: Windows hosts use the wakeup callback.
type signal struct{ fd int }

func newSignal() (signal, error) { return signal{fd: -1}, nil }
func (signal) isOurs() bool      { return true }
func (signal) set(bool)          {}
func (signal) close()            {}

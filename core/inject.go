// SPDX-License-Identifier: MIT

//go:build panics

package core

import "github.com/qtforge/hotreload/core/internal/engine"

// PanicIn has the next access to the disk panic that happens inside a function whose
// name contains this. Only the build for tests of panics has it.
func PanicIn(function string) { engine.PanicIn(function) }

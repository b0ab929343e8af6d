// SPDX-License-Identifier: MIT

//go:build race

package main

// The race detector's own ThreadSanitizer has the functions of the host's (thread.c).

// #cgo CFLAGS: -DHRM_WITH_RACE_DETECTOR
import "C"

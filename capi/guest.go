// SPDX-License-Identifier: MIT

package main

// #include "bridge.h"
import "C"

func init() { C.hrmc_go_started() }

// SPDX-License-Identifier: MIT

// Package openmetrics writes the OpenMetrics text format, version 1.0.0, which Prometheus
// and its like read.
//
// A [Text] is written family by family, each with its samples. Text that comes from
// elsewhere is escaped, so that no label can end its line or its quotes. What a program
// decides itself, names and units, is not checked while it writes: [Family.Fault] says in
// a test what is wrong with it.
//
// The client libraries for Go measure as well and weigh many times as much as the C
// library may.
package openmetrics

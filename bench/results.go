// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"math"
	"slices"
)

// results is everything that was measured, as kept between runs.
type results struct {
	Ways    []score
	Latency []latencies
	Scale   []scaling
	Storm   []burst
	Noise   []burst
	Logs    []company
	Build   []company
	Objects int // of the build
	Load    []latencies

	Exchange []exchanging

	Idle  []rest
	Calls []call
	Size  sizes
}

// percentile of the values, NaN if there are none.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	v := slices.Sorted(slices.Values(values))
	return v[min(len(v)-1, int(float64(len(v))*p/100))]
}

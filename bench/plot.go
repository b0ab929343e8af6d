// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// bar is one line of a chart: a value, and optionally a larger one behind it.
type bar struct {
	label        string
	value, outer float64
	ours         bool
}

const (
	rowHeight  = 24
	labelWidth = 360
	plotWidth  = 420
	ourColour  = "#1a7f37"
	theirs     = "#8c959f"
)

// chart draws horizontal bars on a logarithmic axis as SVG. The background is
// set, so that it reads on dark pages too.
func chart(title, unit string, bars []bar) string {
	low, high := math.Inf(1), math.Inf(-1)
	for _, b := range bars {
		for _, v := range []float64{b.value, b.outer} {
			if v > 0 && !math.IsNaN(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if math.IsInf(low, 0) {
		low, high = 1, 10
	}
	from, to := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high*1.01))
	x := func(v float64) float64 {
		return labelWidth + plotWidth*(math.Log10(max(v, math.Pow(10, from)))-from)/max(to-from, 1)
	}
	width, height := labelWidth+plotWidth+110, rowHeight*len(bars)+70
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&s, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(&s, `<text x="12" y="22" font-size="15" font-weight="bold">%s</text>`+"\n", html.EscapeString(title))
	bottom := 40 + rowHeight*len(bars)
	for e := from; e <= to; e++ {
		at := x(math.Pow(10, e))
		fmt.Fprintf(&s, `<line x1="%.1f" y1="36" x2="%.1f" y2="%d" stroke="#d0d7de"/>`+"\n", at, at, bottom)
		fmt.Fprintf(&s, `<text x="%.1f" y="%d" text-anchor="middle" fill="#57606a">%s %s</text>`+"\n", at, bottom+16, number(math.Pow(10, e)), unit)
	}
	for i, b := range bars {
		y := 40 + rowHeight*i
		colour := theirs
		if b.ours {
			colour = ourColour
		}
		fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labelWidth-8, y+15, html.EscapeString(b.label))
		text := "–"
		if b.value > 0 {
			if b.outer > b.value {
				fmt.Fprintf(&s, `<rect x="%d" y="%d" width="%.1f" height="14" fill="%s" opacity="0.35"/>`+"\n", labelWidth, y+4, x(b.outer)-labelWidth, colour)
			}
			fmt.Fprintf(&s, `<rect x="%d" y="%d" width="%.1f" height="14" fill="%s"/>`+"\n", labelWidth, y+4, max(x(b.value)-labelWidth, 1), colour)
			text = number(b.value)
			if b.outer > b.value {
				text += " / " + number(b.outer)
			}
		}
		fmt.Fprintf(&s, `<text x="%.1f" y="%d">%s</text>`+"\n", x(max(b.value, b.outer, math.Pow(10, from)))+6, y+15, text)
	}
	s.WriteString("</svg>\n")
	return s.String()
}

// number with three digits that matter.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v == 0:
		return "0"
	case math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	case math.Abs(v) >= 1:
		return strings.TrimSuffix(fmt.Sprintf("%.2f", v), ".00")
	}
	return strings.TrimRight(fmt.Sprintf("%.3f", v), "0")
}

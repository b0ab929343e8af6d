// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// exchanging is what the host costs that exchanges versions.
type exchanging struct {
	Mode     string
	DirectNs []float64 // a call through a pointer, one figure a round
	PinnedNs []float64 // acquire, call, release
	Calls    int64     // made by one thread while versions were exchanged, in all rounds
	Refused  int64     // of these, those that found no version
	HeldMs   []float64 // the longest one of a round
}

// exchange exchanges a plugin of two versions, again and again, while a thread calls it.
func (b *bench) exchange() error {
	b.results.Exchange = nil
	dir := filepath.Join(b.scratch, "exchange")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	var versions []string
	for i := range 2 {
		source, library := fmt.Sprintf("%s/version%d.c", dir, i), fmt.Sprintf("%s/version%d.so", dir, i)
		if err := os.WriteFile(source, fmt.Appendf(nil, "int work(void) { return %d; }\n", i), 0o644); err != nil {
			return err
		}
		if out, err := exec.Command("cc", "-O2", "-shared", "-fPIC", source, "-o", library).CombinedOutput(); err != nil {
			return fmt.Errorf("cc: %w: %s", err, out)
		}
		versions = append(versions, library)
	}
	for _, mode := range []struct{ name, arg string }{{"side by side", "beside"}, {"exit first", "exit"}} {
		r := exchanging{Mode: mode.name}
		for range max(b.scaled(50)/10, 2) {
			out, err := exec.Command(filepath.Join(b.build, "bench", "exchange"), versions[0], versions[1], filepath.Join(dir, plugin), mode.arg, fmt.Sprint(b.scaled(100))).Output()
			if err != nil {
				return fmt.Errorf("exchange: %w", err)
			}
			var direct, pinned, longest float64
			var calls, refused int64
			if _, err := fmt.Sscanf(string(out), "direct %f pinned %f calls %d refused %d longest %f", &direct, &pinned, &calls, &refused, &longest); err != nil {
				return fmt.Errorf("exchange: %w: %q", err, out)
			}
			r.DirectNs, r.PinnedNs, r.HeldMs = append(r.DirectNs, direct), append(r.PinnedNs, pinned), append(r.HeldMs, longest/1e6)
			r.Calls, r.Refused = r.Calls+calls, r.Refused+refused
		}
		b.results.Exchange = append(b.results.Exchange, r)
		fmt.Printf("exchange %-14s a call %.1f ns, pinned %.1f ns; %d calls, %d without a version, the longest %.3f ms\n", r.Mode,
			percentile(r.DirectNs, 50), percentile(r.PinnedNs, 50), r.Calls, r.Refused, percentile(r.HeldMs, 50))
	}
	return nil
}

// SPDX-License-Identifier: MIT

//go:build unix

package engine

import "testing"

func TestMetricsFollowReportsRejectionsAndRollbacks(t *testing.T) {
	h := newSafe(t, Options{}, Safe{}, "v1")
	ev := h.change("v1")
	version := `hotreload_plugin_version_info{plugin="p",sha256="` + ev.SnapshotHash + `"}`
	has(t, metrics(t, h.m), map[string]string{version: "1", `hotreload_plugin_last_reload_successful{plugin="p"}`: "",
		`hotreload_plugin_good_generation{plugin="p"}`: "0", `hotreload_plugin_reloads_total{plugin="p",outcome="ok"}`: "0"})
	h.report(1, ReloadOK)
	h.report(1, ReloadOK) // is counted once
	samples := metrics(t, h.m)
	has(t, samples, map[string]string{`hotreload_plugin_last_reload_successful{plugin="p"}`: "1", `hotreload_plugin_good_generation{plugin="p"}`: "1",
		`hotreload_plugin_reloads_total{plugin="p",outcome="ok"}`: "1", `hotreload_reloads_total{outcome="ok"}`: "1", "hotreload_plugins_failing": "0"})
	succeeded := samples[`hotreload_plugin_last_reload_success_timestamp_seconds{plugin="p"}`]
	if succeeded == "" || samples[`hotreload_plugin_last_reload_timestamp_seconds{plugin="p"}`] != succeeded {
		t.Errorf("succeeded at %q", succeeded)
	}

	h.replace(h.file, "v2")
	second := h.change("v2")
	h.report(2, ReloadFailed)
	h.next(Rollback)
	h.report(1, ReloadOK) // the host is back at it, which is no success of the second
	samples = metrics(t, h.m)
	has(t, samples, map[string]string{`hotreload_plugin_last_reload_successful{plugin="p"}`: "0", `hotreload_plugin_good_generation{plugin="p"}`: "1",
		`hotreload_plugin_generation{plugin="p"}`: "2", `hotreload_plugin_reloads_total{plugin="p",outcome="failed"}`: "1",
		`hotreload_plugin_rollbacks_total{plugin="p"}`: "1", "hotreload_rollbacks_total": "1", "hotreload_plugins_failing": "1", version: "",
		`hotreload_plugin_version_info{plugin="p",sha256="` + second.SnapshotHash + `"}`: "1",
		`hotreload_plugin_last_reload_success_timestamp_seconds{plugin="p"}`:             succeeded})

	h.must(h.m.SetValidator(func(Candidate) error { return errBadImage }, nil))
	h.replace(h.file, "v3")
	h.next(Rejected)
	has(t, metrics(t, h.m), map[string]string{`hotreload_plugin_rejected_total{plugin="p"}`: "1", "hotreload_rejected_total": "1"})

	if _, err := h.m.Disable("p"); err != nil {
		t.Fatal(err)
	}
	has(t, metrics(t, h.m), map[string]string{"hotreload_plugins_failing": "0", `hotreload_plugin_state{plugin="p"}`: "",
		`hotreload_reloads_total{outcome="failed"}`: "1"})
}

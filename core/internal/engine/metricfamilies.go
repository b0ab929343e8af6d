// SPDX-License-Identifier: MIT

package engine

import (
	"encoding/hex"

	"github.com/qtforge/hotreload/core/internal/openmetrics"
)

// This file is which metrics there are. docs/metrics.md is their manual.

// family is one of them: of a manager (F = sums) or of each plugin (F = figures).
type family[F any] struct {
	openmetrics.Family
	write func(t *openmetrics.Text, f *F)
}

const (
	gauge   = openmetrics.Gauge
	counter = openmetrics.Counter
)

// sum is a family with one sample.
func sum[T bool | int | int64 | uint64](kind openmetrics.Type, name, help string, value func(*sums) T) family[sums] {
	return family[sums]{openmetrics.Family{Name: name, Type: kind, Help: help}, func(t *openmetrics.Text, s *sums) {
		t.Sample(valueOf(value(s)))
	}}
}

var sumFamilies = []family[sums]{
	sum(gauge, "hotreload_failed", "1 if a fault was contained: the manager is unusable and must be made anew.", func(s *sums) bool { return s.Failed }),
	sum(gauge, "hotreload_paused", "1 if the delivery of all plugins is paused.", func(s *sums) bool { return s.paused }),
	sum(gauge, "hotreload_pause_markers", "Pause markers that are there, or may be: the changes of their plugins wait.", func(s *sums) int { return s.markers }),
	sum(gauge, "hotreload_plugins", "Enabled plugins.", func(s *sums) int { return s.Plugins }),
	sum(gauge, "hotreload_plugins_unlisted", "Enabled plugins that have no metrics of their own: there are too many.", func(s *sums) int { return s.unaccounted }),
	sum(gauge, "hotreload_plugins_failing", "Plugins whose last reload failed, as the host has reported.", func(s *sums) int { return s.failing }),
	sum(gauge, "hotreload_plugins_settling", "Plugins whose file changed and is not yet quiet and complete.", func(s *sums) int { return s.Settling }),
	sum(gauge, "hotreload_plugins_being_written", "Of hotreload_plugins_settling: held open for writing.", func(s *sums) int { return s.BeingWritten }),
	sum(gauge, "hotreload_plugins_held_open", "Plugins whose file is held open for writing for long and does not change.", func(s *sums) int { return s.HeldOpen }),
	sum(gauge, "hotreload_plugins_unreadable", "Plugins whose file changed and cannot be read.", func(s *sums) int { return s.Unreadable }),
	sum(gauge, "hotreload_plugins_incomplete", "Plugins whose latest version is not a complete image.", func(s *sums) int { return s.IncompleteImages }),
	sum(gauge, "hotreload_plugins_validating", "Safe reload: versions that are being copied or validated.", func(s *sums) int { return s.Validating }),
	sum(gauge, "hotreload_pending_events", "Events that wait for the host, changes included.", func(s *sums) int { return s.Pending }),
	sum(gauge, "hotreload_watched_directories", "Directories with a notification watch.", func(s *sums) int { return s.WatchedDirectories }),
	sum(gauge, "hotreload_polled_directories", "Directories that are polled because they cannot be watched.", func(s *sums) int { return s.PolledDirectories }),
	sum(gauge, "hotreload_watched_files", "Files that are mount points, with a watch of their own.", func(s *sums) int { return s.WatchedFiles }),
	sum(gauge, "hotreload_polled_files", "Files that are mount points and are polled.", func(s *sums) int { return s.PolledFiles }),
	sum(gauge, "hotreload_unreliable_paths", "Directories and files that the safety check compares.", func(s *sums) int { return s.Unreliable }),
	sum(gauge, "hotreload_hanging_file_systems", "File systems that do not answer.", func(s *sums) int { return s.hanging }),
	sum(gauge, "hotreload_snapshots", "Safe reload: copies on the disk.", func(s *sums) int { return s.Snapshots }),
	{openmetrics.Family{Name: "hotreload_snapshot_size_bytes", Type: gauge, Unit: "bytes", Help: "Safe reload: size of the copies on the disk."},
		func(t *openmetrics.Text, s *sums) { t.Sample(valueOf(s.SnapshotBytes)) }},
	{openmetrics.Family{Name: "hotreload_last_delivery_timestamp_seconds", Type: gauge, Unit: "seconds", Help: "When a change was delivered last; absent before the first one."},
		func(t *openmetrics.Text, s *sums) {
			if !s.LastDelivery.IsZero() {
				t.Sample(seconds(s.LastDelivery.UnixNano()))
			}
		}},
	sum(counter, "hotreload_notifications", "Notifications of the system.", func(s *sums) uint64 { return s.Notifications }),
	sum(counter, "hotreload_overflows", "Times that the system dropped notifications.", func(s *sums) uint64 { return s.Overflows }),
	sum(counter, "hotreload_missed_notifications", "Changes that were found although a notification ought to have come.", func(s *sums) uint64 { return s.Missed }),
	sum(counter, "hotreload_safety_checks", "Times that unreliable paths were compared.", func(s *sums) uint64 { return s.SafetyChecks }),
	sum(counter, "hotreload_deliveries", "Changes that were delivered.", func(s *sums) uint64 { return s.Deliveries }),
	sum(counter, "hotreload_deliveries_writer_unknown", "Of hotreload_deliveries: the system did not say whether a writer had the file open.", func(s *sums) uint64 { return s.WritersUnknown }),
	sum(counter, "hotreload_removals", "Removals that were delivered.", func(s *sums) uint64 { return s.Removals }),
	sum(counter, "hotreload_unchanged", "Times that a file settled with nothing to deliver.", func(s *sums) uint64 { return s.Unchanged }),
	sum(counter, "hotreload_superseded", "Complete versions that a newer one replaced before they were delivered.", func(s *sums) uint64 { return s.Superseded }),
	sum(counter, "hotreload_rejected", "Versions that are not complete images or that validation rejected.", func(s *sums) uint64 { return s.Rejected + s.imagesRejected }),
	{openmetrics.Family{Name: "hotreload_reloads", Type: counter, Help: "Reloads that the host has reported, by outcome."},
		func(t *openmetrics.Text, s *sums) { writeOutcomes(t, nil, s.ReloadsOK, s.ReloadsFailed) }},
	sum(counter, "hotreload_rollbacks", "Of failed reloads: those with a good version to go back to.", func(s *sums) uint64 { return s.Rollbacks }),
	sum(counter, "hotreload_suppressed", "Versions that were not delivered because their content is known to fail.", func(s *sums) uint64 { return s.Suppressed }),
	sum(counter, "hotreload_retries", "Failed versions that were scheduled to be delivered again.", func(s *sums) uint64 { return s.Retries }),
	sum(counter, "hotreload_unreported", "Delivered versions that the host did not report on in time.", func(s *sums) uint64 { return s.Unreported }),
	sum(counter, "hotreload_snapshot_failures", "Safe reload: attempts to copy a version that failed.", func(s *sums) uint64 { return s.SnapshotFailures }),
	{openmetrics.Family{Name: "hotreload_health_events", Type: counter, Help: "Health events, by code."},
		func(t *openmetrics.Text, s *sums) {
			for code, label := range healthLabels {
				if label != "" {
					t.Sample(valueOf(s.health[code]), openmetrics.Label{Name: "code", Value: label})
				}
			}
		}},
	{openmetrics.Family{Name: "hotreload_delivery_latency_seconds", Type: openmetrics.Histogram, Unit: "seconds",
		Help: "From the first notification of a change to its delivery, quiet period, writers and pauses included."},
		func(t *openmetrics.Text, s *sums) { s.latency.write(t, nil) }},
	{openmetrics.Family{Name: "hotreload_delivery_wait_seconds", Type: openmetrics.Histogram, Unit: "seconds",
		Help: "From when a change was ready to be delivered to its delivery: what the host or a pause kept it waiting."},
		func(t *openmetrics.Text, s *sums) { s.wait.write(t, nil) }},
}

// each is a family with one sample of each plugin.
func each[T bool | int | int64 | uint64](kind openmetrics.Type, name, help string, value func(*figures) T) family[figures] {
	return family[figures]{openmetrics.Family{Name: name, Type: kind, Help: help}, func(t *openmetrics.Text, f *figures) {
		t.Sample(valueOf(value(f)), f.labels...)
	}}
}

// safeOnly leaves plugins without safe reload out.
func safeOnly(of family[figures]) family[figures] {
	write := of.write
	of.write = func(t *openmetrics.Text, f *figures) {
		if f.safe {
			write(t, f)
		}
	}
	return of
}

// moment is a family of times, which are absent if they have not come.
func moment(name, help string, ns func(*figures) int64) family[figures] {
	return family[figures]{openmetrics.Family{Name: name, Type: gauge, Unit: "seconds", Help: help}, func(t *openmetrics.Text, f *figures) {
		if at := ns(f); at != 0 {
			t.Sample(seconds(at), f.labels...)
		}
	}}
}

var pluginFamilies = []family[figures]{
	each(gauge, "hotreload_plugin_state", "What the plugin is doing, as a number: HRM_STATE_* of the C header.", func(f *figures) int64 { return int64(f.state) }),
	each(gauge, "hotreload_plugin_paused", "1 if the plugin is paused by itself.", func(f *figures) bool { return f.paused }),
	each(gauge, "hotreload_plugin_marked", "1 if the plugin's pause marker is there, or may be: its changes wait.", func(f *figures) bool { return f.marked }),
	each(gauge, "hotreload_plugin_polled", "1 if the plugin's path is polled, at least in part.", func(f *figures) bool { return f.polled }),
	each(gauge, "hotreload_plugin_generation", "The latest delivered version; 0 before the first.", func(f *figures) uint64 { return f.generation }),
	safeOnly(each(gauge, "hotreload_plugin_good_generation", "The latest version that the host has reported as loaded; 0 before the first.", func(f *figures) uint64 { return f.good })),
	moment("hotreload_plugin_last_delivery_timestamp_seconds", "When a change or removal was delivered last.", func(f *figures) int64 { return f.delivered }),
	{openmetrics.Family{Name: "hotreload_plugin_last_reload_successful", Type: gauge, Help: "1 if the host's last report was of success, 0 if it was of failure."},
		func(t *openmetrics.Text, f *figures) {
			if f.tally.reported != 0 {
				t.Sample(valueOf(f.tally.isGood), f.labels...)
			}
		}},
	moment("hotreload_plugin_last_reload_timestamp_seconds", "When the host reported on a reload last.", func(f *figures) int64 { return f.tally.reported }),
	moment("hotreload_plugin_last_reload_success_timestamp_seconds", "When the host reported a successful reload last.", func(f *figures) int64 { return f.tally.succeeded }),
	{openmetrics.Family{Name: "hotreload_plugin_version", Type: openmetrics.Info, Help: "The SHA-256 of the latest delivered version, where it is known."},
		func(t *openmetrics.Text, f *figures) {
			if h := f.tally.hash; h != nil {
				t.Sample(1, append(f.labels[:1:1], openmetrics.Label{Name: "sha256", Value: hex.EncodeToString(h[:])})...)
			}
		}},
	each(counter, "hotreload_plugin_rejected", "Versions that are not complete images or that validation rejected.", func(f *figures) uint64 { return f.tally.rejected }),
	safeOnly(family[figures]{openmetrics.Family{Name: "hotreload_plugin_reloads", Type: counter, Help: "Reloads that the host has reported, by outcome."},
		func(t *openmetrics.Text, f *figures) { writeOutcomes(t, f.labels, f.tally.loaded, f.tally.failed) }}),
	safeOnly(each(counter, "hotreload_plugin_rollbacks", "Of failed reloads: those with a good version to go back to.", func(f *figures) uint64 { return f.tally.rolled })),
	{openmetrics.Family{Name: "hotreload_plugin_delivery_latency_seconds", Type: openmetrics.Histogram, Unit: "seconds",
		Help: "From the first notification of a change to its delivery; absent before the first one."},
		func(t *openmetrics.Text, f *figures) {
			if !f.tally.latency.isEmpty() {
				f.tally.latency.write(t, f.labels)
			}
		}},
}

func writeOutcomes(t *openmetrics.Text, labels []openmetrics.Label, ok, failed uint64) {
	n := len(labels)
	t.Sample(valueOf(ok), append(labels[:n:n], openmetrics.Label{Name: "outcome", Value: "ok"})...)
	t.Sample(valueOf(failed), append(labels[:n:n], openmetrics.Label{Name: "outcome", Value: "failed"})...)
}

func (h *histogram) write(t *openmetrics.Text, labels []openmetrics.Label) {
	t.Buckets(latencyBounds[:], h.counts[:], h.sum.Seconds(), labels...)
}

// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// metrics returns the samples by their names with labels.
func metrics(t *testing.T, m *Engine) map[string]string {
	t.Helper()
	text, err := m.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	samples := map[string]string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "# ") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if _, twice := samples[line[:at]]; twice {
			t.Fatalf("there are two samples of %s", line[:at])
		}
		samples[line[:at]] = line[at+1:]
	}
	if !strings.HasSuffix(text, "\n# EOF\n") {
		t.Fatalf("the text does not end with # EOF:\n%s", text)
	}
	return samples
}

// has checks samples; "" is for one that is not there.
func has(t *testing.T, samples, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := samples[name]; got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}

func TestEveryMetricIsDescribedByTheRulesAndOnce(t *testing.T) {
	seen := map[string]bool{}
	check := func(fault, name string) {
		if fault != "" || seen[name] || !strings.HasPrefix(name, "hotreload_") {
			t.Errorf("%s: %s, twice %v", name, fault, seen[name])
		}
		seen[name] = true
	}
	for i := range sumFamilies {
		check(sumFamilies[i].Fault(), sumFamilies[i].Name)
	}
	for i := range pluginFamilies {
		check(pluginFamilies[i].Fault(), pluginFamilies[i].Name)
	}
}

func TestMetricsWithoutAnyPlugin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Options{})
		defer h.m.Close()
		samples := metrics(t, h.m)
		has(t, samples, map[string]string{"hotreload_plugins": "0", "hotreload_deliveries_total": "0", "hotreload_failed": "0",
			`hotreload_health_events_total{code="overflow"}`: "0", "hotreload_last_delivery_timestamp_seconds": "",
			`hotreload_delivery_latency_seconds_bucket{le="+Inf"}`: "0"})
		for name := range samples {
			if strings.HasPrefix(name, "hotreload_plugin_") {
				t.Errorf("there is %s", name)
			}
		}
	})
}

func TestMetricsFollowAChange(t *testing.T) {
	inBubble(t, Options{Dispatch: DispatchManual}, func(h *host) {
		h.dispatch(0, 0)
		has(t, metrics(t, h.m), map[string]string{`hotreload_plugin_state{plugin="a"}`: "1", `hotreload_plugin_generation{plugin="a"}`: "0",
			`hotreload_plugin_polled{plugin="a"}`: "0", `hotreload_plugin_rejected_total{plugin="a"}`: "0",
			`hotreload_plugin_delivery_latency_seconds_count{plugin="a"}`: "", `hotreload_plugin_good_generation{plugin="a"}`: "",
			`hotreload_plugin_last_delivery_timestamp_seconds{plugin="a"}`: ""})
		h.disk.replace(pluginPath, "v1")
		time.Sleep(400 * ms) // 100 of them are the quiet period
		synctest.Wait()
		h.pause("a", true)
		has(t, metrics(t, h.m), map[string]string{`hotreload_plugin_state{plugin="a"}`: "10", `hotreload_plugin_paused{plugin="a"}`: "1",
			"hotreload_pending_events": "1"})
		h.pause("a", false)
		h.dispatch(0, 0)
		samples := metrics(t, h.m)
		now := fmt.Sprintf("%g", float64(time.Now().UnixNano())/1e9)
		has(t, samples, map[string]string{`hotreload_plugin_generation{plugin="a"}`: "1", "hotreload_deliveries_total": "1",
			"hotreload_delivery_latency_seconds_sum": "0.4", "hotreload_delivery_wait_seconds_sum": "0.3",
			`hotreload_delivery_latency_seconds_bucket{le="0.25"}`: "0", `hotreload_delivery_latency_seconds_bucket{le="0.5"}`: "1",
			`hotreload_plugin_delivery_latency_seconds_bucket{plugin="a",le="0.5"}`: "1",
			`hotreload_plugin_delivery_latency_seconds_sum{plugin="a"}`:             "0.4", `hotreload_plugin_version_info{plugin="a"}`: ""})
		var delivered float64
		fmt.Sscan(samples[`hotreload_plugin_last_delivery_timestamp_seconds{plugin="a"}`], &delivered)
		if got := fmt.Sprintf("%g", delivered); got != now {
			t.Errorf("delivered at %s, want %s", got, now)
		}
	})
}

func TestMetricsCountIncompleteImagesAndHealth(t *testing.T) {
	inBubble(t, Options{CheckImage: true}, func(h *host) {
		h.disk.write(pluginPath, "v1")
		h.disk.setImage(pluginPath, errBadImage)
		h.expect(time.Minute)
		has(t, metrics(t, h.m), map[string]string{`hotreload_plugin_rejected_total{plugin="a"}`: "1", "hotreload_rejected_total": "1",
			`hotreload_plugin_state{plugin="a"}`: "5", "hotreload_plugins_incomplete": "1",
			`hotreload_health_events_total{code="image_incomplete"}`: "1"})
	})
}

func TestMetricsNameTheHashWhereItIsKnown(t *testing.T) {
	inBubble(t, Options{IgnoreUnchangedContent: true}, func(h *host) {
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Second, "a=v1")
		found := 0
		for name := range metrics(t, h.m) {
			if rest, is := strings.CutPrefix(name, `hotreload_plugin_version_info{plugin="a",sha256="`); is && len(rest) == 66 {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%d hashes are named", found)
		}
	})
}

func TestMetricsSayWhatIsPolled(t *testing.T) {
	inBubble(t, Options{ForcePolling: true}, func(h *host) {
		has(t, metrics(t, h.m), map[string]string{`hotreload_plugin_polled{plugin="a"}`: "1", "hotreload_polled_directories": "2",
			"hotreload_watched_directories": "0"})
	})
}

func TestMetricsWhileTheFileSystemHangs(t *testing.T) {
	var hangs atomic.Bool
	on := func(d *fakeDisk) fsys.Disk {
		return hookedDisk{d, func(op, path string, access func()) {
			for hangs.Load() && strings.HasPrefix(path, "/plugins") {
				time.Sleep(time.Second)
			}
			access()
		}}
	}
	inBubbleOn(t, Options{mountOf: func(string) string { return "/plugins" }}, on, func(h *host) {
		hangs.Store(true)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Minute)
		start := time.Now()
		has(t, metrics(t, h.m), map[string]string{"hotreload_hanging_file_systems": "1", `hotreload_plugin_state{plugin="a"}`: "12",
			`hotreload_health_events_total{code="hanging"}`: "1"})
		if waited := time.Since(start); waited != 0 {
			t.Errorf("it took %v", waited)
		}
		hangs.Store(false)
		h.expect(time.Minute, "a=v1")
		has(t, metrics(t, h.m), map[string]string{"hotreload_hanging_file_systems": "0", `hotreload_plugin_state{plugin="a"}`: "1"})
	})
}

func TestMetricsInsideACallbackAndAfterAFault(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.m.SetReloadCallback(func(string) {
			has(t, metrics(t, h.m), map[string]string{`hotreload_plugin_state{plugin="a"}`: "11"})
		}, nil)
		h.disk.replace(pluginPath, "v1")
		h.expect(time.Second)
		h.m.Fault("boom")
		has(t, metrics(t, h.m), map[string]string{"hotreload_failed": "1", `hotreload_health_events_total{code="panic"}`: "1"})
		h.m.Close()
		if _, err := h.m.Metrics(); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestMetricsOfIdsWithQuotesAndBackslashes(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		h.enable(`say "hi\n" 你`, pluginPath)
		has(t, metrics(t, h.m), map[string]string{`hotreload_plugin_state{plugin="say \"hi\\n\" 你"}`: "1"})
	})
}

func TestMetricsOfManyPluginsAreOfTheLatestAndSayOfHowManyNot(t *testing.T) {
	inBubble(t, Options{}, func(h *host) {
		for i := range maxPluginsInMetrics - 1 {
			h.enable(fmt.Sprint("b", i), pluginPath)
		}
		has(t, metrics(t, h.m), map[string]string{"hotreload_plugins_unlisted": "0", `hotreload_plugin_state{plugin="b7"}`: "1"})
		h.enable("last", pluginPath)
		h.pause("last", true)
		h.pause("b9", true)
		has(t, metrics(t, h.m), map[string]string{"hotreload_plugins_unlisted": fmt.Sprint(maxPluginsInMetrics - 1),
			`hotreload_plugin_paused{plugin="last"}`: "1", `hotreload_plugin_paused{plugin="b9"}`: "1", `hotreload_plugin_state{plugin="b7"}`: ""})
	})
}

func TestHistogramCountsByBounds(t *testing.T) {
	var h histogram
	for _, d := range []time.Duration{-time.Second, 5 * ms, 6 * ms, time.Minute, time.Hour} {
		h.add(d)
	}
	if h.counts[0] != 2 || h.counts[1] != 1 || h.counts[len(latencyBounds)-1] != 1 || h.counts[len(latencyBounds)] != 1 ||
		h.sum != time.Hour+time.Minute+11*ms {
		t.Errorf("counts %v, sum %v", h.counts, h.sum)
	}
}

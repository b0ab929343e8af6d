// SPDX-License-Identifier: MIT

package core_test

import (
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
)

// namesOf are the codes of a kind that a file lists, by name without prefix,
// underscores and case.
func namesOf(t *testing.T, file, begin, end, pattern string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(b), begin)
	list, _, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has nothing between %q and %q", file, begin, end)
	}
	codes := map[string]string{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(list, -1) {
		if m[2] != "0" {
			codes[strings.ToLower(strings.ReplaceAll(m[1], "_", ""))] = m[2]
		}
	}
	return codes
}

func TestEveryLanguageHasEveryHealthCode(t *testing.T) {
	const golang = `\tHealth(\w+) +HealthCode += (\d+)`
	want := namesOf(t, "event.go", "type HealthCode int32", "\n)", golang)
	if len(want) < 11 {
		t.Fatalf("only %d codes found", len(want))
	}
	for language, got := range map[string]map[string]string{
		"the engine": namesOf(t, "internal/deliver/event.go", "type HealthCode int32", "\n)", golang),
		"C":          namesOf(t, "../include/hot_reload_manager.h", "HRM_EVENT_ROLLBACK", "typedef struct hrm_event", `#define HRM_HEALTH_(\w+) (\d+)`),
		"C++":        namesOf(t, "../include/qtplugin/hotreload/types.hpp", "enum class Health", "};", `\n +(\w+) = (\d+),`),
		"Python":     namesOf(t, "../python/src/qtforge/monitoring/events.py", "class Health", "\n\n\n", `\n +(\w+) = (\d+)`),
	} {
		if !maps.Equal(got, want) {
			t.Errorf("%s has %v, core has %v", language, got, want)
		}
	}
}

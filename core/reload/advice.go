// SPDX-License-Identifier: MIT

package reload

import "strings"

// advised adds to the text of a failed load what can be done about it, where the loader's
// own words do not say so.
func advised(failure string) string {
	if strings.Contains(failure, "static TLS block") {
		return failure + ": each version that is in memory takes some of it; compile the plugin without -ftls-model=initial-exec, " +
			"or start the host with more of it (GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384)"
	}
	return failure
}

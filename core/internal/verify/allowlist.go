package verify

import (
	"encoding/hex"
	"strings"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/printable"
)

// checkAllowList rejects files whose SHA-256 is not listed.
func checkAllowList(list string, files []File) error {
	allowed, err := readAllowList(list)
	if err != nil {
		return Reject("the allow-list: %v", err)
	}
	for _, f := range files {
		if !allowed[f.Hash] {
			return Reject("%s (SHA-256 %x) is not in the allow-list %q", f.Name, f.Hash, list)
		}
	}
	return nil
}

// readAllowList reads what sha256sum writes.
func readAllowList(path string) (map[fsys.Hash]bool, error) {
	text, err := readEvidence(path, maxAllowList)
	if err != nil {
		return nil, err
	}
	allowed := map[fsys.Hash]bool{}
	for n, rest := 1, string(text); rest != ""; n++ {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		sum := strings.TrimSpace(line)
		if i := strings.IndexAny(sum, " \t"); i >= 0 {
			sum = sum[:i]
		}
		if sum == "" || sum[0] == '#' {
			continue
		}
		// sha256sum puts a backslash before a hash whose file has an unusual name.
		raw, err := hex.DecodeString(strings.TrimPrefix(sum, `\`))
		if err != nil || len(raw) != len(fsys.Hash{}) {
			return nil, printable.Errorf("%q, line %d does not begin with a SHA-256 in hexadecimal (64 digits); write it with sha256sum", path, n)
		}
		allowed[fsys.Hash(raw)] = true
	}
	return allowed, nil
}

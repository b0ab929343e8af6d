// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
)

type version struct{ major, minor, patch int }

func (v version) String() string {
	return fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch)
}

var versionString = regexp.MustCompile(`(?m)^#define\s+HRM_VERSION_STRING\s+"(\d+)\.(\d+)\.(\d+)"\s*$`)

// readVersion takes the version from the header's macros and insists that the
// numbers and the string agree.
func readVersion(header string) (version, error) {
	text, err := os.ReadFile(header)
	if err != nil {
		return version{}, err
	}
	return parseVersion(header, text)
}

func parseVersion(header string, text []byte) (version, error) {
	m := versionString.FindSubmatch(text)
	if m == nil {
		return version{}, fmt.Errorf("%s: no HRM_VERSION_STRING of the form \"1.2.3\"", header)
	}
	var n [3]int
	for i, name := range []string{"MAJOR", "MINOR", "PATCH"} {
		re := regexp.MustCompile(`(?m)^#define\s+HRM_VERSION_` + name + `\s+(\d+)\s*$`)
		macro := re.FindSubmatch(text)
		if macro == nil {
			return version{}, fmt.Errorf("%s: no HRM_VERSION_%s", header, name)
		}
		if string(macro[1]) != string(m[i+1]) {
			return version{}, fmt.Errorf("%s: HRM_VERSION_%s is %s, but HRM_VERSION_STRING says %s.%s.%s",
				header, name, macro[1], m[1], m[2], m[3])
		}
		var err error
		if n[i], err = strconv.Atoi(string(macro[1])); err != nil {
			return version{}, fmt.Errorf("%s: HRM_VERSION_%s: %w", header, name, err)
		}
	}
	return version{n[0], n[1], n[2]}, nil
}

// SPDX-License-Identifier: MIT

package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReadVersion(t *testing.T) {
	v, err := readVersion(filepath.Join("..", "..", "include", "hot_reload_manager.h"))
	if err != nil {
		t.Fatal(err)
	}
	if v.major < 1 {
		t.Errorf("version %v, want at least 1.0.0", v)
	}
}

func TestParseVersion(t *testing.T) {
	good := "#define HRM_VERSION_MAJOR 2\n#define HRM_VERSION_MINOR 30\n#define HRM_VERSION_PATCH 4\n"
	for _, tc := range []struct{ text, want, err string }{
		{good + "#define HRM_VERSION_STRING \"2.30.4\"\n", "2.30.4", ""},
		{good + "#define HRM_VERSION_STRING \"2.31.4\"\n", "", "HRM_VERSION_MINOR is 30"},
		{good, "", "no HRM_VERSION_STRING"},
		{"#define HRM_VERSION_STRING \"1.0.0\"\n", "", "no HRM_VERSION_MAJOR"},
	} {
		v, err := parseVersion("test.h", []byte(tc.text))
		switch {
		case tc.err == "" && (err != nil || v.String() != tc.want):
			t.Errorf("parseVersion(%q) = %v, %v; want %s", tc.text, v, err, tc.want)
		case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
			t.Errorf("parseVersion(%q): error %v, want one with %q", tc.text, err, tc.err)
		}
	}
}

func TestNames(t *testing.T) {
	v := version{1, 2, 3}
	for goos, want := range map[string]string{
		"linux":   "libhotreload.so.1.2.3 libhotreload.so.1 libhotreload.so.1>libhotreload.so.1.2.3 libhotreload.so>libhotreload.so.1",
		"darwin":  "libhotreload.1.dylib @rpath/libhotreload.1.dylib libhotreload.dylib>libhotreload.1.dylib",
		"windows": "hotreload.dll ",
	} {
		if got := namesFor(goos, true, v); got.file != "libhotreload.a" || got.id != "" || got.links != nil {
			t.Errorf("%s, static: %+v, want libhotreload.a alone", goos, got)
		}
		n := namesFor(goos, false, v)
		got := n.file + " " + n.id
		for _, l := range n.links {
			got += " " + l.name + ">" + l.target
		}
		if got != want {
			t.Errorf("%s: %q, want %q", goos, got, want)
		}
	}
}

func TestCompilerIsSplitAsGoSplitsIt(t *testing.T) {
	for _, tc := range []struct {
		cc   string
		want []string
	}{
		{"cc", []string{"cc"}},
		{" ccache  gcc -m64 ", []string{"ccache", "gcc", "-m64"}},
		{"'/opt/my tools/cc' -m64", []string{"/opt/my tools/cc", "-m64"}},
		{`"/opt/Alice's/cc"`, []string{"/opt/Alice's/cc"}},
		{"", nil},
	} {
		if got, err := split(tc.cc); err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("split(%q) = %q, %v; want %q", tc.cc, got, err, tc.want)
		}
	}
	if got, err := split("'cc"); err == nil {
		t.Errorf("split of an unterminated quotation = %q, want an error", got)
	}
}

func TestPathThatGoCannotPassToTheLinkerIsAnError(t *testing.T) {
	if got, err := quote([]string{"-Wl,--version-script=/my files/x", "-Wl,-z,now"}); err != nil || got != `'"-Wl,--version-script=/my files/x" -Wl,-z,now'` {
		t.Errorf("quote with a space = %s, %v", got, err)
	}
	if got, err := quote([]string{"-Wl,--version-script=/Alice's/x"}); err == nil || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("quote with a quotation mark = %s, %v; want an error that says what to do", got, err)
	}
}

func TestImportLibrariesHaveTheHeadersFunctionsAlone(t *testing.T) {
	list := "; made by the linker\r\nEXPORTS\r\n    _cgo_dummy_export @1 DATA\r\n    hrm_clear @2\r\n    hrmgo_clear @3\r\n"
	if got, want := publicExports("hotreload.dll", list), "LIBRARY hotreload.dll\nEXPORTS\n    hrm_clear\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTheDlltoolOfACrossCompilerIsItsOwn(t *testing.T) {
	for cc, want := range map[string]string{
		"gcc":                         "dlltool",
		"x86_64-w64-mingw32-gcc":      "x86_64-w64-mingw32-dlltool",
		"/opt/x86_64-w64-mingw32-gcc": "/opt/x86_64-w64-mingw32-dlltool",
	} {
		if got := dlltoolOf(cc); got != want {
			t.Errorf("%s: %s, want %s", cc, got, want)
		}
	}
}
